"""The web page as people have it: two of them in a real browser, against a real installation of two nodes."""

import asyncio
from contextlib import AsyncExitStack
from pathlib import Path

import asyncpg
import pytest
from playwright.async_api import Locator

from config.settings import load
from protocol.ids import UserId
from tests.page.browsing import DESKTOP, PHONE, Someone, chromium, cut, someone
from tests.server.feed.stage import People
from tests.server.running import Installation

pytestmark = pytest.mark.verify


async def test_two_people_follow_post_like_write_and_tell_stories_and_the_other_sees_it_live(
    installation: Installation, photo: Path, shots: Path
) -> None:
    async with AsyncExitStack() as stack:
        browser = await stack.enter_async_context(chromium())
        ada = await stack.enter_async_context(someone(browser, shots, "ada", DESKTOP))
        ben = await stack.enter_async_context(someone(browser, shots, "ben", PHONE, dark=True))
        await ben.sign_up(installation.url)
        await ada.sign_up(installation.url, "#/@ben")
        assert ada.complaints + ben.complaints == []
        await copied(ben)
        await followed(ada, ben)
        await posted(ada, ben, photo)
        await story_seen(ada, ben, photo)
        await talked(ada, ben)
        assert ada.complaints + ben.complaints == []
        await refused(ben, photo.with_suffix(".txt"))
        await remembered(ada)


async def followed(ada: Someone, ben: Someone) -> None:
    await ada.page.get_by_role("button", name="Follow", exact=True).click()
    await ada.page.get_by_role("button", name="Following").wait_for()
    await ada.shoot("profile")
    # Live: a badge first, then the words.
    await ben.page.locator("[data-to='#/notifications'] .badge", has_text="1").wait_for()
    await ben.go("#/notifications")
    await ben.see("started following you")
    await ben.shoot("notifications")
    await ben.page.locator("[data-to='#/notifications'] .badge").wait_for(state="hidden")


async def posted(ada: Someone, ben: Someone, photo: Path) -> None:
    await ada.go("#/")
    await ada.see("Your feed is empty")
    await ada.shoot("empty-feed")
    # Ben follows nobody: whoever follows him is somebody to begin with.
    await ben.go("#/people")
    await ben.see("People who follow you")
    await ben.page.get_by_role("main").get_by_role("link", name="ada").wait_for()
    await ada.go("#/people")
    await ada.see("Nobody to suggest yet")
    await ada.go("#/")
    await ben.go("#/")
    await ben.share([photo, photo], "The harbour was all fog " * 20 + "<i>")
    # Nobody touches ada's page: the post comes to it.
    card = ada.page.get_by_role("article", name="Post by ben")
    await card.wait_for()
    await ada.page.locator(".post .picture.loaded").first.wait_for()
    await card.get_by_role("button", name="Next photo").click()
    await card.get_by_text("2/2").wait_for()
    await card.get_by_role("button", name="Show all").click()
    await card.get_by_text("<i>").wait_for()
    await card.get_by_role("button", name="Save").click()
    mine = ben.page.get_by_role("article", name="Post by ben")
    await mine.wait_for()
    await card.get_by_role("button", name="Like").click()
    await card.get_by_text("1 like", exact=True).wait_for()
    await mine.get_by_text("1 like", exact=True).wait_for()
    await card.get_by_role("button", name="0 comments").click()
    await ada.page.get_by_label("Your comment").fill("lovely <b>light</b>")
    await ada.page.get_by_role("button", name="Comment", exact=True).click()
    await ada.see("lovely <b>light</b>")
    await ada.shoot("comments")
    await ada.page.keyboard.press("Escape")
    await answered(ben, mine)
    await ada.shoot("feed")
    await ben.shoot("feed")
    await ada.page.get_by_role("button", name="For you").click()
    await card.wait_for()
    await ada.page.locator("#navigation a").last.click()
    await ada.page.get_by_role("button", name="Saved").click()
    await ada.page.get_by_role("main").get_by_role("link", name="The harbour").wait_for()
    await ada.go("#/")


async def answered(ben: Someone, mine: Locator) -> None:
    """A comment is liked and answered, and the answer is there again for who asks for it."""
    await mine.get_by_role("button", name="1 comment").click()
    await ben.page.get_by_role("button", name="Like the comment of ada").click()
    await ben.see("1 like")
    await ben.page.get_by_role("button", name="Answer ada").click()
    await ben.page.get_by_label("Your comment").fill("@ada come and see")
    await ben.page.get_by_role("button", name="Comment", exact=True).click()
    await ben.page.locator(".answers").get_by_text("@ada come and see").wait_for()
    await ben.page.keyboard.press("Escape")
    await mine.get_by_role("button", name="2 comments").click()
    await ben.page.get_by_role("button", name="Show 1 answer").click()
    await ben.page.locator(".answers").get_by_text("@ada come and see").wait_for()
    await ben.shoot("threads")
    await ben.page.keyboard.press("Escape")


async def copied(ben: Someone) -> None:
    """A duplicated tab is a device of its own, and does not wear out the other's refresh token: it asks for theirs."""
    token = "JSON.parse(sessionStorage.getItem('tidings.login')).refresh_token"
    worn = "sessionStorage.getItem('tidings.login').replace(/\"until\":[0-9]+/, '\"until\":0')"
    async with ben.page.context.expect_page() as opened:
        await ben.page.evaluate("window.open(location.href)")
    copy = await opened.value
    await copy.wait_for_selector("body[data-connection=online]")
    await copy.evaluate(f"sessionStorage.setItem('tidings.login', {worn})")
    await copy.reload()
    await copy.wait_for_selector("body[data-connection=online]")
    assert await copy.evaluate(token) == await ben.page.evaluate(token)
    await ben.online()
    await copy.close()


async def story_seen(ada: Someone, ben: Someone, photo: Path) -> None:
    await ben.tell_story(photo)
    await ada.page.get_by_role("button", name="Stories of ben, new").click()
    story = ada.page.get_by_role("dialog", name="Stories of ben")
    await story.locator(".picture.loaded").wait_for()
    await story.get_by_role("button", name="React with 🔥").click()
    await story.locator("[aria-pressed=true]").wait_for()
    await story.get_by_label("Reply to ben").fill("so much fog")
    await story.get_by_role("button", name="Send reply").click()
    await ada.see("Sent.")
    await ada.shoot("story")
    await story.get_by_role("button", name="Next story").click()
    await story.wait_for(state="detached")
    await ada.page.get_by_role("button", name="Stories of ben, seen").wait_for()


async def talked(ada: Someone, ben: Someone) -> None:
    await ada.page.goto(ada.page.url.split("#")[0] + "#/@ben")
    await ada.page.get_by_role("button", name="Message", exact=True).click()
    await ada.say("are you at the harbour?")
    await ben.go("#/inbox")
    await (await ben.see("are you at the harbour?")).click()
    await ben.see("About a story: so much fog")
    await ben.page.get_by_role("button", name="Accept").click()
    await ben.page.get_by_role("button", name="Accept").wait_for(state="hidden")
    await ben.page.get_by_label("Message", exact=True).press_sequentially("still")
    await ada.see("typing…")
    await ben.say("still here, come")
    await ada.see("still here, come")
    await ada.say("on my way")
    await ben.see("on my way")
    await ada.page.get_by_text("seen").last.wait_for()
    await ada.shoot("conversation")
    await ben.shoot("conversation")
    await ben.go("#/inbox")
    await ben.see("on my way")
    await ben.shoot("inbox")
    await ben.go("#/")
    await ben.page.get_by_role("article").first.get_by_role("button", name="Send to somebody").click()
    await ben.page.get_by_role("dialog").get_by_role("button", name="Send", exact=True).click()
    await ben.see("Sent")
    await ben.shoot("send-to")
    await ben.page.keyboard.press("Escape")
    await (await ada.see("Shared a post")).click()
    await ada.page.get_by_role("article", name="Post by ben").wait_for()
    await ada.page.go_back()


async def refused(ben: Someone, file: Path) -> None:
    """What is no picture is said to be none, in words."""
    file.write_text("no picture at all " * 1_000)
    await ben.page.get_by_role("navigation").get_by_role("button").click()
    dialog = ben.page.get_by_role("dialog")
    await dialog.locator("input[type=file]").set_input_files(file)
    await dialog.get_by_text("JPEG").last.wait_for()
    await ben.shoot("refused")
    assert await dialog.get_by_role("button", name="Share").is_disabled()
    await dialog.get_by_role("button", name="Close").click()


async def remembered(ada: Someone) -> None:
    """A reload keeps who is signed in; logging out does not."""
    await ada.page.reload()
    await ada.online()
    await ada.see("on my way")
    await ada.go("#/people")
    await ada.page.get_by_label("Username").fill("nobody.there")
    await ada.page.get_by_role("button", name="Find").click()
    await ada.page.get_by_role("status").get_by_text("no such").or_(ada.page.get_by_text("nobody")).first.wait_for()
    await ada.shoot("people")
    await ada.page.locator("#navigation a").last.click()
    await ada.page.get_by_role("button", name="Log out").click()
    await ada.page.get_by_role("button", name="Log in").wait_for()
    assert await ada.page.evaluate("sessionStorage.getItem('tidings.login')") is None
    await ada.page.get_by_label("Username").fill("ada")
    await ada.page.get_by_label("Password").fill("not this one")
    await ada.page.get_by_role("button", name="Sign up").click()
    await ada.see("Somebody has this name")
    await ada.page.get_by_role("button", name="Log in").click()
    await ada.see("The username or the password is wrong.")


async def test_a_feed_goes_on_where_a_whole_page_of_it_fits_on_the_screen(
    installation: Installation, shots: Path
) -> None:
    async with AsyncExitStack() as stack:
        database = await asyncpg.connect(str(load(installation.data / "tidings.toml", {}).postgres.url))
        stack.push_async_callback(database.close)
        browser = await stack.enter_async_context(chromium())
        gil = await stack.enter_async_context(someone(browser, shots, "gil", (1280, 12_000)))
        await gil.sign_up(installation.url, "#/people")
        me = await database.fetchval("select id from account where username = 'gil'")
        await People(database).posts(UserId(str(me)), 21)
        await gil.go("#/")
        await gil.see("That is all there is.")
        assert await gil.page.get_by_role("article").count() == 21
        # Elsewhere and back: the feed is where it was left.
        await gil.page.set_viewport_size({"width": 360, "height": 740})
        names = [
            await link.get_attribute("href")
            for link in await gil.page.get_by_role("link", name="People", exact=True).all()
        ]
        assert names == ["#/people"]
        await gil.page.get_by_role("article").nth(15).scroll_into_view_if_needed()
        place = await gil.page.evaluate("scrollY")
        await gil.go("#/inbox")
        await gil.see("No messages yet")
        await gil.page.go_back()
        await gil.page.get_by_role("article").nth(15).wait_for()
        assert await gil.page.evaluate("scrollY") == place > 0
        await revoked(gil)
        # Its pictures are not there: nothing else is amiss.
        assert [complaint for complaint in gil.complaints if "/v1/media/" not in complaint] == []


async def revoked(gil: Someone) -> None:
    """Who is signed out from elsewhere is told so, and may sign in again."""
    token = await gil.page.evaluate("JSON.parse(sessionStorage.getItem('tidings.login')).access_token")
    await gil.page.request.delete(
        f"{gil.page.url.split('#')[0]}v1/logins/current", headers={"Authorization": f"Bearer {token}"}
    )
    await gil.page.get_by_role("alert").get_by_text("You were signed out.").wait_for()
    await gil.page.get_by_role("button", name="Log in").wait_for()


async def test_pages_come_back_by_themselves_when_nodes_are_killed_and_nothing_is_lost_or_shown_twice(
    installation: Installation, shots: Path
) -> None:
    async with AsyncExitStack() as stack:
        browser = await stack.enter_async_context(chromium())
        eve = await stack.enter_async_context(someone(browser, shots, "eve", DESKTOP))
        finn = await stack.enter_async_context(someone(browser, shots, "finn", PHONE))
        # Under another name of the same machine, whose sockets are elsewhere for the browser.
        await finn.sign_up(installation.url.replace("127.0.0.1", "localhost"))
        await eve.sign_up(installation.url, "#/@finn")
        await eve.page.get_by_role("button", name="Message", exact=True).click()
        await eve.say("before")
        await finn.go("#/inbox")
        await (await finn.see("before")).click()
        gus = await stack.enter_async_context(someone(browser, shots, "gus", PHONE, dark=True))
        await left_alone(gus, installation.url)
        for number in (1, 2):
            killed = installation.node_pid(number)
            installation.kill_node(number)
            # Said while whoever lived there is away: it waits in the page, and arrives once.
            await eve.say(f"said without node {number}")
            await asyncio.to_thread(installation.await_node, number, killed)
            await (await finn.see(f"said without node {number}")).wait_for()
            await eve.online()
            await finn.online()
        # What could not be shown while nobody answered is shown when somebody does.
        await gus.page.get_by_role("heading", name="eve").wait_for()
        await finn.page.get_by_role("button", name="Accept").click()
        await finn.say("all of it")
        await eve.see("all of it")
        await eve.page.locator(".pending").wait_for(state="detached")
        said = ["before", "said without node 1", "said without node 2", "all of it"]
        for who in (eve, finn):
            assert await who.page.locator(".log li p").all_text_contents() == said
        await finn.shoot("after-kills")


async def left_alone(gus: Someone, url: str) -> None:
    """At a page of somebody that nobody answers for."""
    await gus.sign_up(url)
    await gus.page.route("**/v1/users/**", cut)
    await gus.page.evaluate("location.hash = '#/@eve'")
    await gus.see("The server cannot be reached.")
    await gus.page.unroute("**/v1/users/**")

"""What people do to each other on the page, and what they are told when it does not go as they wished."""

from pathlib import Path

import pytest
from playwright.async_api import Browser, expect

from tests.page.browsing import DESKTOP, PASSWORD, PHONE, Someone, cut, someone
from tests.page.conftest import BESIDE, INTRODUCED, LARGEST
from tests.server.media.drawing import HEIC
from tests.server.running import Installation
from tidings_client import Client, Login, new_cid, sign_up

pytestmark = pytest.mark.verify

HOSTILE = "<img src=x onerror=alert(1)>" + "w" * 400 + "שלום"


async def test_somebody_private_is_asked_and_both_see_what_becomes_of_it(
    installation: Installation, browser: Browser, shots: Path, photo: Path
) -> None:
    async with (
        someone(browser, shots, "mia", PHONE, dark=True) as mia,
        someone(browser, shots, "noa", DESKTOP) as noa,
    ):
        await mia.sign_up(installation.url)
        await noa.sign_up(installation.url)
        await mia.page.locator("#navigation a").last.click()
        await mia.page.get_by_label("Private account").check()
        await expect(mia.page.get_by_label("Private account")).to_be_enabled()
        await noa.visit("mia")
        await noa.see("Their posts are for those who follow them.")
        await noa.press("Follow")
        await noa.button("Requested").wait_for()
        await mia.go("#/notifications")
        await mia.shoot("requests")
        # Pressed by the keyboard; the focus has somewhere to go.
        await mia.button("Accept noa").focus()
        await mia.page.keyboard.press("Enter")
        await mia.see("noa follows you now.")
        await mia.button("Accept noa").wait_for(state="detached")
        assert await mia.page.evaluate("document.activeElement.id") == "view"
        # Nobody touches noa's page.
        await noa.button("Following").wait_for()
        await mia.visit("noa")
        await mia.press("Follow")
        await talked(mia, noa)
        await reacted(mia, noa, photo)
        await rewritten(mia, noa, photo)
        assert mia.complaints + noa.complaints == []
        # What a block hides is not found, of which browsers complain.
        await unsent(mia, noa)


async def talked(mia: Someone, noa: Someone) -> None:
    """Each sees that the other is here; what they write is text and nothing else, however long, and is sent once."""
    await mia.press("Message")
    await mia.page.get_by_label("Message", exact=True).fill(HOSTILE)
    await mia.button("Send").dblclick()
    await noa.visit("mia")
    await noa.press("Message")
    await noa.see(HOSTILE)
    await noa.see("here now")
    await mia.see("here now")
    await noa.go("#/inbox")
    await mia.page.get_by_text("online", exact=True).wait_for()
    await noa.shoot("inbox")
    await mia.shoot("conversation")
    await expect(mia.page.locator(".log li")).to_have_count(1)


async def reacted(mia: Someone, noa: Someone, photo: Path) -> None:
    """A reaction to a story comes with a picture of it."""
    await mia.go("#/")
    await mia.tell_story(photo)
    await noa.go("#/")
    await noa.press("Stories of mia, new")
    await noa.press("React with 👏")
    await noa.page.locator(".emoji[aria-pressed=true]").wait_for()
    await noa.page.keyboard.press("Escape")
    await outlived(mia, noa, photo)
    await mia.go("#/inbox")
    await (await mia.see("Reacted to a story")).click()
    picture = mia.page.get_by_role("img", name="The story")
    await mia.page.wait_for_function("picture => picture.naturalWidth > 0", arg=await picture.element_handle())
    await mia.shoot("reaction")


async def outlived(mia: Someone, noa: Someone, photo: Path) -> None:
    """Who has left stories open does not step on to one that is over since."""
    await mia.tell_story(photo)
    await noa.press("Stories of mia, new")
    await noa.page.get_by_label("Story 2 of 2").wait_for()
    await noa.press("Previous story")
    await noa.page.get_by_label("Story 1 of 2").wait_for()
    await noa.page.evaluate("Date.today = Date.now; Date.now = () => Date.today() + 86_400_000")
    await noa.press("Next story")
    await noa.page.get_by_role("dialog").wait_for(state="detached")
    await noa.page.evaluate("Date.now = Date.today")


async def rewritten(mia: Someone, noa: Someone, photo: Path) -> None:
    """One's own caption may be another one; somebody else's may not."""
    await mia.go("#/")
    await mia.share([photo], "fogg")
    await mia.press("Edit caption")
    await mia.page.get_by_role("dialog").get_by_label("Caption").fill(HOSTILE)
    await mia.press("Save caption")
    await mia.see(HOSTILE)
    await mia.button("Edit caption").and_(mia.page.locator(":focus")).wait_for()
    await mia.shoot("rewritten")
    # What one has begun to say is there again after a press beside it.
    card = noa.page.get_by_role("article", name="Post by mia")
    await card.get_by_role("button", name="0 comments").click()
    await noa.page.get_by_label("Your comment").press_sequentially("begun")
    await noa.page.mouse.click(2, 2)
    await noa.page.get_by_role("dialog").wait_for(state="detached")
    await card.get_by_role("button", name="0 comments").click()
    await expect(noa.page.get_by_label("Your comment")).to_have_value("begun")
    await noa.press("Comment")
    await noa.page.get_by_role("dialog").get_by_text("begun").wait_for()
    await expect(noa.page.get_by_label("Your comment")).to_have_value("")
    await noa.page.keyboard.press("Escape")
    assert await noa.button("Edit caption").count() == 0


async def unsent(mia: Someone, noa: Someone) -> None:
    """What a block refuses is not lost, neither a message nor words about a story, whatever else is done meanwhile."""
    me = f"{noa.page.url.split('#')[0]}v1/users/{await mia.me()}"
    await noa.go("#/")
    await noa.press("Stories of mia, seen")
    await noa.page.get_by_label("Reply to mia").fill("words about a story")
    await noa.press("Next story")
    await noa.press("Previous story")
    await expect(noa.page.get_by_label("Reply to mia")).to_have_value("words about a story")
    await noa.page.keyboard.press("Escape")
    await noa.go("#/inbox")
    await noa.page.get_by_role("main").get_by_role("link").click()
    await noa.page.locator(".log [data-c]").first.wait_for()
    await mia.ask("PUT", f"{me.rsplit('/', 1)[0]}/{await noa.me()}/block")
    await noa.say("the first")
    await noa.say("the second")
    await noa.page.get_by_label("Message", exact=True).press_sequentially("and a third")
    await noa.page.get_by_text("Not sent.").nth(1).wait_for()
    await noa.shoot("unsent")
    await noa.go("#/inbox")
    await noa.see("Not sent: the second")
    await noa.page.go_back()
    await expect(noa.page.get_by_label("Message", exact=True)).to_have_value("and a third")
    await mia.ask("DELETE", f"{me.rsplit('/', 1)[0]}/{await noa.me()}/block")
    await noa.button("Try again").first.click()
    await noa.button("Discard").last.click()
    await noa.page.get_by_text("Not sent.").first.wait_for(state="detached")
    await noa.page.locator(".log [data-c]").get_by_text("the first").wait_for()
    assert await noa.page.get_by_text("the second").count() == 0


async def test_a_newcomer_is_introduced_and_told_what_is_wrong_next_to_where_it_is(
    installation: Installation, browser: Browser, shots: Path, photo: Path
) -> None:
    async with (
        someone(browser, shots, INTRODUCED, DESKTOP) as host,
        someone(browser, shots, BESIDE, DESKTOP) as guest,
        someone(browser, shots, "pia", PHONE) as pia,
    ):
        for one in (host, guest):
            await one.sign_up(installation.url)
            await one.share([photo], "welcome")
            await one.page.get_by_role("article").wait_for()
        await taken(pia, installation.url)
        await pia.see("Your feed is empty")
        await pia.shoot("newcomer")
        # One press, and there is something to see.
        await pia.press(f"Follow {INTRODUCED}")
        await pia.page.get_by_role("article", name=f"Post by {INTRODUCED}").wait_for()
        # And one more, which does not take away what one reads.
        await pia.press(f"Follow {BESIDE}")
        await pia.press("1 new post")
        await pia.page.get_by_role("article", name=f"Post by {BESIDE}").wait_for()
        await overtaken(pia, host)
        await declined(pia, installation.url)
        await files(pia, photo)
        await expired(pia)


async def taken(pia: Someone, url: str) -> None:
    """A name that somebody has is said at its field, which has the focus then."""
    await pia.page.goto(url)
    username = pia.page.get_by_label("Username")
    await username.fill(INTRODUCED)
    await pia.page.get_by_label("Password").fill(PASSWORD)
    await pia.press("Sign up")
    await expect(username).to_have_accessible_description("Somebody has this name. Choose another one, or log in.")
    await expect(username).to_be_focused()
    await username.fill(pia.name)
    await pia.press("Sign up")
    await pia.online()


async def overtaken(pia: Someone, host: Someone) -> None:
    """Who was written to more than a page holds, before they looked, gets to the beginning of it."""
    conversations = f"{pia.page.url.split('#')[0]}v1/conversations"
    opened = await host.ask("POST", conversations, user=await pia.me())
    place = f"{conversations}/{opened['conversation']['id']}/messages"
    for number in range(30):
        await host.ask("POST", place, cid=new_cid(), text=f"message {number} of 30")
    await pia.go("#/inbox")
    await (await pia.see("message 29 of 30")).click()
    lines = pia.page.locator(".log li")
    await lines.last.get_by_text("message 29 of 30").wait_for()
    if await lines.count() < 30:
        await pia.press("Earlier messages")
    await expect(lines).to_have_count(30)


async def declined(pia: Someone, url: str) -> None:
    """A request of somebody whom one does not follow, once declined, is out of sight."""
    lou = Login(url, await sign_up(url, "lou", PASSWORD))
    async with Client(url, token_source=lou) as client:
        await client.send((await client.open(await pia.me())).id, "you do not know me")
    await pia.go("#/inbox")
    await (await pia.see("you do not know me")).click()
    await pia.button("Decline").dblclick()
    await pia.page.get_by_role("heading", name="Messages").wait_for()
    await pia.page.get_by_text("you do not know me").wait_for(state="detached")
    await pia.go("#/")


async def files(pia: Someone, photo: Path) -> None:
    """Each file says what became of it; what was interrupted goes on when it is asked to."""
    empty, large, heic = (photo.with_name(name) for name in ("empty.jpg", "large.jpg", "phone.heic"))
    empty.touch()
    with large.open("wb") as sparse:
        sparse.truncate(LARGEST + 1)
    heic.write_bytes(HEIC)
    await pia.page.get_by_role("navigation").get_by_role("button").click()
    dialog = pia.page.get_by_role("dialog")
    await dialog.locator("input[type=file]").set_input_files([empty, large])
    await dialog.get_by_text("This file is empty.").wait_for()
    await dialog.get_by_text("This is larger than may be sent.").wait_for()
    await expect(pia.button("Share")).to_be_disabled()
    for file in (empty, large):
        await pia.press(f"Remove {file.name}")
    await pia.page.route("**/v1/uploads", cut, times=1)
    await dialog.locator("input[type=file]").set_input_files(heic)
    await dialog.get_by_text("The server cannot be reached.").wait_for()
    await pia.shoot("interrupted")
    await pia.press("Try again")
    await pia.button("Share").dblclick()
    await dialog.wait_for(state="detached")
    await pia.page.get_by_role("article", name="Post by pia").wait_for()
    await expect(pia.page.get_by_role("article", name="Post by pia")).to_have_count(1)
    # Back closes what lies over the page.
    await pia.go("#/people")
    await pia.page.get_by_role("navigation").get_by_role("button").click()
    await pia.page.go_back()
    await dialog.wait_for(state="detached")


async def expired(pia: Someone) -> None:
    """Whose login is over is told so, and comes back to where they were."""
    await pia.visit(INTRODUCED)
    worn = "{...JSON.parse(sessionStorage.getItem('tidings.login')), until: 0, refresh_token: 'x'.repeat(64)}"
    await pia.page.evaluate(f"sessionStorage.setItem('tidings.login', JSON.stringify({worn}))")
    await pia.page.reload()
    await pia.page.get_by_role("alert").get_by_text("Your sign-in is over. Sign in again.").wait_for()
    await pia.page.get_by_label("Username").fill(pia.name)
    await pia.page.get_by_label("Password").fill(PASSWORD)
    await pia.press("Log in")
    await pia.page.get_by_role("heading", name=INTRODUCED).wait_for()

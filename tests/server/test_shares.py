"""Posts and what is shared of them, through processes as an operator starts them: SDK and bare wire."""

import asyncio
import tomllib
from collections.abc import AsyncIterator
from typing import Any

import pytest

from persistence.pool import Pool, open_pool
from tests.pictures import brought
from tests.server.running import Installation
from tests.server.wire import Wire, session
from tidings_client import Client, Graph, Login, Message, Posts, Refused, Share, Tokens, sign_up

PASSWORD = "correct horse battery"


@pytest.fixture
async def pool(installation: Installation) -> AsyncIterator[Pool]:
    settings = tomllib.loads((installation.data / "tidings.toml").read_text())
    async with open_pool(settings["postgres"]["url"], 1) as pool:
        yield pool


async def entered(installation: Installation, name: str) -> tuple[Tokens, Login]:
    tokens = await sign_up(installation.url, f"{name}.shares", PASSWORD)
    return tokens, Login(installation.url, tokens)


async def test_the_client_makes_changes_and_deletes_posts(installation: Installation, pool: Pool) -> None:
    (ida, mine), (_, theirs) = await entered(installation, "ida"), await entered(installation, "max")
    posts, seen = Posts(mine), Posts(theirs)
    shown = [await brought(pool, ida.user) for _ in range(2)]
    made = await posts.create(shown, "Lake #como", place="Como", cid="once")
    assert ([one.id for one in made.media], made.state, made.author) == (shown, "published", ida.user)
    again = await posts.create(shown, "Lake #como", place="Como", cid="once")
    assert (again.id, again.dup) == (made.id, True)
    theirs_of_it = await seen.get(made.id)
    assert theirs_of_it.media[0].url("320").startswith(f"/v1/media/{shown[0]}/320?")
    assert (await posts.edit(made.id, caption="Sea")).caption == "Sea"
    assert (await posts.edit(made.id, archived=True)).state == "archived"
    assert [one.id for one in (await posts.mine("archived")).items] == [made.id]
    with pytest.raises(Refused, match="not_found"):
        await seen.get(made.id)
    await posts.edit(made.id, archived=False)
    assert [one.id for one in (await seen.of(ida.user)).items] == [made.id]
    await posts.delete(made.id)
    assert (await seen.of(ida.user)).items == ()
    assert (await posts.create(shown, "Lake #como", place="Como", cid="once")).state == "deleted"


async def test_a_post_is_published_by_the_event_of_its_last_picture(installation: Installation, pool: Pool) -> None:
    """As the pipeline writes it, over the outbox."""
    ira, login = await entered(installation, "ira")
    id = await brought(pool, ira.user)
    await pool.execute("update media set state = 'processing' where id = $1", int(id))
    made = await Posts(login).create([id])
    assert made.state == "processing"
    settled = b"\x83\xa5media" + _text(id) + b"\xa5owner" + _text(ira.user) + b"\xa5state\xa5ready"
    await pool.execute(
        """with settled as (update media set state = 'ready' where id = $1)
        insert into outbox (topic, body) values ('media', $2)""",
        int(id),
        settled,
    )
    async with asyncio.timeout(10):
        while (await Posts(login).get(made.id)).state == "processing":
            pass


def _text(text: str) -> bytes:
    return bytes([0xA0 + len(text)]) + text.encode()


async def test_what_is_shared_comes_with_the_message_and_is_asked_for_by_its_reader(
    installation: Installation, pool: Pool
) -> None:
    (ada, mine), (ben, theirs) = await entered(installation, "ada"), await entered(installation, "ben")
    post = await Posts(mine).create([await brought(pool, ada.user)])
    async with (
        Client(installation.url, token=ada.access_token) as sending,
        Client(installation.url, token=ben.access_token) as reading,
    ):
        conversation = (await sending.open(ben.user)).id
        for share, text in ((Share("post", post.id), None), (Share("profile", ben.user), "you")):
            sent = await sending.send(conversation, text, share=share, cid=f"share {share.kind}")
            again = await sending.send(conversation, text, share=share, cid=f"share {share.kind}")
            assert (again.c, again.dup) == (sent.c, True)
        with pytest.raises(Refused, match="id_reused"):
            await sending.send(conversation, share=Share("post", ben.user), cid="share post")
        heard = [event async for event in _messages(reading, 2)]
        assert [(event.share, event.text) for event in heard] == [
            (Share("post", post.id), None),
            (Share("profile", ben.user), "you"),
        ]
        history = (await reading.history(conversation)).events
        assert [event.share for event in history if isinstance(event, Message)] == [event.share for event in heard]
    assert (await Posts(theirs).get(post.id)).id == post.id
    await Graph(mine).set_private(True)
    with pytest.raises(Refused, match="not_found"):
        await Posts(theirs).get(post.id)


async def _messages(client: Client, count: int) -> AsyncIterator[Message]:
    async with asyncio.timeout(10):
        async for event in client.events():
            if isinstance(event, Message):
                yield event
                count -= 1
                if not count:
                    return


async def test_what_its_sender_does_not_see_is_not_shared_but_what_was_shared_stays(
    installation: Installation, pool: Pool
) -> None:
    (cid, theirs), (dan, _) = await entered(installation, "cid"), await entered(installation, "dan")
    posts = Posts(theirs)
    post = await posts.create([await brought(pool, cid.user)])

    async def refused(wire: Wire, conversation: str, kind: str, id: str) -> dict[str, Any]:
        """What is refused may be tried again by the same cid."""
        share = {"kind": kind, "id": id}
        answers = [await wire.err("message.send", conversation=conversation, cid="x", share=share) for _ in range(2)]
        assert answers[0] == answers[1]
        return answers[0]

    async with session(installation.socket_url, dan.access_token, snapshot=False) as (wire, _):
        conversation = (await wire.ok("conversation.open", user=cid.user))["conversation"]["id"]
        send = {"conversation": conversation, "cid": "shared", "share": {"kind": "post", "id": post.id}}
        first = await wire.ok("message.send", **send)
        await posts.edit(post.id, archived=True)
        absent = await refused(wire, conversation, "post", "8")
        assert (absent["code"], absent["message"][:6]) == ("not_found", "share:")
        assert await refused(wire, conversation, "post", post.id) == absent
        assert await refused(wire, conversation, "story", "8") == absent
        assert await refused(wire, conversation, "profile", "8") == absent
        assert await wire.ok("message.send", **send) == {**first, "dup": True}
        await Graph(theirs).decide("block", dan.user)
        assert await refused(wire, conversation, "profile", cid.user) != absent
        assert await wire.ok("message.send", **send) == {**first, "dup": True}
        stranger = await wire.err("message.send", conversation="8", cid="y", share=send["share"])
        assert stranger == await wire.err("message.send", conversation="8", cid="y", text="hi")
        [event] = (await wire.ok("message.history", conversation=conversation))["events"]
        assert (event["share"], "text" in event) == (send["share"], False)

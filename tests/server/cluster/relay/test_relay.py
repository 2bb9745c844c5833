"""Relays in front of a home that no real one would be: it answers late, in pieces, wrongly, or takes nothing."""

import asyncio
import itertools
import json
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from structlog.testing import capture_logs

from protocol.ids import LoginId
from protocol.websocket import close_frame
from server.cluster import relay
from tests.security.raw import BINARY, CLOSE, PING, PONG, Raw, frame, hello, upgraded
from tests.server.cluster.relay.fake_home import ACCEPTED, LOGIN, SMALL, FakeHome, RelayingNode, Visit
from tests.until import until

LARGE = 60_000


@pytest.fixture
async def home() -> AsyncIterator[FakeHome]:
    async with FakeHome().listening() as home:
        yield home


@pytest.fixture
async def node(home: FakeHome) -> AsyncIterator[RelayingNode]:
    async with RelayingNode(home.address).listening() as node:
        yield node


@asynccontextmanager
async def relayed(node: RelayingNode, home: FakeHome, **how: Any) -> AsyncIterator[tuple[Raw, Visit]]:
    """A client and its home, which has read its hello."""
    async with upgraded(node.port, **how) as peer:
        await peer.say(hello("token"))
        visit = await home.visit()
        await visit.accept()
        assert (await visit.message())["op"] == "hello"
        yield peer, visit


def said(payload: bytes, opcode: int = BINARY) -> bytes:
    return frame(opcode, payload, masked=False)


async def refused(peer: Raw) -> None:
    """Told to come back soon, with nothing before it."""
    opcode, payload = await peer.frame()
    assert opcode == CLOSE
    reason = json.loads(payload[2:])
    assert (int.from_bytes(payload[:2]), reason["code"]) == (4103, "overloaded")
    assert 500 <= reason["retry_ms"] <= 3_000


# -- the way there -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("binary", [True, False])
async def test_a_home_sees_the_same_hello_said_by_one_who_follows(
    node: RelayingNode, home: FakeHome, *, binary: bool
) -> None:
    about: dict[str, Any] = {"resume": {"epoch": "e", "u": 7}, "background": True}
    async with upgraded(node.port, binary=binary) as peer:
        await peer.say(hello("token", **about))
        visit = await home.visit()
        asked = await visit.head()
        assert f"Sec-WebSocket-Protocol: tidings.v1.{'msgpack' if binary else 'json'}\r\n".encode() in asked
        assert b"token" not in asked
        visit.say(ACCEPTED)
        opcode, payload = await visit.frame()
        assert opcode == (2 if binary else 1)
        if not binary:
            assert json.loads(payload) == {**hello("token", **about), "follow": True}


async def test_what_is_said_before_the_home_has_answered_reaches_it_in_its_order(
    node: RelayingNode, home: FakeHome
) -> None:
    async with upgraded(node.port) as peer:
        await peer.say(hello("token"), *({"op": "early", "id": id} for id in range(2, 30)))
        visit = await home.visit()
        await visit.accept()
        assert [(await visit.message())["id"] for _ in range(29)] == list(range(1, 30))


async def test_a_client_is_not_read_before_its_home_has_answered(node: RelayingNode, home: FakeHome) -> None:
    async with upgraded(node.port) as peer:
        await peer.say(hello("token"))
        visit = await home.visit()
        await visit.head()
        assert not node.only._transport.is_reading()
        visit.say(ACCEPTED)
        await until(node.only._transport.is_reading)


async def test_an_answer_and_frames_that_come_byte_by_byte_are_read_like_any_other(
    node: RelayingNode, home: FakeHome
) -> None:
    async with upgraded(node.port) as peer:
        await peer.say(hello("token"))
        visit = await home.visit()
        await visit.head()
        for octet in ACCEPTED + said(b"x" * 200) + said(b"") + said(b"y"):
            visit.say(bytes((octet,)))
            await asyncio.sleep(0)
        assert [await peer.frame() for _ in range(3)] == [(BINARY, b"x" * 200), (BINARY, b""), (BINARY, b"y")]


@pytest.mark.parametrize(
    "answer",
    [b"HTTP/1.1 503 Service Unavailable\r\nRetry-After: 5\r\n\r\n", b"HTTP/1.1 404 Not Found\r\n\r\n", b"\x00" * 9_000],
    ids=["503", "404", "endless"],
)
async def test_a_home_that_does_not_accept_is_tried_again_later(
    node: RelayingNode, home: FakeHome, answer: bytes
) -> None:
    async with upgraded(node.port) as peer:
        await peer.say(hello("token"))
        visit = await home.visit()
        await visit.head()
        visit.say(answer)
        await refused(peer)
        assert await visit.gone() == b""
    assert len(node.gateway.relays) == 0


async def test_a_home_that_ends_before_it_answers_is_tried_again_later(node: RelayingNode, home: FakeHome) -> None:
    async with upgraded(node.port) as peer:
        await peer.say(hello("token"))
        visit = await home.visit()
        visit.say(ACCEPTED[:20])
        visit.writer.close()
        await refused(peer)


async def test_a_home_that_does_not_answer_in_time_is_tried_again_later(
    node: RelayingNode, home: FakeHome, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(relay, "ANSWER_WITHIN_S", 0.05)
    async with upgraded(node.port) as peer:
        await peer.say(hello("token"))
        visit = await home.visit()
        await visit.head()
        await refused(peer)
        assert await visit.gone() == b""


@pytest.mark.parametrize("address", ["127.0.0.1:1", "nowhere..invalid:1"], ids=["refused", "no name"])
async def test_a_home_that_cannot_be_reached_is_tried_again_later(address: str) -> None:
    async with RelayingNode(address).listening() as node, upgraded(node.port) as peer:
        with capture_logs() as lines:
            await peer.say(hello("token"))
            await refused(peer)
    assert [line["event"] for line in lines] == ["home cannot be reached", "connection closed"]


# -- what is passed on -------------------------------------------------------------------------------------------------


async def test_a_message_in_fragments_arrives_whole(node: RelayingNode, home: FakeHome) -> None:
    async with relayed(node, home) as (peer, visit):
        whole = os.urandom(LARGE)
        await peer.send(frame(BINARY, whole[:1], final=False) + frame(0, whole[1:50_000], final=False))
        await peer.send(frame(PING, b"between") + frame(0, whole[50_000:]))
        assert await visit.frame() == (BINARY, whole)
        assert await peer.frame() == (PONG, b"between")


async def test_a_pong_of_this_node_never_falls_into_a_frame_of_the_home(node: RelayingNode, home: FakeHome) -> None:
    async with relayed(node, home) as (peer, visit):
        whole = said(os.urandom(LARGE))
        visit.say(said(b"before") + whole[: LARGE // 2])
        assert await peer.frame() == (BINARY, b"before")
        await peer.send(frame(PING, b"now"))
        assert await peer.frame() == (PONG, b"now")
        visit.say(whole[LARGE // 2 :])
        assert await peer.frame() == (BINARY, whole[-LARGE:])


async def test_a_close_of_this_node_never_falls_into_a_frame_of_the_home(node: RelayingNode, home: FakeHome) -> None:
    async with relayed(node, home) as (peer, visit):
        visit.say(said(b"before") + said(os.urandom(LARGE))[:-1])
        assert await peer.frame() == (BINARY, b"before")
        await node.gateway.drain(slices=1, over_s=0)
        code, reason = await peer.closed()
        assert (code, reason["code"]) == (4001, "draining")
        assert await visit.gone() == b""


async def test_a_home_that_takes_nothing_has_its_client_not_read_and_gets_everything_in_the_end(
    node: RelayingNode, home: FakeHome
) -> None:
    async with relayed(node, home) as (peer, visit):
        texts = [bytes((number,)) * LARGE for number in range(200)]
        peer.write(b"".join(frame(BINARY, text) for text in texts))
        end = node.gateway.relays._ends[node.only.number]
        assert end._transport is not None
        await until(lambda: not node.only._transport.is_reading())
        held = end._transport.get_write_buffer_size()
        assert 0 < held < 512 * 1024
        for _ in range(1_000):
            await asyncio.sleep(0)
        assert end._transport.get_write_buffer_size() <= held
        assert [await visit.frame() for _ in texts] == [(BINARY, text) for text in texts]


async def test_a_client_that_takes_nothing_has_its_home_not_read_and_gets_everything_in_the_end(
    node: RelayingNode, home: FakeHome
) -> None:
    async with relayed(node, home, receive_buffer=SMALL) as (peer, visit):
        texts = [bytes((number,)) * LARGE for number in range(200)]
        visit.say(b"".join(map(said, texts)))
        end = node.gateway.relays._ends[node.only.number]
        assert end._transport is not None
        await until(lambda: node.only.full)
        assert not end._transport.is_reading()
        held = node.only._transport.get_write_buffer_size() + len(end._held)
        for _ in range(1_000):
            await asyncio.sleep(0)
        assert node.only._transport.get_write_buffer_size() + len(end._held) <= held < 512 * 1024
        # What the kernel holds for us is little too: the rest is where the home sees it.
        assert visit.writer.transport.get_write_buffer_size() > 6 << 20
        assert [await peer.frame() for _ in texts] == [(BINARY, text) for text in texts]


async def test_a_client_that_takes_nothing_any_more_is_closed_though_its_home_cannot_be_heard(
    node: RelayingNode, home: FakeHome
) -> None:
    async with relayed(node, home, receive_buffer=SMALL) as (peer, visit):
        visit.say(said(b"x" * LARGE) * 200)
        await until(lambda: node.only.full)
        visit.writer.transport.abort()
        connection, second = node.only, node.only._due
        for _ in range(2):
            assert node.metrics.closed == {}
            connection.tick(second)
            second += 20
        assert node.metrics.closed == {4108: 1}
        assert await peer.closed() == (4108, {"code": "too_slow"})


async def test_a_client_that_takes_little_at_a_time_is_not_closed(node: RelayingNode, home: FakeHome) -> None:
    async with relayed(node, home, receive_buffer=SMALL) as (peer, visit):
        visit.say(said(b"x" * LARGE) * 200)
        await until(lambda: node.only.full)
        for look in range(20):
            node.only.tick(node.only._due + 20 * look)
            for _ in range(10):
                assert await peer.frame() == (BINARY, b"x" * LARGE)
    assert node.metrics.closed == {}


async def test_a_frame_longer_than_any_of_a_home_ends_the_relay(node: RelayingNode, home: FakeHome) -> None:
    async with relayed(node, home) as (peer, visit):
        visit.say(said(b"x" * LARGE)[:1] + b"\x7f" + (1 << 40).to_bytes(8))
        assert await peer.closed() == (4010, {"code": "continuity_lost"})
        assert await visit.gone() == b""


# -- the end -----------------------------------------------------------------------------------------------------------


async def test_the_close_of_a_home_is_the_last_that_a_client_hears(node: RelayingNode, home: FakeHome) -> None:
    async with relayed(node, home) as (peer, visit):
        farewell = close_frame(4301, '{"code":"superseded"}')
        visit.say(said(b"before") + farewell + said(b"never"))
        assert await peer.frame() == (BINARY, b"before")
        assert await peer.frame() == (CLOSE, farewell[2:])
        peer.write(frame(PING, b"late") + frame(CLOSE, farewell[2:]))
        with pytest.raises(asyncio.IncompleteReadError) as end:
            await peer.frame()
        assert end.value.partial == b""
    assert node.metrics.closed == {}
    assert len(node.gateway.relays) == 0


async def test_a_client_in_the_middle_of_a_message_hears_the_close_of_its_home_and_nothing_else(
    node: RelayingNode, home: FakeHome
) -> None:
    async with relayed(node, home) as (peer, visit):
        await peer.send(frame(PING, b"here") + frame(BINARY, b"x" * 100)[:50])
        assert await peer.frame() == (PONG, b"here")
        farewell = close_frame(4108, '{"code":"too_slow"}')
        visit.say(farewell)
        assert await peer.frame() == (CLOSE, farewell[2:])
        peer.write(b"x" * 56 + frame(CLOSE, farewell[2:]))
        with pytest.raises(asyncio.IncompleteReadError):
            await peer.frame()


@pytest.mark.parametrize("cut", [0, 1, 3, LARGE])
async def test_a_home_that_is_gone_without_a_word_means_continuity_lost_behind_whole_frames(
    node: RelayingNode, home: FakeHome, cut: int
) -> None:
    async with relayed(node, home) as (peer, visit):
        # What it was about to say ends like a close frame.
        visit.say(said(b"before") + said(b"x" * LARGE + close_frame(4301))[:cut])
        assert await peer.frame() == (BINARY, b"before")
        visit.writer.transport.abort()
        opcode, payload = await peer.frame()
        assert (opcode, int.from_bytes(payload[:2]), payload[2:]) == (CLOSE, 4010, b'{"code":"continuity_lost"}')


async def test_a_goodbye_reaches_the_home_behind_all_that_was_said(node: RelayingNode, home: FakeHome) -> None:
    async with relayed(node, home) as (peer, visit):
        await peer.send(frame(BINARY, b"last") + frame(CLOSE, b"\x03\xe8bye"))
        assert await visit.frame() == (BINARY, b"last")
        assert await visit.frame() == (CLOSE, b"\x03\xe8")
        assert await visit.gone() == b""
        assert await peer.frame() == (CLOSE, b"\x03\xe8bye")


async def test_a_goodbye_said_before_the_home_has_answered_reaches_it_all_the_same(
    node: RelayingNode, home: FakeHome
) -> None:
    async with upgraded(node.port) as peer:
        await peer.send(
            peer.message(hello("token")) + peer.message({"op": "early", "id": 2}) + frame(CLOSE, b"\x03\xe8")
        )
        visit = await home.visit()
        await visit.accept()
        assert [(await visit.message())["id"] for _ in range(2)] == [1, 2]
        assert await visit.frame() == (CLOSE, b"\x03\xe8")
        assert await visit.gone() == b""


@pytest.mark.parametrize("farewell", [frame(CLOSE, b"\x0b\xb8"), frame(3), b""], ids=["3000", "a fault", "a cut"])
async def test_any_other_end_of_a_client_is_a_cut_connection_to_the_home(
    node: RelayingNode, home: FakeHome, farewell: bytes
) -> None:
    async with relayed(node, home) as (peer, visit):
        await peer.send(frame(PING) + farewell)
        assert (await peer.frame())[0] == PONG
        await peer.end()
        with pytest.raises((ConnectionResetError, asyncio.IncompleteReadError)):
            await visit.frame()
    await until(lambda: len(node.gateway) == 0)


async def test_a_client_that_leaves_before_its_home_has_answered_leaves_nothing_behind(
    node: RelayingNode, home: FakeHome
) -> None:
    async with upgraded(node.port) as peer:
        await peer.say(hello("token"))
        visit = await home.visit()
        await visit.head()
    visit.say(ACCEPTED)
    await until(lambda: len(node.gateway) == 0)
    await until(lambda: not node.gateway.relays._tasks)
    assert len(node.gateway.relays) == 0


async def test_a_revoked_login_ends_its_relays_here_too(node: RelayingNode, home: FakeHome) -> None:
    async with relayed(node, home) as (peer, visit):
        node.gateway.revoke(LoginId(str(LOGIN)))
        assert await peer.closed() == (4304, {"code": "revoked"})
        assert await visit.gone() == b""


async def test_a_client_whose_home_reads_nothing_still_sees_how_its_close_is_answered(
    node: RelayingNode, home: FakeHome
) -> None:
    async with relayed(node, home) as (peer, visit):
        for number in itertools.count():
            peer.write(frame(BINARY, number.to_bytes(2) * 30_000))
            await asyncio.sleep(0)
            if not node.only._transport.is_reading():
                break
        visit.writer.transport.abort()
        assert await peer.closed() == (4010, {"code": "continuity_lost"})


async def test_many_relays_at_once_do_not_mix(node: RelayingNode, home: FakeHome) -> None:
    async with relayed(node, home) as (a, at), relayed(node, home) as (b, bt), relayed(node, home) as (c, ct):
        assert len(node.gateway.relays) == 3
        for peer, visit, word in ((a, at, b"a"), (b, bt, b"b"), (c, ct, b"c")):
            await peer.send(frame(BINARY, word))
            assert await visit.frame() == (BINARY, word)
            visit.say(said(word * 2))
            assert await peer.frame() == (BINARY, word * 2)


async def test_an_address_in_brackets_is_reached() -> None:
    async with (
        FakeHome().listening("::1") as home,
        RelayingNode(home.address).listening() as node,
        relayed(node, home) as (peer, visit),
    ):
        visit.say(said(b"here"))
        assert await peer.frame() == (BINARY, b"here")

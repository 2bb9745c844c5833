"""The server's side of RFC 6455: every row is also fed byte by byte, with the same outcome."""

import importlib.util
import json
import sys
import tracemalloc

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from protocol import websocket
from protocol.websocket import CloseFrame, Message, Opcode, State, WebSocket, close_frame, frame, header
from tests.protocol.frames import (
    BINARY,
    CONTINUATION,
    TEXT,
    Outcome,
    bytewise,
    client_frame,
    close_payload,
    cut,
    feed,
)

LIMIT = 70_000
PING, PONG, CLOSE = Opcode.PING, Opcode.PONG, Opcode.CLOSE


def either(max_message: int = LIMIT) -> WebSocket:
    return WebSocket(None, max_message)


def twin(socket: WebSocket) -> WebSocket:
    return WebSocket(None if socket._either else Opcode(socket._opcode), socket.max_message, socket.max_fragments)


def outcome_of(data: bytes, socket: WebSocket) -> Outcome:
    """The outcome at once, which is the outcome byte by byte."""
    trickled = feed(twin(socket), bytewise(data))
    whole = feed(socket, [data])
    assert whole == trickled
    return whole


def fault_code(data: bytes, socket: WebSocket) -> int:
    """The code of the close frame that `data` provokes; nothing after the fault is read."""
    alone = outcome_of(data, twin(socket))
    outcome = outcome_of(data + client_frame(TEXT, b"late") + client_frame(PING), socket)
    assert outcome == alone
    assert outcome.state is State.CLOSED
    assert outcome.sent is not None
    assert outcome.messages == []
    assert not outcome.partial
    assert outcome.drained == close_frame(*outcome.sent)
    return outcome.sent.code


@pytest.mark.parametrize("size", [0, 1, 125, 126, 127, 128, 65_535, 65_536, LIMIT])
@pytest.mark.parametrize("opcode", [TEXT, BINARY])
def test_a_whole_message_comes_out_as_it_went_in(size: int, opcode: Opcode) -> None:
    payload = bytes(index % 128 for index in range(size))
    for socket in (WebSocket(opcode, LIMIT), either()):
        outcome = feed(socket, [client_frame(opcode, payload)])
        assert outcome == Outcome([(opcode, payload)], b"", State.OPEN, None, None, False)


@pytest.mark.parametrize("size", [0, 5, 125, 126, 300, 65_536])
def test_a_frame_that_trickles_in_is_the_same_message(size: int) -> None:
    payload = "ä".encode() * (size // 2)
    outcome = outcome_of(client_frame(TEXT, payload), either())
    assert outcome.messages == [(TEXT, payload)]
    assert outcome.state is State.OPEN


def test_messages_in_one_read_come_out_in_order() -> None:
    messages: list[Message] = [(TEXT, b"one"), (BINARY, b"\xff"), (TEXT, b""), (TEXT, "für".encode())]
    data = b"".join(client_frame(*message) for message in messages)
    assert outcome_of(data, either()).messages == messages


def test_fragments_make_one_message_with_control_frames_between_them() -> None:
    data = (
        client_frame(TEXT, "gr\u00fc".encode()[:3], final=False)
        + client_frame(PING, b"1")
        + client_frame(CONTINUATION, b"", final=False)
        + client_frame(PONG, b"unasked")
        + client_frame(CONTINUATION, "gr\u00fc\u00dfe".encode()[3:])
        + client_frame(BINARY, b"next")
    )
    outcome = outcome_of(data, either())
    assert outcome.messages == [(TEXT, "gr\u00fc\u00dfe".encode()), (BINARY, b"next")]
    assert outcome.drained == frame(PONG, b"1")


def test_the_last_fragment_may_be_empty() -> None:
    data = client_frame(TEXT, b"all", final=False) + client_frame(CONTINUATION)
    assert outcome_of(data, either()).messages == [(TEXT, b"all")]


FAULTS = {
    "first reserved bit": (client_frame(TEXT, b"x", reserved=4), 1002),
    "second reserved bit": (client_frame(TEXT, b"x", reserved=2), 1002),
    "third reserved bit": (client_frame(TEXT, b"x", reserved=1), 1002),
    "reserved bit of a control frame": (client_frame(PING, reserved=1), 1002),
    **{f"reserved opcode {opcode}": (client_frame(opcode), 1002) for opcode in (3, 4, 5, 6, 7, 11, 12, 13, 14, 15)},
    "unmasked text": (client_frame(TEXT, b"x", mask=None), 1002),
    "unmasked, 126 bytes": (client_frame(TEXT, b"x" * 126, mask=None), 1002),
    "unmasked close": (client_frame(CLOSE, mask=None), 1002),
    "fragmented ping": (client_frame(PING, final=False), 1002),
    "fragmented close": (client_frame(CLOSE, final=False), 1002),
    "ping of 126 bytes": (client_frame(PING, b"x" * 126), 1002),
    "close of 126 bytes": (client_frame(CLOSE, close_payload(1000, b"x" * 124)), 1002),
    "pong of 70,000 bytes": (client_frame(PONG, announced=70_000), 1002),
    "nothing to continue": (client_frame(CONTINUATION, b"x"), 1002),
    "nothing to continue, more to come": (client_frame(CONTINUATION, b"x", final=False), 1002),
    "message inside a message": (client_frame(TEXT, b"x", final=False) + client_frame(TEXT, b"y"), 1002),
    "length of two bytes for 125": (client_frame(TEXT, b"x" * 125, width=2), 1002),
    "length of two bytes for none": (client_frame(TEXT, width=2), 1002),
    "length of two bytes for 124": (client_frame(TEXT, b"x" * 124, width=2), 1002),
    "length of eight bytes for 65,535": (client_frame(TEXT, b"x" * 65_535, width=8), 1002),
    "top bit of the length": (client_frame(BINARY, announced=1 << 63), 1002),
    "close of one byte": (client_frame(CLOSE, b"\x03"), 1002),
    **{
        f"close code {code}": (client_frame(CLOSE, close_payload(code)), 1002)
        for code in (0, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65_535)
    },
    "close reason not UTF-8": (client_frame(CLOSE, close_payload(1000, b"\xff")), 1007),
    "close reason ends inside a code point": (client_frame(CLOSE, close_payload(1000, b"\xc3")), 1007),
    "text not UTF-8": (client_frame(TEXT, b"\xff"), 1007),
    "long text not UTF-8": (client_frame(TEXT, b"x" * 200 + b"\xff"), 1007),
    "text ends inside a code point": (client_frame(TEXT, b"\xe2\x82"), 1007),
    "fragmented text ends inside a code point": (
        client_frame(TEXT, b"\xe2\x82", final=False) + client_frame(CONTINUATION),
        1007,
    ),
    "lone surrogate": (client_frame(TEXT, b"\xed\xa0\x80"), 1007),
    "overlong form": (client_frame(TEXT, b"\xc0\xaf"), 1007),
    "one byte more than allowed": (client_frame(BINARY, b"x" * (LIMIT + 1)), 1009),
    "announced exabytes": (client_frame(BINARY, announced=(1 << 63) - 1), 1009),
    "fragments that sum up to one byte more": (
        client_frame(BINARY, b"x" * LIMIT, final=False) + client_frame(CONTINUATION, b"x"),
        1009,
    ),
}


@pytest.mark.parametrize(("data", "code"), FAULTS.values(), ids=FAULTS)
def test_a_fault_is_answered_by_its_close_code(data: bytes, code: int) -> None:
    assert fault_code(data, either()) == code


@pytest.mark.parametrize(("opcode", "other"), [(TEXT, BINARY), (BINARY, TEXT)])
@pytest.mark.parametrize("final", [True, False])
def test_a_message_of_the_other_opcode_is_refused(opcode: Opcode, other: Opcode, final: bool) -> None:
    assert fault_code(client_frame(other, b"x", final=final), WebSocket(opcode, LIMIT)) == 1003


@pytest.mark.parametrize("opcode", [TEXT, BINARY])
def test_fragments_of_the_agreed_opcode_are_taken(opcode: Opcode) -> None:
    data = client_frame(opcode, b"a", final=False) + client_frame(CONTINUATION, b"b")
    assert outcome_of(data, WebSocket(opcode, LIMIT)).messages == [(opcode, b"ab")]


def test_a_message_before_a_fault_is_still_handed_out() -> None:
    outcome = outcome_of(client_frame(TEXT, b"good") + client_frame(TEXT, b"\xff"), either())
    assert outcome.messages == [(TEXT, b"good")]
    assert outcome.state is State.CLOSED


def test_every_fault_has_a_reason_of_json_that_fits() -> None:
    for fault in websocket._Fault:
        code, reason = fault.close_frame
        assert len(reason.encode()) <= 123
        word = "too_large" if code == 1009 else "protocol_error"
        assert json.loads(reason) == {"code": word, "detail": fault.value[1]}


def test_an_announced_length_is_refused_before_any_of_it_came() -> None:
    socket = WebSocket(BINARY, 4_096)
    assert list(socket.receive(client_frame(BINARY, announced=4_097))) == []
    assert socket.sent is not None
    assert socket.sent.code == 1009


def test_the_limit_can_be_raised_and_lowered_while_open() -> None:
    for size in (4, 125, 126, 300):
        data = client_frame(BINARY, b"x" * size)
        socket = WebSocket(BINARY, 0)
        socket.max_message = size
        assert list(socket.receive(data)) == [(BINARY, b"x" * size)]
        socket.max_message = size - 1
        assert list(socket.receive(data)) == []
        assert socket.sent is not None
        assert socket.sent.code == 1009


def test_1024_fragments_are_a_message_and_one_more_is_a_fault() -> None:
    empty = client_frame(TEXT, final=False) + client_frame(CONTINUATION, final=False) * 1_022
    assert outcome_of(empty + client_frame(CONTINUATION), either()).messages == [(TEXT, b"")]
    assert fault_code(empty + client_frame(CONTINUATION, final=False) * 2, either()) == 1008


@pytest.mark.parametrize(
    ("text", "good"),
    [
        (b"ab\xff", 2),
        (b"\xc3\x28", 1),
        (b"\xc0\xaf", 0),
        (b"\xe0\x80\x80", 1),
        (b"\xed\xa0\x80", 1),
        (b"\xf0\x80\x80\x80", 1),
        (b"\xf4\x90\x80\x80", 1),
        (b"\xf5\x80\x80\x80", 0),
        (b"\xe2\x82x", 2),
    ],
)
@pytest.mark.parametrize("fragmented", [True, False])
def test_bad_text_fails_at_its_first_bad_byte(text: bytes, good: int, fragmented: bool) -> None:
    socket = either()
    if fragmented:
        opcodes = [TEXT, *[CONTINUATION] * (len(text) - 1)]
        frames = [client_frame(opcode, byte, final=False) for opcode, byte in zip(opcodes, bytewise(text), strict=True)]
    else:
        data = client_frame(TEXT, text + b"more")
        frames = [data[:7], *(data[7 + index : 8 + index] for index in range(len(text)))]
    for part in frames[:good]:
        socket.receive(part)
        assert socket.state is State.OPEN
    socket.receive(frames[good])
    assert socket.sent is not None
    assert socket.sent.code == 1007


@pytest.mark.parametrize(
    "payload",
    [b"", close_payload(1000), close_payload(3000, b"later"), close_payload(1014), close_payload(4999, b"x" * 123)],
)
def test_a_close_is_echoed_and_ends_the_reading(payload: bytes) -> None:
    code = int.from_bytes(payload[:2]) if payload else 1005
    reason = payload[2:].decode()
    data = client_frame(TEXT, b"x") + client_frame(CLOSE, payload) + client_frame(TEXT, b"late") + b"\xff\xff"
    close = CloseFrame(code, reason)
    assert outcome_of(data, either()) == Outcome(
        [(TEXT, b"x")], frame(CLOSE, payload), State.CLOSED, close, close, False
    )


def test_a_close_between_fragments_is_a_close() -> None:
    outcome = outcome_of(client_frame(TEXT, b"x", final=False) + client_frame(CLOSE, close_payload(1001)), either())
    assert outcome.received == (1001, "")
    assert not outcome.partial


def test_our_close_waits_for_the_peers_and_drops_what_comes_before_it() -> None:
    socket = either()
    socket.close(4001, '{"code":"draining"}')
    assert socket.state is State.CLOSING
    assert socket.drain() == close_frame(4001, '{"code":"draining"}')
    data = (
        client_frame(TEXT, b"dropped")
        + client_frame(BINARY, b"also", final=False)
        + client_frame(PING, b"still there?")
        + client_frame(CONTINUATION)
        + client_frame(CLOSE, close_payload(1000))
    )
    outcome = feed(socket, bytewise(data))
    assert outcome == Outcome(
        [],
        frame(PONG, b"still there?"),
        State.CLOSED,
        CloseFrame(4001, '{"code":"draining"}'),
        CloseFrame(1000, ""),
        False,
    )


def test_a_fault_after_our_close_ends_the_reading_without_a_second_close() -> None:
    socket = either()
    socket.close(1000)
    outcome = feed(socket, [client_frame(TEXT, b"\xff")])
    assert outcome.drained == close_frame(1000)
    assert outcome.state is State.CLOSED
    assert outcome.sent == (1000, "")
    assert outcome.received is None


def test_a_second_close_has_no_effect() -> None:
    socket = either()
    socket.close(1000)
    socket.close(4001)
    assert socket.drain() == close_frame(1000)
    socket.receive(client_frame(CLOSE))
    socket.close(1000)
    assert socket.drain() == b""
    assert socket.sent == (1000, "")


@pytest.mark.parametrize("code", [0, 999, 1004, 1005, 1006, 1015, 2999, 5000])
def test_a_code_that_may_not_be_sent_is_the_callers_error(code: int) -> None:
    with pytest.raises(ValueError, match=str(code)):
        either().close(code)


@pytest.mark.parametrize(
    ("reason", "sent"),
    [("x" * 123, "x" * 123), ("x" * 124, "x" * 123), ("x" * 122 + "ä", "x" * 122), ("x" * 121 + "ä", "x" * 121 + "ä")],
)
def test_a_reason_is_cut_between_two_code_points(reason: str, sent: str) -> None:
    assert close_frame(1000, reason) == bytes((0x88, 2 + len(sent.encode()))) + close_payload(1000, sent.encode())


def test_a_reason_with_a_lone_surrogate_can_be_sent() -> None:
    assert close_frame(1000, "\ud800") == frame(CLOSE, close_payload(1000, b"?"))


@pytest.mark.parametrize(
    ("length", "expected"),
    [
        (0, b"\x82\x00"),
        (125, b"\x82\x7d"),
        (126, b"\x82\x7e\x00\x7e"),
        (65_535, b"\x82\x7e\xff\xff"),
        (65_536, b"\x82\x7f\x00\x00\x00\x00\x00\x01\x00\x00"),
    ],
)
def test_a_header_has_the_shortest_length(length: int, expected: bytes) -> None:
    assert header(BINARY, length) == expected
    assert frame(BINARY, b"x" * length) == expected + b"x" * length


def test_pings_in_one_read_are_all_answered_in_order() -> None:
    data = b"".join(client_frame(PING, b"%d" % number) for number in range(10))
    assert outcome_of(data, either()).drained == b"".join(frame(PONG, b"%d" % number) for number in range(10))


def test_of_the_pings_of_a_peer_that_does_not_read_only_the_newest_is_answered() -> None:
    socket = either()
    for number in range(100_000):
        socket.receive(client_frame(PING, b"%d" % number))
    assert socket.drain() == frame(PONG, b"99999")


def test_a_flood_of_pings_in_one_read_leaves_sixteen_pongs_at_most() -> None:
    socket = either()
    socket.receive(client_frame(PING, b"x" * 125) * 17)
    assert socket.drain() == frame(PONG, b"x" * 125)
    for _ in range(1_000):
        socket.receive(client_frame(PING, b"x" * 125) * 16)
        assert len(socket._pongs) <= 16 * 127


def test_a_pong_is_sent_before_the_close_that_followed_its_ping() -> None:
    socket = either()
    socket.receive(client_frame(PING, b"1"))
    socket.close(1000)
    assert socket.drain() == frame(PONG, b"1") + close_frame(1000)
    assert socket.drain() == b""


def test_a_message_sent_while_a_pong_waits_does_not_lose_it() -> None:
    socket = either()
    socket.receive(client_frame(PING, b"1"))
    socket.receive(client_frame(TEXT, b"x"))
    assert socket.drain() == frame(PONG, b"1")


def test_partial_tells_of_an_unfinished_frame_or_message() -> None:
    socket = either()
    data = client_frame(TEXT, b"hello", final=False)
    for byte in bytewise(data):
        socket.receive(byte)
        assert socket.partial
    for byte in bytewise(client_frame(PING)):
        socket.receive(byte)
        assert socket.partial
    socket.receive(client_frame(CONTINUATION))
    assert not socket.partial
    socket.receive(b"\x89")
    assert socket.partial


def test_quiet_is_open_with_nothing_begun_and_nothing_to_send() -> None:
    socket = either()
    assert socket.quiet
    socket.receive(b"\x89")
    assert not socket.quiet
    socket.receive(client_frame(PING)[1:])
    assert not socket.quiet
    socket.drain()
    assert socket.quiet
    socket.close(1000)
    socket.drain()
    assert not socket.quiet


@pytest.mark.parametrize("data", [client_frame(TEXT, b""), client_frame(TEXT, "ä".encode() * 100)])
def test_whole_takes_what_a_quiet_connection_would_and_only_that(data: bytes) -> None:
    [(opcode, payload)] = either().receive(data)
    assert websocket.whole(data, opcode, len(payload)) == payload
    assert websocket.whole(data, opcode, len(payload) - 1) is None
    assert websocket.whole(data, BINARY, len(payload)) is None
    assert websocket.whole(data + b"\x81", opcode, LIMIT) is None
    assert websocket.whole(data[:-1], opcode, LIMIT) is None
    assert websocket.whole(client_frame(TEXT, b"\xff"), TEXT, LIMIT) is None


@pytest.mark.parametrize("state", list(State))
def test_no_state_is_left_for_an_earlier_one(state: State) -> None:
    order = list(State)
    assert all(order.index(after) >= order.index(state) for after in websocket._NEXT[state].values())


def test_an_idle_connection_is_one_small_object() -> None:
    data = client_frame(BINARY, b"x" * 100) + client_frame(PING, b"x") + client_frame(BINARY, b"x" * 9)
    sockets = [WebSocket(BINARY, 65_536) for _ in range(1_000)]
    tracemalloc.start()
    before, _ = tracemalloc.get_traced_memory()
    sockets[:] = [WebSocket(BINARY, 65_536) for _ in range(1_000)]
    for socket in sockets:
        socket.receive(data[:50])
        socket.receive(data[50:])
        socket.drain()
    after, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert (after - before) / len(sockets) <= 200


def test_the_mask_is_removed_without_the_compiled_module_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "websockets.speedups", None)
    spec = importlib.util.spec_from_file_location("websocket_without_speedups", websocket.__file__)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    assert module.apply_mask.__module__ == "websockets.utils"
    socket = module.WebSocket(None, LIMIT)
    assert socket.receive(client_frame(TEXT, b"x" * 300)) == ((TEXT, b"x" * 300),)


frames_of_any_kind = st.builds(
    client_frame,
    st.integers(0, 15),
    st.binary(max_size=200),
    final=st.booleans(),
    reserved=st.sampled_from([0, 0, 0, 0, 0, 0, 0, 1]),
    mask=st.one_of(*[st.binary(min_size=4, max_size=4)] * 7, st.none()),
)
streams = st.one_of(
    st.binary(max_size=400),
    st.lists(frames_of_any_kind, max_size=8).map(b"".join),
    st.tuples(st.lists(frames_of_any_kind, max_size=4).map(b"".join), st.binary(max_size=40)).map(b"".join),
)


@given(streams, st.sets(st.integers(1, 800)), st.sampled_from([None, TEXT, BINARY]), st.booleans())
@settings(deadline=None)
@example(b"\x00\x80abcd" * 3, {3}, None, False)
def test_any_bytes_in_any_chunks_have_one_outcome_and_raise_nothing(
    data: bytes, places: set[int], opcode: Opcode | None, closing: bool
) -> None:
    sockets = [WebSocket(opcode, 300, 3) for _ in range(3)]
    if closing:
        for socket in sockets:
            socket.close(1000)
    whole, random, trickled = (
        feed(socket, chunks)
        for socket, chunks in zip(sockets, ([data], cut(data, places), bytewise(data)), strict=True)
    )
    assert whole.messages == random.messages == trickled.messages
    assert whole[2:] == random[2:] == trickled[2:]

"""The generator's frames are those of RFC 6455, and its reader does not mind how bytes are cut."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st
from websockets.frames import Frame, Opcode
from websockets.protocol import SERVER, Protocol

from bench.frames import ACCEPT, Socket, masked, upgrade

ANSWER = b"HTTP/1.1 101 Switching Protocols\r\nSec-WebSocket-Accept: " + ACCEPT
ANSWER += b"\r\nSec-WebSocket-Protocol: tidings.v1.msgpack\r\n\r\n"


class Wire(asyncio.Transport):
    """A transport that keeps what was written."""

    def __init__(self) -> None:
        super().__init__()
        self.written = b""
        self.aborted = False

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.written += data

    def abort(self) -> None:
        self.aborted = True


class Reader(Socket):
    def __init__(self) -> None:
        super().__init__(upgrade("127.0.0.1", 80))
        self.read: list[bytes] = []
        self.reasons: list[str] = []

    def message(self, payload: bytes) -> None:
        self.read.append(payload)

    def ended(self, reason: str) -> None:
        self.reasons.append(reason)


def connected() -> tuple[Reader, Wire]:
    reader, wire = Reader(), Wire()
    reader.connection_made(wire)
    return reader, wire


def from_server(payload: bytes) -> bytes:
    size = len(payload)
    return (bytes((0x82, size)) if size < 126 else b"\x82\x7e" + size.to_bytes(2, "big")) + payload


@given(st.binary(max_size=300))
def test_another_implementation_reads_the_same_payload(payload: bytes) -> None:
    server = Protocol(SERVER)
    server.receive_data(masked(payload))
    (frame,) = server.events_received()
    assert isinstance(frame, Frame)
    assert (frame.opcode, frame.data, frame.fin) == (Opcode.BINARY, payload, True)


@given(st.lists(st.binary(max_size=200), max_size=5), st.integers(min_value=1, max_value=40))
def test_messages_are_the_same_however_the_bytes_are_cut(payloads: list[bytes], piece: int) -> None:
    reader, _ = connected()
    stream = ANSWER + b"".join(map(from_server, payloads))
    for at in range(0, len(stream), piece):
        reader.data_received(stream[at : at + piece])
    assert reader.read == payloads
    assert not reader.reasons


def test_a_protocol_ping_is_answered_with_its_payload() -> None:
    reader, wire = connected()
    reader.data_received(ANSWER + b"\x89\x02hi")
    assert wire.written.endswith(masked(b"hi", 0x8A))


def test_a_close_is_answered_and_its_code_and_reason_are_told() -> None:
    reader, wire = connected()
    reader.data_received(ANSWER + b"\x88\x06" + (4108).to_bytes(2, "big") + b"slow")
    assert reader.reasons == ["closed 4108 slow"]
    assert wire.written.endswith(masked((4108).to_bytes(2, "big"), 0x88))


@pytest.mark.parametrize("answer", [ANSWER.replace(b"101", b"503"), ANSWER.replace(ACCEPT, b"other")])
def test_an_upgrade_that_was_not_accepted_ends_the_socket(answer: bytes) -> None:
    reader, wire = connected()
    reader.data_received(answer)
    assert reader.reasons == [f"upgrade refused: {answer.splitlines()[0].decode()}"]
    assert wire.aborted


def test_a_fragment_is_not_taken_for_a_message() -> None:
    reader, _ = connected()
    reader.data_received(ANSWER + b"\x02\x01a")
    assert reader.reasons == ["unexpected frame 0x02"]

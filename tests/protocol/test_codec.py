"""What a codec reads and writes: equal for JSON and MessagePack, and a written answer to every fault."""

import json
from typing import Any, get_args

import msgpack
import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from protocol.codec import BY_SUBPROTOCOL, JSON, MSGPACK, Codec, Encoded, Unreadable, settings_of
from protocol.events import (
    AnyLogEvent,
    ConversationChanged,
    DurableEvent,
    MessageSent,
    ReadMoved,
    ReceiptMoved,
    SettingsChanged,
)
from protocol.facts import Fact, Said
from protocol.ids import ConversationId, Millis, UserId
from protocol.live import Typing
from protocol.replies import ErrReply
from protocol.requests import Ack, AnyRequest, Hello, MarkRead, SendMessage, Type
from protocol.session import Continuity, Ping, Synced
from protocol.shares import Share
from tests.protocol import maps
from tests.protocol.faults import FAULTS, HALF_READABLE, READ, SEND, UNREADABLE, packed

CODECS = [pytest.param(codec, id=codec.name) for codec in (JSON, MSGPACK)]


def unpacked(codec: Codec, message: bytes) -> Any:
    return msgpack.unpackb(message) if codec.binary else json.loads(message)


def refused(codec: Codec, message: bytes) -> tuple[int, str, str]:
    """The answer, which both codecs must be able to write."""
    unreadable = codec.read(message)
    assert isinstance(unreadable, Unreadable)
    refusal = unreadable.refusal
    for writer in (JSON, MSGPACK):
        said = unpacked(writer, writer.encode(ErrReply(unreadable.id, refusal)))
        assert said == {"re": unreadable.id, "err": {"code": refusal.code, "message": refusal.message}}
    return unreadable.id, refusal.code, refusal.message


# -- requests -------------------------------------------------------------------------------------------------------


@given(maps.requests)
def test_both_encodings_of_a_request_are_read_as_the_same_request_with_every_key_in_it(request: maps.Map) -> None:
    read = JSON.read(packed(JSON, request))
    assert not isinstance(read, Unreadable)
    assert read == MSGPACK.read(packed(MSGPACK, request))
    told = msgspec.msgpack.decode(msgspec.msgpack.encode(read))
    assert {key: told[key] for key in request} == request


@given(maps.requests)
def test_what_is_read_can_be_written_and_read_again(request: maps.Map) -> None:
    for codec in (JSON, MSGPACK):
        read = codec.read(packed(codec, request))
        assert codec.read(codec.encode(read)) == read


def test_there_is_a_strategy_for_every_op() -> None:
    assert {kind.__struct_config__.tag for kind in get_args(AnyRequest)} == set(maps.REQUIRED)


@given(maps.requests, st.dictionaries(maps.text(8).map("x-".__add__), maps.values, max_size=3))
def test_unknown_keys_are_ignored(request: maps.Map, unknown: maps.Map) -> None:
    for codec in (JSON, MSGPACK):
        assert codec.read(packed(codec, unknown | request)) == codec.read(packed(codec, request))
        assert codec.read(packed(codec, request | unknown)) == codec.read(packed(codec, request))


@given(maps.requests, st.data())
def test_a_value_of_any_sort_in_any_field_is_accepted_by_both_codecs_or_by_none(
    request: maps.Map, data: st.DataObject
) -> None:
    field = data.draw(st.sampled_from(sorted(request)))
    changed = request | {field: data.draw(maps.values)}
    read = JSON.read(packed(JSON, changed))
    if isinstance(read, Unreadable):
        assert refused(MSGPACK, packed(MSGPACK, changed))[:2] == (read.id, read.refusal.code)
    else:
        assert MSGPACK.read(packed(MSGPACK, changed)) == read


@pytest.mark.parametrize("codec", CODECS)
@given(data=st.data())
def test_a_missing_field_is_refused_by_name(codec: Codec, data: st.DataObject) -> None:
    request = data.draw(maps.requests)
    envelope = [] if request["op"] in maps.WITHOUT_ID else ["op", "id"]
    field = data.draw(st.sampled_from([*envelope, *maps.REQUIRED[request["op"]]]))
    # A share is as good as a text.
    rest = {key: value for key, value in request.items() if key not in (field, "share")}
    id, code, message = refused(codec, packed(codec, rest))
    assert code == "bad_request"
    assert field in message
    assert id == rest.get("id", 0)


@pytest.mark.parametrize("codec", CODECS)
@given(message=st.binary(max_size=200))
@example(b"")
def test_any_bytes_are_a_request_or_an_answer_that_can_be_written(codec: Codec, message: bytes) -> None:
    if isinstance(codec.read(message), Unreadable):
        refused(codec, message)


@pytest.mark.parametrize("codec", CODECS)
@given(data=st.data())
def test_damaged_requests_are_requests_or_answers_too(codec: Codec, data: st.DataObject) -> None:
    message = bytearray(packed(codec, data.draw(maps.requests)))
    for place in data.draw(st.lists(st.integers(0, len(message) - 1), max_size=4)):
        message[place] = data.draw(st.integers(0, 255))
    del message[data.draw(st.integers(1, len(message))) :]
    if isinstance(codec.read(message), Unreadable):
        refused(codec, bytes(message))


@pytest.mark.parametrize("codec", CODECS)
@pytest.mark.parametrize("kind", [bytes, bytearray, memoryview])
def test_any_buffer_is_read(codec: Codec, kind: type[Any]) -> None:
    assert codec.read(kind(packed(codec, READ))) == MarkRead(id=7, conversation=ConversationId("5"), c=3)
    assert codec.read(kind(packed(codec, READ | {"op": "x"}))) == codec.read(packed(codec, READ | {"op": "x"}))


def test_a_codec_goes_by_its_subprotocol() -> None:
    assert BY_SUBPROTOCOL == {"tidings.v1.json": JSON, "tidings.v1.msgpack": MSGPACK}
    assert (JSON.binary, MSGPACK.binary) == (False, True)


# -- repeated keys --------------------------------------------------------------------------------------------------


def repeated(codec: Codec, *pairs: tuple[str, Any]) -> bytes:
    if codec.binary:
        return bytes([0x80 + len(pairs)]) + b"".join(packed(codec, part) for pair in pairs for part in pair)
    return b"{" + b",".join(packed(codec, key) + b":" + packed(codec, value) for key, value in pairs) + b"}"


@pytest.mark.parametrize("codec", CODECS)
@pytest.mark.parametrize(
    "earlier",
    [("c", 9), ("c", "nine"), ("c", None), ("id", 8), ("id", "x"), ("op", "typing"), ("op", "no"), ("op", 1)],
    ids=str,
)
def test_of_repeated_keys_the_last_wins(codec: Codec, earlier: tuple[str, Any]) -> None:
    assert codec.read(repeated(codec, earlier, *READ.items())) == codec.read(packed(codec, READ))


@pytest.mark.parametrize("codec", CODECS)
def test_of_repeated_keys_the_last_is_refused_when_it_is_wrong(codec: Codec) -> None:
    id, code, message = refused(codec, repeated(codec, *READ.items(), ("id", 9), ("c", -1)))
    assert (id, code) == (9, "bad_request")
    assert "$.c" in message


# -- the fault table ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("codec", CODECS)
@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_is_answered_by_name(codec: Codec, fault: str) -> None:
    request, id, code, named = FAULTS[fault]
    answer = refused(codec, packed(codec, request))
    assert answer[:2] == (id, code)
    assert named in answer[2]
    assert len(answer[2]) <= 400


@pytest.mark.parametrize("fault", UNREADABLE)
def test_what_does_not_name_its_request_is_answered_as_request_0(fault: str) -> None:
    codec, message = UNREADABLE[fault]
    assert refused(codec, message)[:2] == (0, "bad_request")


@pytest.mark.parametrize("fault", HALF_READABLE)
def test_a_fault_inside_a_request_is_answered_to_that_request(fault: str) -> None:
    codec, message = HALF_READABLE[fault]
    assert refused(codec, message)[:2] == (7, "bad_request")


@pytest.mark.parametrize(
    ("codec", "message", "place"),
    [
        (JSON, b'{"op":"message.read","id":7,"conversation":"5","c":NaN}', "$.c"),
        (JSON, rb'{"op":"message.send","id":7,"conversation":"5","cid":"a","text":"\ud800"}', "$.text"),
        (JSON, rb'{"op":"message.read","id":7,"\ud800":NaN,"conversation":"5","c":1}', r"$.\ud800"),
        (JSON, rb'{"op":"message.read","id":7,"\ud800":1,"conversation":"5","c":1}', ""),
        (MSGPACK, b"\x83\xa2op\xa4sync\xa2id\x07\xa6cursor\xa1\xff", "$.cursor"),
        (MSGPACK, b"\x83\xa2op\xa4sync\xa2id\x07\xa1\xff\x01", ""),
    ],
)
def test_a_value_that_cannot_be_read_at_all_is_named_too(codec: Codec, message: bytes, place: str) -> None:
    answer = refused(codec, message)
    assert answer[:2] == (7, "bad_request")
    assert answer[2].endswith(f" - at `{place}`") if place else " - at " not in answer[2]


def test_an_op_of_half_a_surrogate_pair_is_unknown() -> None:
    assert refused(JSON, rb'{"op":"\ud83d","id":7}') == (7, "unknown_op", r"op: there is no '\ud83d' here")


@pytest.mark.parametrize("codec", CODECS)
def test_text_may_have_4000_code_points_and_end_in_a_newline(codec: Codec) -> None:
    text = "\U0001f600" * 3_999 + "\n"
    sent = codec.read(packed(codec, SEND | {"text": text}))
    assert isinstance(sent, SendMessage)
    assert sent.text == text


@pytest.mark.parametrize("codec", CODECS)
def test_what_asks_for_nothing_that_is_not_possible_yet_is_no_fault(codec: Codec) -> None:
    plain = codec.read(packed(codec, SEND))
    assert codec.read(packed(codec, SEND | {"view_once": False, "media": []})) == plain
    assert not isinstance(plain, Unreadable)


@pytest.mark.parametrize("codec", CODECS)
def test_what_is_absent_has_its_default(codec: Codec) -> None:
    hello = codec.read(
        packed(codec, {"op": "hello", "id": 1, "token": "t", "device": {"id": "d", "platform": "", "app": ""}})
    )
    assert isinstance(hello, Hello)
    assert (hello.snapshot, hello.follow, hello.background, hello.resume) == (True, False, False, msgspec.UNSET)
    assert isinstance(codec.read(packed(codec, {"op": "typing", "conversation": "5", "kind": "stop"})), Type)
    assert isinstance(codec.read(packed(codec, {"op": "ack", "epoch": "e", "u": 1})), Ack)


# -- events ---------------------------------------------------------------------------------------------------------

conversations = maps.ids.map(ConversationId)
users = maps.ids.map(UserId)
places = st.integers(1, 2**53)
absent = st.just(msgspec.UNSET)
log = {"conversation": conversations, "c": places, "sender": users, "cid": maps.cids, "at": places.map(Millis)}

log_events: st.SearchStrategy[AnyLogEvent] = st.builds(
    MessageSent,
    **log,
    text=absent | maps.text(300),
    share=absent | st.builds(Share, st.sampled_from(["post", "story", "profile"]), maps.ids),
    reply_to=absent | places,
    mentions=absent | st.lists(users, max_size=4).map(tuple),
) | st.builds(ConversationChanged, **log, title=absent | maps.text(100))
receipts = st.builds(ReceiptMoved, conversations, users, absent | places, absent | places)
settings = st.builds(
    SettingsChanged,
    conversations,
    absent | places,
    absent | st.booleans(),
    absent | st.booleans(),
    absent | st.booleans(),
    absent | maps.text(300),
)
durable_events: st.SearchStrategy[DurableEvent] = (
    log_events | receipts | settings | st.builds(ReadMoved, conversations, places)
)
live_events = (
    st.builds(Typing, conversations, places, users, st.sampled_from(["text", "voice", "media", "stop"]))
    | st.builds(Ping, places)
    | st.builds(Synced, places)
    | st.builds(Continuity, maps.text(30), places)
)


@given(durable_events, st.integers(1, 2**32 - 1))
def test_a_numbered_event_is_the_map_with_u_in_it(event: DurableEvent, u: int) -> None:
    encoded = Encoded(event)
    told = {"u": u, **msgspec.to_builtins(event)}
    assert encoded.numbered(JSON, u) == JSON.encode(told)
    assert unpacked(MSGPACK, encoded.numbered(MSGPACK, u)) == unpacked(MSGPACK, MSGPACK.encode(told))


@given(durable_events | live_events)
def test_a_live_event_is_the_map_alone_and_encoded_once(event: msgspec.Struct) -> None:
    encoded = Encoded(event)
    for codec in (JSON, MSGPACK):
        assert encoded.live(codec) == codec.encode(msgspec.to_builtins(event))
        assert encoded.live(codec) is encoded.live(codec)
    assert encoded.size == len(encoded.msgpack)


@given(log_events)
def test_a_stored_body_is_read_back_as_the_event_that_it_was(event: AnyLogEvent) -> None:
    for kind, codec in ((msgspec.msgpack, MSGPACK), (msgspec.json, JSON)):
        assert kind.decode(codec.encode(event), type=AnyLogEvent) == event


@given(st.builds(Said, log_events, st.integers(-(2**63), 2**63 - 1)) | receipts)
def test_facts_have_values_of_their_own(fact: Fact) -> None:
    assert fact == msgspec.structs.replace(fact)


def test_no_durable_event_has_so_many_keys_that_u_would_not_fit() -> None:
    for kind in get_args(DurableEvent):
        assert len(kind.__struct_fields__) + 1 <= 14


@given(settings)
def test_settings_are_told_by_name_when_they_are_set(changed: SettingsChanged) -> None:
    told = msgspec.to_builtins(changed)
    del told["ev"]
    assert settings_of(changed) == told

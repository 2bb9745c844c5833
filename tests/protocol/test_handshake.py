"""The opening handshake: every row is also fed byte by byte, with the same answer."""

import json

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from websockets.client import ClientProtocol
from websockets.http11 import Response
from websockets.protocol import State
from websockets.typing import Origin, Subprotocol
from websockets.uri import parse_uri

from protocol.codec import JSON, MSGPACK, Codec
from protocol.handshake import MAX_HEAD, Elsewhere, Incomplete, Refused, Upgrade, over_budget, parse

ORIGINS = frozenset({"https://chat.example", "http://localhost:5173"})
NONE: frozenset[str] = frozenset()
RIGHT = {
    "Host": "tidings.example:8080",
    "Upgrade": "websocket",
    "Connection": "Upgrade",
    "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
    "Sec-WebSocket-Version": "13",
}


def request(line: str = "GET /v1/socket HTTP/1.1", *extra: str, **changes: str | None) -> bytes:
    """A right request but for its line, header lines more, and headers changed or (None) left out."""
    headers: dict[str, str | None] = dict(RIGHT)
    headers.update({name.replace("_", "-"): value for name, value in changes.items()})
    lines = [line, *(f"{name}: {value}" for name, value in headers.items() if value is not None), *extra]
    return "\r\n".join([*lines, "", ""]).encode("latin-1")


def answer(head: bytes, origins: frozenset[str] = ORIGINS) -> Upgrade | Refused | Elsewhere | Incomplete:
    """The answer at once, which is the answer byte by byte."""
    whole = parse(head, origins)
    growing = (parse(head[:size], origins) for size in range(len(head) + 1))
    trickled = next((result for result in growing if not isinstance(result, Incomplete)), Incomplete())
    assert trickled == whole
    return whole


def refused(head: bytes, origins: frozenset[str] = ORIGINS) -> int:
    """The status of the refusal, whose response is whole and ends the connection."""
    result = answer(head, origins)
    assert isinstance(result, Refused)
    response, headers, problem = read_refusal(result)
    assert response.startswith(f"HTTP/1.1 {result.status} ")
    assert "close" in headers["connection"].lower()
    assert headers["content-type"] == "application/problem+json"
    assert problem == {
        "type": "about:blank",
        "title": response.split(" ", 2)[2],
        "status": result.status,
        "code": result.code,
        "detail": result.detail,
    }
    return result.status


def read_refusal(result: Refused) -> tuple[str, dict[str, str], dict[str, object]]:
    head, _, body = result.response.partition(b"\r\n\r\n")
    line, *lines = head.decode().split("\r\n")
    headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}
    assert int(headers["content-length"]) == len(body)
    return line, headers, json.loads(body)


def test_the_example_of_the_rfc_is_accepted() -> None:
    head = request()
    assert answer(head) == Upgrade(
        JSON,
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n",
        len(head),
        {},
    )


def test_bytes_after_the_head_are_not_consumed() -> None:
    head = request()
    result = answer(head + b"\x81\x80\x00\r\n\r\n\x00")
    assert isinstance(result, Upgrade)
    assert result.consumed == len(head)


@pytest.mark.parametrize(
    "head",
    [
        request("GET /v1/socket?device=phone&v=2 HTTP/1.1"),
        request("GET /v1/socket? HTTP/1.1"),
        request(Upgrade="WebSocket"),
        request(Upgrade="h2c, websocket"),
        request(Connection="keep-alive, Upgrade"),
        request(Connection="keep-alive,,upgrade\t"),
        request("GET /v1/socket HTTP/1.1", "Connection: keep-alive"),
        request("GET /v1/socket HTTP/1.1", "X-Twice: 1", "x-twice: 2"),
        request("GET /v1/socket HTTP/1.1", "X-Empty:", "X-Latin: \xe4", "X-Tab:\ta\tb \t"),
        request("GET /v1/socket HTTP/1.1", "Content-Length: 0"),
        request("GET /v1/socket HTTP/1.1", "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits"),
        request(Host="[::1]:8080"),
        request(Host="tidings"),
    ],
)
def test_what_the_rfcs_allow_is_accepted_without_an_extension(head: bytes) -> None:
    result = answer(head)
    assert isinstance(result, Upgrade)
    assert b"xtensions" not in result.response


@pytest.mark.parametrize(
    ("offered", "codec", "named"),
    [
        (None, JSON, None),
        ("", JSON, None),
        (" , ", JSON, None),
        ("tidings.v1.json", JSON, "tidings.v1.json"),
        ("tidings.v1.msgpack", MSGPACK, "tidings.v1.msgpack"),
        ("tidings.v1.json, tidings.v1.msgpack", JSON, "tidings.v1.json"),
        ("tidings.v1.msgpack,tidings.v1.json", MSGPACK, "tidings.v1.msgpack"),
        ("tidings.v2.json, chat,tidings.v1.msgpack", MSGPACK, "tidings.v1.msgpack"),
    ],
)
def test_the_clients_first_known_subprotocol_is_chosen(offered: str | None, codec: Codec, named: str | None) -> None:
    result = answer(request(Sec_WebSocket_Protocol=offered))
    assert isinstance(result, Upgrade)
    assert result.codec is codec
    lines = [line for line in result.response.decode().split("\r\n") if line.startswith("Sec-WebSocket-Protocol")]
    assert lines == ([f"Sec-WebSocket-Protocol: {named}"] if named else [])


def test_subprotocols_may_be_offered_in_several_lines() -> None:
    lines = "Sec-WebSocket-Protocol: chat", "Sec-WebSocket-Protocol: tidings.v1.msgpack"
    result = answer(request("GET /v1/socket HTTP/1.1", *lines))
    assert isinstance(result, Upgrade)
    assert result.codec is MSGPACK


def test_unknown_subprotocols_are_refused_by_naming_the_known() -> None:
    head = request(Sec_WebSocket_Protocol="chat, tidings.v1.JSON")
    assert refused(head) == 400
    result = parse(head, ORIGINS)
    assert isinstance(result, Refused)
    assert "tidings.v1.msgpack" in result.detail
    assert "tidings.v1.json" in result.detail


MALFORMED = {
    "HTTP/1.0": request("GET /v1/socket HTTP/1.0"),
    "HTTP/2": request("GET /v1/socket HTTP/2"),
    "no version": request("GET /v1/socket "),
    "two blanks": request("GET /v1/socket  HTTP/1.1"),
    "four words": request("GET /v1/socket x HTTP/1.1"),
    "byte over 127 in the query": request("GET /v1/socket?a=\xe4 HTTP/1.1"),
    "no Host": request(Host=None),
    "empty Host": request(Host=""),
    "Host with a path": request(Host="a/b"),
    "Host twice": request("GET /v1/socket HTTP/1.1", "host: tidings.example:8080"),
    "no Upgrade": request(Upgrade=None),
    "another Upgrade": request(Upgrade="h2c"),
    "no Connection": request(Connection=None),
    "Connection without upgrade": request(Connection="keep-alive"),
    "no key": request(Sec_WebSocket_Key=None),
    "empty key": request(Sec_WebSocket_Key=""),
    "key of 15 bytes": request(Sec_WebSocket_Key="dGhlIHNhbXBsZSBub25j"),
    "key of 17 bytes": request(Sec_WebSocket_Key="dGhlIHNhbXBsZSBub25jZWU="),
    "key not base64": request(Sec_WebSocket_Key="dGhlIHNhbXBsZSBub25jZ_=="),
    "key twice": request("GET /v1/socket HTTP/1.1", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=="),
    "version twice": request("GET /v1/socket HTTP/1.1", "Sec-WebSocket-Version: 13"),
    "origin twice": request("GET /v1/socket HTTP/1.1", "Origin: https://chat.example", "Origin: https://chat.example"),
    "folded line": request("GET /v1/socket HTTP/1.1", "X-Folded: a", " b"),
    "folded by a tab": request("GET /v1/socket HTTP/1.1", "X-Folded: a", "\tb"),
    "blank before the colon": request("GET /v1/socket HTTP/1.1", "X-Blank : a"),
    "no colon": request("GET /v1/socket HTTP/1.1", "X-Nothing"),
    "no name": request("GET /v1/socket HTTP/1.1", ": a"),
    "name of two words": request("GET /v1/socket HTTP/1.1", "X Y: a"),
    "NUL": request("GET /v1/socket HTTP/1.1", "X-A: \x00"),
    "escape": request("GET /v1/socket HTTP/1.1", "X-A: \x1b[31m"),
    "DEL": request("GET /v1/socket HTTP/1.1", "X-A: \x7f"),
    "bare CR": request("GET /v1/socket HTTP/1.1", "X-A: a\rb"),
    "CR before the end": request("GET /v1/socket HTTP/1.1", "X-A: a\r"),
    "bare LF": request("GET /v1/socket HTTP/1.1", "X-A: a\nX-B: b"),
    "lines that end by LF": request().replace(b"\r\n", b"\n"),
    "body": request("GET /v1/socket HTTP/1.1", "Content-Length: 5") + b"hello",
    "length not a number": request("GET /v1/socket HTTP/1.1", "Content-Length: none"),
    "two lengths": request("GET /v1/socket HTTP/1.1", "Content-Length: 0", "Content-Length: 0"),
    "chunked": request("GET /v1/socket HTTP/1.1", "Transfer-Encoding: chunked") + b"0\r\n\r\n",
    "both lengths": request("GET /v1/socket HTTP/1.1", "Content-Length: 0", "Transfer-Encoding: chunked"),
}


@pytest.mark.parametrize("head", MALFORMED.values(), ids=MALFORMED)
def test_what_is_malformed_is_a_bad_request(head: bytes) -> None:
    assert refused(head) == 400


@pytest.mark.parametrize(
    "query",
    [
        "token=s3cr3t",
        "access_token=s3cr3t",
        "authorization=Bearer%20s3cr3t",
        "Access_Token=s3cr3t",
        "v=1&token=s3cr3t",
        "v=1;token=s3cr3t",
        "to%6ben=s3cr3t",
        "+token+=s3cr3t",
        "token",
        "token=",
    ],
)
def test_a_token_in_the_query_is_refused_and_not_repeated(query: str) -> None:
    head = request(f"GET /v1/socket?{query} HTTP/1.1")
    assert refused(head) == 400
    assert "s3cr3t" not in repr(parse(head, ORIGINS))


def test_neither_the_query_nor_credentials_are_in_an_upgrade() -> None:
    head = request("GET /v1/socket?ticket=s3cr3t HTTP/1.1", "Authorization: Bearer s3cr3t", "Cookie: s3cr3t")
    result = answer(head)
    assert isinstance(result, Upgrade)
    assert "s3cr3t" not in repr(result)


@pytest.mark.parametrize("version", ["12", "8", "14", "013", "", None])
def test_another_version_is_told_the_right_one(version: str | None) -> None:
    head = request(Sec_WebSocket_Version=version)
    assert refused(head) == 426
    result = parse(head, ORIGINS)
    assert isinstance(result, Refused)
    _, headers, _ = read_refusal(result)
    assert headers["sec-websocket-version"] == "13"
    assert headers["upgrade"] == "websocket"
    assert headers["connection"] == "close, Upgrade"


@pytest.mark.parametrize(
    "origin",
    [
        "https://chat.example",
        "https://CHAT.example",
        "http://localhost:5173",
    ],
)
def test_an_allowed_origin_is_accepted(origin: str) -> None:
    assert isinstance(answer(request(Origin=origin)), Upgrade)


@pytest.mark.parametrize(
    "origin",
    [
        "https://evil.example",
        "http://chat.example",
        "https://chat.example.evil.example",
        "https://chat.example:444",
        "https://tidings.example",
        "http://tidings.example:8080",
        "https://tidings.example:8080",
        "ftp://tidings.example:8080",
        "tidings.example:8080",
        "https://tidings.example:8080/",
        "null",
        "*",
        "",
    ],
)
def test_a_foreign_origin_is_forbidden_unless_all_are_allowed(origin: str) -> None:
    assert refused(request(Origin=origin)) == 403
    assert refused(request(Origin=origin), NONE) == 403
    assert isinstance(answer(request(Origin=origin), frozenset({"*"})), Upgrade)


OWN = ["127.0.0.1:8080", "10.0.0.7", "[::1]:8080", "localhost:8080", "localhost"]


@pytest.mark.parametrize("host", OWN)
def test_a_page_from_the_very_address_that_is_asked_is_our_own(host: str) -> None:
    for origin in (f"http://{host}", f"https://{host}"):
        assert isinstance(answer(request(Host=host, Origin=origin), NONE), Upgrade)
        assert isinstance(answer(request(Host=host.upper(), Origin=origin.upper()), NONE), Upgrade)


@pytest.mark.parametrize(
    "host", [*OWN, "127.0.0.1:8081", "127.0.0.1.evil.example:8080", "evil.localhost:8080", "a1.2.3.4"]
)
def test_neither_another_port_nor_a_name_that_anybody_can_bind_is(host: str) -> None:
    origin = "http://127.0.0.1:8081" if host in OWN else f"http://{host}"
    at = host if host != "127.0.0.1:8081" else "127.0.0.1:8080"
    assert refused(request(Host=at, Origin=origin), NONE) == 403


def test_a_request_without_an_origin_comes_from_no_browser() -> None:
    assert isinstance(answer(request(), NONE), Upgrade)


def test_a_head_of_8_kib_is_accepted_and_one_byte_more_is_not() -> None:
    rest = MAX_HEAD - len(request("GET /v1/socket HTTP/1.1", "X-Pad: "))
    assert isinstance(answer(request("GET /v1/socket HTTP/1.1", "X-Pad: " + "x" * rest)), Upgrade)
    assert refused(request("GET /v1/socket HTTP/1.1", "X-Pad: " + "x" * (rest + 1))) == 431
    endless = b"GET /v1/socket?" + b"x" * MAX_HEAD
    assert answer(endless[: MAX_HEAD - 1]) == Incomplete()
    assert refused(endless[:MAX_HEAD]) == 431
    assert refused(endless) == 431


@pytest.mark.parametrize(
    "head",
    [
        request("POST /v1/socket HTTP/1.1"),
        request("get /v1/socket HTTP/1.1"),
        request("GET /v1/sockets HTTP/1.1"),
        request("GET /v1/socket/route HTTP/1.1"),
        request("GET /v1/socket/ HTTP/1.1"),
        request("GET /v1/%73ocket HTTP/1.1"),
        request("GET //v1/socket HTTP/1.1"),
        request("GET http://tidings.example/v1/socket HTTP/1.1"),
        request("GET /v1/me?token=s3cr3t HTTP/1.1"),
        b"GET /v1/socket\r\n\r\n",
        b"\x16\x03\x01",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"\r\n" + request(),
    ],
)
def test_any_other_request_line_is_elsewhere(head: bytes) -> None:
    assert answer(head) == Elsewhere()


@pytest.mark.parametrize("head", [b"", b"G", b"GET /v1/socket", b"GET /v1/socket?a", request()[:-1], request()[:-2]])
def test_a_beginning_is_incomplete(head: bytes) -> None:
    assert answer(head) == Incomplete()


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        (["X-Forwarded-For: 192.0.2.1, 198.51.100.7"], "192.0.2.1, 198.51.100.7"),
        (["X-Forwarded-For: 192.0.2.1", "x-forwarded-for: 198.51.100.7"], "192.0.2.1,198.51.100.7"),
    ],
)
def test_the_forwarded_addresses_are_kept_in_order(lines: list[str], expected: str) -> None:
    result = answer(request("GET /v1/socket HTTP/1.1", *lines))
    assert isinstance(result, Upgrade)
    assert result.headers == {"x-forwarded-for": expected}


def test_over_budget_says_when_to_come_back() -> None:
    result = over_budget(7)
    line, headers, problem = read_refusal(result)
    assert line == "HTTP/1.1 503 Service Unavailable"
    assert headers["retry-after"] == "7"
    assert headers["connection"] == "close"
    assert problem["code"] == result.code == "unavailable"


@given(
    st.sampled_from([None, "tidings.v1.json", "tidings.v1.msgpack"]), st.sampled_from([None, "https://chat.example"])
)
def test_the_client_of_websockets_connects(subprotocol: str | None, origin: str | None) -> None:
    client = ClientProtocol(
        parse_uri("ws://tidings.example:8080/v1/socket"),
        origin=None if origin is None else Origin(origin),
        subprotocols=None if subprotocol is None else [Subprotocol(subprotocol)],
    )
    client.send_request(client.connect())
    result = parse(b"".join(client.data_to_send()), ORIGINS)
    assert isinstance(result, Upgrade)
    client.receive_data(result.response)
    assert [type(event) for event in client.events_received()] == [Response]
    assert client.state is State.OPEN
    assert client.subprotocol == subprotocol


mutations = st.builds(
    lambda place, size, piece: request()[:place] + piece + request()[place + size :],
    st.integers(0, 200),
    st.integers(0, 5),
    st.one_of(st.binary(max_size=6), st.sampled_from([b"\r\n", b"\r", b"\n", b": ", b" ", b"\r\n\r\n"])),
)


@given(st.one_of(mutations, st.binary(max_size=60).map(b"GET /v1/socket".__add__), st.binary(max_size=60)))
@settings(deadline=None)
@example(b"GET /v1/socket?%ff&=&;%00 HTTP/1.1\r\n\r\n")
def test_any_bytes_in_any_chunks_have_one_answer_and_raise_nothing(head: bytes) -> None:
    answer(head)

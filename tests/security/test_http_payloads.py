"""Payloads that are made to break a reader: each is answered as a problem of the client's, and the node serves on."""

import asyncio
import gzip
import zlib
from collections.abc import Iterator
from functools import partial
from typing import Any

import msgspec
import pytest
from aiohttp import web
from structlog.testing import capture_logs

from protocol.route import Route
from protocol.routes import ROUTES
from server.http import HANDLING, make_app
from server.http.reading import TOO_LARGE
from tests.server.http.stack import PASSWORD, Client, Person, Stack, connected, sign_up

# Without the time in it, which would give each process of the test run other cases.
packed = partial(gzip.compress, mtime=0)

TAKING = [route for route in ROUTES if route.bodies]

BROKEN: dict[str, bytes] = {
    "nothing": b"",
    "no JSON": b"{",
    "a list": b"[]",
    "a number": b"7",
    "null": b"null",
    "two documents": b"{} {}",
    "bad UTF-8": b'{"username":"\xff\xfe","password":"\xc3\x28\xc3\x28\xc3\x28","cid":"\xff","text":"\xff"}',
    "bad UTF-8 in a key": b'{"\xff":1}',
    "nested 30,000 deep": b'{"x":' + b"[" * 30_000,
    "nested 30,000 deep and closed": b'{"x":' + b"[" * 30_000 + b"]" * 30_000 + b"}",
    "objects nested deep": b'{"a":' * 10_000,
    "NaN": b'{"since":NaN,"heads":{},"c":NaN}',
    "UTF-16": '{"username":"ada"}'.encode("utf-16"),
    "a byte order mark": b'\xef\xbb\xbf{"username":"ada"}',
    "MessagePack": b"\x81\xa8username\xa3ada",
    "a form": b"username=ada&password=correct+horse",
}
FIELDS: dict[str, bytes] = {
    "an integer of 5,000 digits": b"9" * 5_000,
    "an exponent beyond all": b"1e999999",
    "a lone surrogate": b'"\\ud800\\ud800\\ud800\\ud800\\ud800\\ud800\\ud800\\ud800"',
    "NUL": b'"\\u0000\\u0000\\u0000\\u0000\\u0000\\u0000\\u0000\\u0000"',
    "a list": b"[]",
    "an object": b"{}",
    "null": b"null",
    "a fraction": b"1.5",
    "true": b"true",
}


@pytest.fixture
async def ada(client: Client) -> Person:
    return await sign_up(client)


async def sent(client: Client, ada: Person, route: Route, body: bytes, **headers: str) -> tuple[int, Any]:
    path = route.path.replace("{id}", "8")
    async with client.request(route.method, path, data=body, headers={**ada.headers, **headers}) as response:
        answer = await response.read()
        assert response.content_type in ("application/problem+json", "application/json")
    return response.status, msgspec.json.decode(answer)


@pytest.mark.parametrize("route", TAKING, ids=lambda route: route.name)
async def test_a_body_that_cannot_be_read_is_a_bad_request(client: Client, ada: Person, route: Route) -> None:
    for name, body in BROKEN.items():
        status, problem = await sent(client, ada, route, body)
        assert (status, problem["code"]) == (400, "bad_request"), name
    await ada.call("GET", "/v1/me")


def wrong_fields(route: Route) -> Iterator[tuple[str, bytes]]:
    for body in route.bodies:
        # The route reads as the body whose required keys are there.
        required = {field.name: b'"1"' for field in msgspec.structs.fields(body) if field.required}
        for field in body.__struct_fields__:
            for value in FIELDS.values():
                entries = {**required, field: value}
                yield field, b"{%s}" % b",".join(b'"%s":%s' % (key.encode(), part) for key, part in entries.items())


@pytest.mark.parametrize("route", TAKING, ids=lambda route: route.name)
async def test_a_field_that_is_none_is_a_bad_request_and_never_a_fault(
    client: Client, ada: Person, route: Route
) -> None:
    for field, body in wrong_fields(route):
        status, problem = await sent(client, ada, route, body)
        assert status < 500, (field, body[:100])
        if b'"cid":"1"' not in body or field != "cid":
            assert problem.get("code", "bad_request") in ("bad_request", "not_found", "unauthenticated"), field
    await ada.call("GET", "/v1/me")


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("password", b'"\\ud800aaaaaaaa"'),
        ("username", b'"\\u0000"'),
        ("username", b'"a\\u0000"'),
        ("username", b"[" * 20_000),
        ("device", b'{"id":"\\u0000","platform":"","app":""}'),
        ("device", b'{"id":"a","platform":"","app":"\\ud800"}'),
        ("device", b'{"id":"a","platform":"' + b"a" * 33 + b'","app":""}'),
        ("device", b'"phone"'),
    ],
)
async def test_a_sign_in_with_text_that_cannot_be_stored_is_a_bad_request(
    client: Client, ada: Person, field: str, value: bytes
) -> None:
    [sign_in] = [route for route in ROUTES if route.name == "login.create"]
    body = {"username": b'"ada"', "password": f'"{PASSWORD}"'.encode(), field: value}
    written = b"{%s}" % b",".join(b'"%s":%s' % (key.encode(), part) for key, part in body.items())
    status, problem = await sent(client, ada, sign_in, written)
    assert (status, problem["code"]) == (400, "bad_request")


@pytest.mark.parametrize("route", TAKING, ids=lambda route: route.name)
async def test_a_body_larger_than_allowed_is_too_large(client: Client, ada: Person, route: Route) -> None:
    for body in (b'{"x":"' + b"a" * 65_536 + b'"}', b" " * 65_537):
        status, problem = await sent(client, ada, route, body)
        assert (status, problem["code"]) == (413, "too_large")
    status, _ = await sent(client, ada, route, b'{"x":"' + b"a" * 65_528 + b'"}')
    assert status != 413


@pytest.mark.parametrize(
    ("coding", "body"),
    [
        ("gzip", packed(b" " * 50_000_000, 9)),
        ("deflate", zlib.compress(b" " * 50_000_000, 9)),
        ("gzip", packed(b'{"username":"ada","password":"correct horse"}')),
        ("gzip", b"no gzip at all"),
        ("deflate", b"\xff" * 100),
        ("br", b"\xff" * 100),
        ("gzip, gzip", packed(packed(b"{}"))),
    ],
)
async def test_a_compressed_body_is_refused_without_unfolding_it(
    client: Client, ada: Person, coding: str, body: bytes
) -> None:
    [sign_in] = [route for route in ROUTES if route.name == "login.create"]
    status, problem = await sent(client, ada, sign_in, body, **{"Content-Encoding": coding})
    assert (status, problem["detail"]) in ((400, "the body must not be compressed"), (413, TOO_LARGE.message))
    await ada.call("GET", "/v1/me")


@pytest.mark.parametrize(
    "query",
    [
        "limit=" + "9" * 5_000,
        "limit=NaN",
        "limit=1e3",
        "limit=%00",
        "limit=",
        "folder=%ff%fe",
        "folder=%ed%a0%80",
        "folder=inbox%00",
        "before=" + "a" * 129,
        "limit=" + "[" * 1_000,
    ],
)
async def test_a_query_that_cannot_be_read_is_a_bad_request(ada: Person, query: str) -> None:
    assert (await ada.call("GET", f"/v1/conversations?{query}", status=400))["code"] == "bad_request"


@pytest.mark.parametrize(
    "path",
    [
        "/v1/users/%00",
        "/v1/users/..%2f..%2fetc%2fpasswd",
        "/v1/users/%ff",
        "/v1/users/8%0a",
        "/v1/users/by-username/%00",
        "/v1/users/by-username/ada%0a",
        "/v1/users/by-username/%ed%a0%80",
        "/v1/users/by-username/" + "a" * 5_000,
        "/v1/conversations/" + "9" * 5_000,
        "/v1/conversations/*/messages",
        "/v1/conversations/>/messages",
        "/v1/conversations/1.2/messages",
        "/v1/conversations/\u0661\u0662/messages",
        "/v1/conversations/-1",
    ],
)
async def test_a_path_that_cannot_be_one_is_refused(ada: Person, path: str) -> None:
    async with ada._client.get(path, headers=ada.headers) as response:
        assert response.status in (400, 404)
        assert (await response.json())["code"] in ("bad_request", "not_found")


async def test_a_body_whose_chunks_are_none_is_a_bad_request() -> None:
    stack = Stack()
    stack.change("entry", body_s=0.02)
    async with stack.served() as client, connected(client) as (reader, writer):
        writer.write(b"POST /v1/logins HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n")
        writer.write(b"Expect: 100-continue\r\n\r\n")
        assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 100 ")
        writer.write(b"ZZ\r\n")
        assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 400 ")


async def test_a_client_that_goes_away_in_the_middle_of_its_body_is_no_fault() -> None:
    runner = web.AppRunner(make_app(Stack().services), **HANDLING)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    with capture_logs() as lines:
        reader, writer = await asyncio.open_connection(*runner.addresses[0][:2])
        writer.write(b"POST /v1/logins HTTP/1.1\r\nHost: x\r\nContent-Length: 50\r\nExpect: 100-continue\r\n\r\n")
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"{")
        writer.transport.abort()
        await runner.cleanup()
    assert lines == []


@pytest.mark.parametrize(
    "request_",
    [
        b"POST /v1/logins HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"POST /v1/logins HTTP/1.1\r\nHost: x\r\nContent-Length: -5\r\n\r\n",
        b"POST /v1/logins HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n",
        b"POST /v1/logins HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nZZ\r\n",
        b"GET /v1/me HTTP/1.1\r\nHost: x\r\nX: " + b"a" * 70_000 + b"\r\n\r\n",
        b"GET /" + b"a" * 70_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET /v1/me HTTP/9.9\r\nHost: x\r\n\r\n",
        b"\x00\x01\x02\x03\r\n\r\n",
    ],
    ids=lambda request: request[:60].decode("latin-1"),
)
async def test_octets_that_are_no_http_are_refused_and_the_connection_closed(
    client: Client, ada: Person, request_: bytes
) -> None:
    async with connected(client) as (reader, writer):
        writer.write(request_)
        answer = await reader.read()
    assert answer.startswith(b"HTTP/1.")
    assert answer.split()[1] in (b"400", b"413", b"431", b"505")
    await ada.call("GET", "/v1/me")

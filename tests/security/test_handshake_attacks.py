"""The opening of a connection: what is refused before there is a socket, and how much of it there may be."""

import asyncio
import contextlib

import pytest

from tests.security.raw import Answer, greeted, head, hello, plain, upgraded
from tests.security.watch import Watched, request
from tests.server.wire import dial

TARGET = "/v1/socket"

REFUSED = {
    "foreign origin": (head(TARGET, "Origin: https://evil.example"), 403, "forbidden"),
    "own host, which a name that is bound anew can be": (
        head(TARGET, "Origin: http://chat.example"),
        403,
        "forbidden",
    ),
    "another program's page on our machine": (
        head(TARGET, "Host: 127.0.0.1:8080", "Origin: http://127.0.0.1:3000", without="Host"),
        403,
        "forbidden",
    ),
    "a name that begins like our address": (
        head(TARGET, "Host: 127.0.0.1.evil.example", "Origin: http://127.0.0.1.evil.example", without="Host"),
        403,
        "forbidden",
    ),
    "origin null": (head(TARGET, "Origin: null"), 403, "forbidden"),
    "own host as the suffix of a foreign origin": (
        head(TARGET, "Origin: https://evil.example/https://chat.example"),
        403,
        "forbidden",
    ),
    "two origins": (head(TARGET, "Origin: https://chat.example", "Origin: https://evil.example"), 400, "bad_request"),
    "token in the query": (head("/v1/socket?token=secret"), 400, "bad_request"),
    "access_token in the query": (head("/v1/socket?a=b&access_token=secret"), 400, "bad_request"),
    "authorization in the query": (head("/v1/socket?Authorization=secret"), 400, "bad_request"),
    "token in the query, escaped": (head("/v1/socket?%74oken=secret"), 400, "bad_request"),
    "token in the query after a semicolon": (head("/v1/socket?a=b;token=secret"), 400, "bad_request"),
    "one header over 8 KiB": (head(TARGET, "X: " + "secret" * 1_400), 431, "too_large"),
    "many headers over 8 KiB": (head(TARGET, *(f"X-{i}: {'y' * 100}" for i in range(100))), 431, "too_large"),
    "request line over 8 KiB": (head("/v1/socket?" + "q" * 9_000), 431, "too_large"),
    "head without an end over 8 KiB": (head(TARGET)[:-2] + b"X: " + b"x" * 9_000, 431, "too_large"),
    "body": (head(TARGET, "Content-Length: 6") + b"secret", 400, "bad_request"),
    "chunked body": (head(TARGET, "Transfer-Encoding: chunked") + b"6\r\nsecret\r\n0\r\n\r\n", 400, "bad_request"),
    "both length headers": (
        head(TARGET, "Content-Length: 6", "Transfer-Encoding: chunked") + b"secret",
        400,
        "bad_request",
    ),
    "body that goes on": (head(TARGET, "Content-Length: 9999999") + b"secret" * 100_000, 400, "bad_request"),
    "length twice": (head(TARGET, "Content-Length: 0", "Content-Length: 6") + b"secret", 400, "bad_request"),
    "version 8": (head(TARGET, "Sec-WebSocket-Version: 8", without="Sec-WebSocket-V"), 426, "bad_request"),
    "no version": (head(TARGET, without="Sec-WebSocket-V"), 426, "bad_request"),
    "no key": (head(TARGET, without="Sec-WebSocket-K"), 400, "bad_request"),
    "key of 15 bytes": (
        head(TARGET, "Sec-WebSocket-Key: c2hvcnQgb2YgYSBieXQ=", without="Sec-WebSocket-K"),
        400,
        "bad_request",
    ),
    "no host": (head(TARGET, without="Host"), 400, "bad_request"),
    "two hosts": (head(TARGET, "Host: evil.example"), 400, "bad_request"),
    "no upgrade": (head(TARGET, without="Upgrade"), 400, "bad_request"),
    "unknown subprotocols alone": (head(TARGET, "Sec-WebSocket-Protocol: tidings.v9.xml"), 400, "bad_request"),
    "HTTP/1.0": (head(TARGET).replace(b"HTTP/1.1", b"HTTP/1.0"), 400, "bad_request"),
    "space before a colon": (head(TARGET, "Secret : x"), 400, "bad_request"),
    "folded header": (head(TARGET, "X: y", " secret"), 400, "bad_request"),
    "NUL in a header": (head(TARGET, "X: secret\0"), 400, "bad_request"),
    "bare LF": (head(TARGET).replace(b"\r\n", b"\n"), 400, "bad_request"),
}


@pytest.mark.parametrize("attack", REFUSED)
async def test_a_handshake_that_is_wrong_is_refused_and_its_connection_ends(node: Watched, attack: str) -> None:
    octets, status, code = REFUSED[attack]
    async with node.attacked(), plain(node.port) as peer:
        await peer.send(octets)
        answer = await peer.answer()
        assert (answer.status, answer.problem["code"], answer.problem["status"]) == (status, code, status)
        assert b"secret" not in answer.body
        assert "close" in answer.headers["connection"].lower()
        await peer.gone()


async def test_a_wrong_version_is_told_the_right_one(node: Watched) -> None:
    async with node.attacked(), plain(node.port) as peer:
        await peer.send(REFUSED["version 8"][0])
        assert (await peer.answer()).headers["sec-websocket-version"] == "13"


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS", "BREW"])
async def test_only_get_opens_a_socket(node: Watched, method: str) -> None:
    async with node.attacked(logs=method == "BREW"), plain(node.port) as peer:
        await peer.send(head(method=method))
        answer = await peer.answer()
        assert answer.status in (400, 405)
        assert answer.status != 101


async def test_a_refused_peer_that_sends_on_and_never_leaves_still_reads_the_answer(node: Watched) -> None:
    async with node.attacked(), plain(node.port) as peer:
        await peer.send(head(TARGET, "Origin: https://evil.example"))
        for _ in range(50):
            await peer.send(b"x" * 10_000)
        assert (await peer.answer()).status == 403
        await peer.gone()


async def test_hello_in_the_same_packet_as_the_handshake_is_heard(node: Watched) -> None:
    async with node.attacked(logs=0), plain(node.port) as peer:
        await peer.send(head(TARGET) + peer.message(hello(node.person()["access_token"])))
        assert (await peer.answer()).status == 101
        assert "ok" in await peer.reply(1)


async def test_a_handshake_byte_by_byte_is_as_good_as_any(node: Watched) -> None:
    async with node.attacked(logs=0), plain(node.port) as peer:
        for byte in head():
            await peer.send(bytes([byte]))
        assert (await peer.answer()).status == 101


async def test_over_the_budget_of_sockets_the_answer_is_503_with_a_time_until_one_has_left(tight: Watched) -> None:
    async with tight.attacked(), upgraded(tight.port) as first, dial(tight.socket_url), dial(tight.socket_url):
        async with plain(tight.port) as fourth:
            await fourth.send(head())
            _is_over_budget(await fourth.answer())
            await fourth.gone()
        await first.say(hello(tight.person()["access_token"]))
        assert "ok" in await first.reply(1)
        await first.end()
        async with asyncio.timeout(5):
            while (await tight.connections())[0] > 2:
                continue
        async with upgraded(tight.port):
            assert (await tight.connections())[0] == 3


async def test_over_the_budget_of_http_connections_the_answer_is_503_and_sockets_still_get_in(tight: Watched) -> None:
    async with tight.attacked(), plain(tight.port) as first, plain(tight.port) as second:
        for peer in (first, second):
            assert (await request(peer, "GET", "/health/ready"))[0] == 200
        async with plain(tight.port) as third:
            await third.send(b"GET /health/ready HTTP/1.1\r\nHost: chat.example\r\n\r\n")
            _is_over_budget(await third.answer())
            await third.gone()
        async with greeted(tight.port, tight.person()["access_token"]):
            pass
        assert (await request(first, "GET", "/health/ready"))[0] == 200
        await second.end()
        async with asyncio.timeout(5):
            while (await tight.connections())[1] > 1:
                continue
        async with plain(tight.port) as fourth:
            assert (await request(fourth, "GET", "/health/ready"))[0] == 200


def _is_over_budget(answer: Answer) -> None:
    assert (answer.status, answer.problem["code"]) == (503, "unavailable")
    assert int(answer.headers["retry-after"]) > 0


async def test_who_takes_every_file_descriptor_hinders_nobody_who_is_there_and_others_until_it_leaves(
    node: Watched,
) -> None:
    async with node.attacked(logs=0), greeted(node.port, node.person()["access_token"]) as there:
        with node.few_descriptors(20):
            async with contextlib.AsyncExitStack() as stack:
                for _ in range(60):
                    await stack.enter_async_context(plain(node.port))
                assert "ok" in await there.ask("conversation.list", 2)
        async with greeted(node.port, node.person()["access_token"]) as later:
            assert "ok" in await later.ask("conversation.list", 2)


@pytest.mark.parametrize("begun", [b"", head()[:-2]], ids=["nothing", "a head without its end"])
async def test_a_handshake_that_is_not_done_in_time_is_cut_off(tight: Watched, begun: bytes) -> None:
    async with tight.attacked(logs=0), plain(tight.port) as peer:
        await peer.send(begun)
        await peer.gone()


async def test_an_upgrade_that_comes_second_on_a_connection_which_spoke_http_works(node: Watched) -> None:
    person = node.person()
    async with node.attacked(logs=0), plain(node.port) as peer:
        assert (await request(peer, "GET", "/v1/me", token=person["access_token"]))[0] == 200
        assert (await node.connections())[1] == 1
        await peer.send(head())
        assert (await peer.answer()).status == 101
        assert (await node.connections()) == (1, 0)
        await peer.say(hello(person["access_token"]))
        assert (await peer.reply(1))["ok"]["user"] == person["user"]
        assert "ok" in await peer.ask("conversation.list", 2)


BEFORE = {
    "a request without a body": (b"GET /health/ready HTTP/1.1\r\nHost: chat.example\r\n\r\n", 200),
    "a request with a body": (
        b"POST /v1/logins/refresh HTTP/1.1\r\nHost: chat.example\r\nContent-Length: 26\r\n\r\n"
        b'{"refresh_token":"nobody"}',
        401,
    ),
}


@pytest.mark.parametrize("before", BEFORE)
@pytest.mark.parametrize("attack", REFUSED)
async def test_an_upgrade_that_comes_second_is_answered_exactly_like_a_first_one(
    node: Watched, attack: str, before: str
) -> None:
    octets = REFUSED[attack][0]
    async with node.attacked(logs=2), plain(node.port) as first, plain(node.port) as second:
        await first.send(octets)
        spoken, status = BEFORE[before]
        await second.send(spoken)
        assert (await second.answer()).status == status
        await second.send(octets)
        assert await second.answer() == await first.answer()
        for peer in (first, second):
            await peer.gone()


@pytest.mark.parametrize("attack", ["foreign origin", "NUL in a header", "no host", "one header over 8 KiB"])
async def test_an_upgrade_that_comes_second_in_pieces_is_answered_like_a_first_one(node: Watched, attack: str) -> None:
    octets = REFUSED[attack][0]
    async with node.attacked(logs=2), plain(node.port) as first, plain(node.port) as second:
        await first.send(octets)
        assert (await request(second, "GET", "/health/ready"))[0] == 200
        for start in range(0, len(octets), 50):
            await second.send(octets[start : start + 50])
        assert await second.answer() == await first.answer()
        for peer in (first, second):
            await peer.gone()


async def test_hello_in_the_same_packet_as_an_upgrade_that_comes_second_is_heard(node: Watched) -> None:
    person = node.person()
    async with node.attacked(logs=0), plain(node.port) as peer:
        assert (await request(peer, "GET", "/v1/me", token=person["access_token"]))[0] == 200
        await peer.send(head() + peer.message(hello(person["access_token"])))
        assert (await peer.answer()).status == 101
        assert (await peer.reply(1))["ok"]["user"] == person["user"]
        assert "ok" in await peer.ask("conversation.list", 2)


async def test_an_upgrade_that_comes_second_counts_against_the_budget(tight: Watched) -> None:
    async with tight.attacked(), plain(tight.port) as peer:
        assert (await request(peer, "GET", "/health/ready"))[0] == 200
        async with dial(tight.socket_url), dial(tight.socket_url), dial(tight.socket_url):
            await peer.send(head())
            _is_over_budget(await peer.answer())
            await peer.gone()


NO_REQUESTS = {
    "bad header": b"GET /v1/me?token=secret HTTP/1.1\r\nHost: chat.example\r\nSecret : x\r\n\r\n",
    "bad version": b"GET /v1/me?token=secret HTTP/9.9\r\n\r\n",
    "no HTTP": b"secret\r\n\r\n",
    "TLS": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03secret",
    "HTTP/2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\nsecret",
    "NULs": b"\0" * 100,
    "NUL in a header": b"GET /v1/me HTTP/1.1\r\nHost: chat.example\r\nAuthorization: Bearer eyJsecret\0\r\n\r\n",
    "long header": b"GET /v1/me HTTP/1.1\r\nHost: chat.example\r\nX: " + b"secret" * 2_000 + b"\r\n\r\n",
    "long path": b"GET /v1/" + b"secret" * 2_000 + b" HTTP/1.1\r\nHost: chat.example\r\n\r\n",
    "many headers": b"GET /v1/me HTTP/1.1\r\nHost: x\r\n" + b"X: secret\r\n" * 1_000 + b"\r\n",
    "a target that is no URL": b"GET http://[secret HTTP/1.1\r\nHost: chat.example\r\n\r\n",
    "length of letters": b"POST /v1/logins HTTP/1.1\r\nHost: x\r\nContent-Length: secret\r\n\r\n",
    "both length headers": (
        b"POST /v1/logins HTTP/1.1\r\nHost: x\r\nContent-Length: 6\r\nTransfer-Encoding: chunked\r\n\r\nsecret"
    ),
}


@pytest.mark.parametrize("second", [False, True], ids=["first", "second"])
@pytest.mark.parametrize("attack", NO_REQUESTS)
async def test_what_is_no_http_gets_a_problem_document_and_one_line_in_the_log_without_a_secret(
    node: Watched, attack: str, second: bool
) -> None:
    async with node.attacked(), plain(node.port) as peer:
        if second:
            assert (await request(peer, "GET", "/health/ready"))[0] == 200
        await peer.send(NO_REQUESTS[attack])
        answer = await peer.answer()
        told = (431, "too_large") if attack.startswith("long") else (400, "bad_request")
        assert (answer.status, answer.problem["code"]) == told
        assert b"secret" not in answer.body
        assert answer.headers["server"] == "tidings"
        await peer.gone()


ANY = (
    b"GET /health/ready HTTP/1.1\r\nHost: x\r\n\r\n",
    b"GET /nothing HTTP/1.1\r\nHost: x\r\n\r\n",
    b"GET /health/ready HTTP/1.1\r\nHost: x\r\nExpect: much\r\n\r\n",
    b"?\r\n\r\n",
)


async def test_no_answer_tells_what_the_server_is_made_of(node: Watched) -> None:
    for port in (node.port, node.port + 101):
        for octets in ANY:
            async with plain(port) as peer:
                await peer.send(octets)
                answer = await peer.answer()
                assert answer.headers["server"] == "tidings"
                assert answer.status == 200 or answer.problem


@pytest.mark.parametrize(
    "octets",
    [
        b"GET /v1/me?token=secret HTTP/1.1\r\nHost: chat.example\r\n\r\n",
        b"GET /v1/socket/secret HTTP/1.1\r\nHost: chat.example\r\n\r\n",
        b"GET /v1/%73ocket?token=secret HTTP/1.1\r\nHost: chat.example\r\n\r\n",
    ],
)
async def test_what_is_http_but_leads_nowhere_is_not_logged(node: Watched, octets: bytes) -> None:
    async with node.attacked(logs=0), plain(node.port) as peer:
        await peer.send(octets)
        answer = await peer.answer()
        assert 400 <= answer.status < 500
        assert b"secret" not in answer.body


BROKEN_BODIES = {
    "a chunk without a size": b"Transfer-Encoding: chunked\r\n\r\nsecret\r\n0\r\n\r\n",
    "a chunk that is too long": b"Transfer-Encoding: chunked\r\n\r\n2\r\nsecret\r\n0\r\n\r\n",
    "more than its length": b"Content-Length: 2\r\n\r\n{}secret is no request\r\n\r\n",
}


@pytest.mark.parametrize("attack", BROKEN_BODIES)
async def test_a_body_that_breaks_off_into_nonsense_leaves_one_line_in_the_log(node: Watched, attack: str) -> None:
    async with node.attacked(), plain(node.port) as peer:
        await peer.send(b"POST /v1/logins HTTP/1.1\r\nHost: chat.example\r\n" + BROKEN_BODIES[attack])
        answer = await peer.answer()
        assert answer.problem["code"] == "bad_request"
        assert b"secret" not in answer.body
        await peer.gone()

"""The band of a close code alone says what to do; delays keep their bounds."""

from __future__ import annotations

import asyncio
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.clients.socket_server import socket_server
from tidings_client import (
    AuthenticationFailed,
    Client,
    ProtocolFault,
    Revoked,
    Stopped,
    Superseded,
    VersionRefused,
)
from tidings_client.addresses import http_url, safe_redirect, socket_url
from tidings_client.closing import Advice, Then, full_jitter, read_close, stopped_by
from tidings_client.effects import Connect
from tidings_client.reconnect import Reconnect

RETRY = json.dumps({"code": "x", "retry_ms": 700})
ELSEWHERE = json.dumps({"code": "moved", "url": "ws://node2/v1/socket"})


@pytest.mark.parametrize(
    ("code", "reason", "advice"),
    [
        (None, "", Advice(Then.RESUME)),
        (1000, "", Advice(Then.RESUME)),
        (1006, "", Advice(Then.RESUME)),
        (3999, "", Advice(Then.RESUME)),
        (4001, RETRY, Advice(Then.RESUME, 700)),
        (4002, ELSEWHERE, Advice(Then.RESUME, None, "ws://node2/v1/socket")),
        (4010, ELSEWHERE, Advice(Then.RESUME)),
        (4099, "", Advice(Then.RESUME)),
        (4100, "", Advice(Then.RESUME, 5_000)),
        (4113, RETRY, Advice(Then.RESUME, 700)),
        (4199, "", Advice(Then.RESUME, 5_000)),
        (4205, "", Advice(Then.FRESH_TOKEN)),
        (4299, RETRY, Advice(Then.FRESH_TOKEN, 700)),
        (4301, "", Advice(Then.STOP)),
        (4399, RETRY, Advice(Then.STOP)),
        (4400, "", Advice(Then.RESUME)),
        (4999, RETRY, Advice(Then.RESUME, 700)),
        (4001, "not json", Advice(Then.RESUME)),
        (4001, "{broken", Advice(Then.RESUME)),
        (4001, '{"retry_ms": true}', Advice(Then.RESUME)),
        (4001, '{"retry_ms": -5}', Advice(Then.RESUME, 0)),
        (4002, '{"url": 7}', Advice(Then.RESUME)),
    ],
)
def test_a_close_is_read_by_its_band(code: int | None, reason: str, advice: Advice) -> None:
    assert read_close(code, reason) == advice


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        (4301, Superseded),
        (4303, AuthenticationFailed),
        (4304, Revoked),
        (4306, VersionRefused),
        (4307, ProtocolFault),
        (4399, Stopped),
    ],
)
def test_a_code_that_stops_the_client_has_a_type_of_its_own(code: int, kind: type[Stopped]) -> None:
    error = stopped_by(code)
    assert type(error) is kind
    assert error.code == code


@given(attempt=st.integers(0, 10_000), chance=st.floats(0, 1, exclude_max=True))
def test_jitter_is_full_below_a_ceiling_that_doubles_up_to_thirty_seconds(attempt: int, chance: float) -> None:
    ceiling = min(30_000, 1_000 * 2 ** min(attempt, 16))
    assert 0 <= full_jitter(attempt, lambda: chance) < ceiling
    assert full_jitter(attempt, lambda: 0.5) == ceiling // 2


def connects(*ends: tuple[int | None, str], follow: bool = True) -> list[Connect]:
    reconnect = Reconnect(lambda: 0.5, follow=follow)
    plans = [reconnect.after(code, reason, greeting=True) for code, reason in ends]
    return [plan for plan in plans if isinstance(plan, Connect)]


def test_the_first_try_comes_within_a_second_and_later_ones_are_further_apart() -> None:
    assert [plan.after_ms for plan in connects(*[(None, "")] * 7)] == [500, 1_000, 2_000, 4_000, 8_000, 15_000, 15_000]


def test_the_address_of_a_move_is_good_for_one_attempt() -> None:
    first, second = connects((4002, ELSEWHERE), (None, ""))
    assert first == Connect(0, "ws://node2/v1/socket")
    assert second.url is None


def test_after_three_moves_in_a_row_the_client_asks_to_be_relayed() -> None:
    reconnect = Reconnect(lambda: 0.5, follow=True)
    for _ in range(2):
        reconnect.after(4002, ELSEWHERE, greeting=True)
    assert reconnect.follow
    third = reconnect.after(4002, ELSEWHERE, greeting=True)
    assert isinstance(third, Connect)
    assert third.url is None
    assert not reconnect.follow
    reconnect.welcomed()
    assert reconnect.follow


def test_who_does_not_follow_stays_with_the_configured_address() -> None:
    assert connects((4002, ELSEWHERE), follow=False) == [Connect(500)]


async def test_an_address_that_does_not_answer_is_left_for_the_configured_one_and_in_the_end_for_a_relay() -> None:
    async with socket_server() as server:
        nowhere = {"code": "moved", "url": "ws://127.0.0.1:1/v1/socket"}
        server.refuse = lambda message: (4002, nowhere) if message.get("follow") else None
        async with asyncio.timeout(10), Client(server.url, token="t", random=lambda: 0.01) as client:
            assert client.outcome == "fresh"
        assert [message.get("follow", False) for message in server.heard[:4]] == [True, True, True, False]


def test_a_home_that_moves_under_a_live_session_is_followed_after_jitter() -> None:
    assert Reconnect(lambda: 0.5, follow=True).after(4002, ELSEWHERE, greeting=False) == Connect(
        500, "ws://node2/v1/socket"
    )


def test_a_fresh_token_is_asked_for_until_it_has_been_presented() -> None:
    expired, unreachable = connects((4205, ""), (None, ""))
    assert expired.fresh_token
    assert unreachable.fresh_token


def test_faults_slow_the_client_down_even_when_every_replay_comes_up() -> None:
    reconnect = Reconnect(lambda: 0.5, follow=True)
    delays = []
    for _ in range(3):
        reconnect.replayed()
        reconnect.fault()
        plan = reconnect.after(3000, "", greeting=False)
        assert isinstance(plan, Connect)
        delays.append(plan.after_ms)
    assert delays == [1_000, 2_000, 4_000]
    reconnect.pinged()
    reconnect.replayed()
    assert reconnect.after(None, "", greeting=False) == Connect(500)


@pytest.mark.parametrize(
    ("address", "url"),
    [
        ("http://127.0.0.1:8080", "ws://127.0.0.1:8080/v1/socket"),
        ("https://chat.example/", "wss://chat.example/v1/socket"),
        ("ws://[::1]:8080/v1/socket", "ws://[::1]:8080/v1/socket"),
        ("wss://chat.example/behind/a/proxy", "wss://chat.example/behind/a/proxy"),
    ],
)
def test_one_address_serves_both_protocols(address: str, url: str) -> None:
    assert socket_url(address) == url


def test_the_http_address_leaves_the_path_of_the_socket_behind() -> None:
    assert http_url("wss://chat.example/v1/socket", "/v1/logins") == "https://chat.example/v1/logins"


@pytest.mark.parametrize(
    "address",
    [
        "chat.example",
        "ftp://chat.example",
        "ws://",
        "",
        "http://chat.example:99999",
        "http://chat.example:port",
        "http://chat example",
        "http://chat..example",
        "http://[::1",
    ],
)
def test_what_is_no_address_is_refused(address: str) -> None:
    with pytest.raises(ValueError, match=r"is not an http, https, ws or wss address|[Pp]ort|idna|IPv6"):
        socket_url(address)


def test_a_redirect_never_carries_the_token_over_a_less_protected_connection() -> None:
    assert safe_redirect("wss://a/v1/socket", "ws://b/v1/socket") is None
    assert safe_redirect("wss://a/v1/socket", "wss://b/v1/socket") == "wss://b/v1/socket"
    assert safe_redirect("ws://a/v1/socket", "ws://b/v1/socket") == "ws://b/v1/socket"
    assert safe_redirect("ws://a/v1/socket", "javascript:alert()") is None
    assert safe_redirect("ws://a/v1/socket", None) is None


@pytest.mark.parametrize("url", ["ws://[::1", "ws://b:99999/v1/socket", "ws://b..c/v1/socket", "ws:///v1/socket", ""])
def test_a_redirect_to_what_is_no_address_is_not_followed(url: str) -> None:
    assert safe_redirect("ws://a/v1/socket", url) is None

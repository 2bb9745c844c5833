"""Errors and closings say in data whether to retry, and fit where they are sent."""

from typing import get_args

import msgspec
import pytest

from protocol import errors
from protocol.errors import FINAL, Close, Code, Refusal, moved
from protocol.replies import ErrReply

AGAIN = {"out_of_order", "rate_limited", "unavailable", "unknown_outcome", "internal"}
CLOSES = {name: value for name, value in vars(errors).items() if isinstance(value, Close)}
REFUSALS = {name: value for name, value in vars(errors).items() if isinstance(value, Refusal)}


def test_every_code_is_final_or_for_this_attempt_or_to_be_sent_again() -> None:
    assert set(get_args(Code)) == FINAL | {"unauthenticated"} | AGAIN
    assert not FINAL & AGAIN


@pytest.mark.parametrize("name", REFUSALS)
def test_a_refusal_explains_itself_and_is_sent_without_what_is_unset(name: str) -> None:
    refusal = REFUSALS[name]
    told = msgspec.to_builtins(ErrReply(1, refusal))["err"]
    assert told["code"] in get_args(Code)
    assert told["message"]
    assert ("retry_ms" in told) == (refusal.retry_ms is not msgspec.UNSET)
    assert None not in told.values()


@pytest.mark.parametrize("name", ["UNAVAILABLE", "UNKNOWN_OUTCOME"])
def test_what_is_to_be_sent_again_at_a_certain_time_says_when(name: str) -> None:
    assert isinstance(REFUSALS[name].retry_ms, int)


@pytest.mark.parametrize("name", CLOSES)
def test_a_closing_is_in_a_band_and_its_reason_fits_into_a_close_frame(name: str) -> None:
    close = CLOSES[name]
    assert 4000 <= close.status < 4400
    reason = {key: value for key, value in msgspec.to_builtins(close).items() if key != "status"}
    assert reason["code"] == name.lower()
    assert len(msgspec.json.encode(reason)) <= 123


def test_every_closing_has_a_code_of_its_own() -> None:
    assert len({close.status for close in CLOSES.values()}) == len(CLOSES)


def test_whose_home_is_elsewhere_is_told_where_within_the_reason_of_a_close() -> None:
    url = "wss://" + "n" * 81 + "/v1/socket"
    close = moved(url)
    assert (len(url), close.status, close.code, close.url) == (97, 4002, "moved", url)
    reason = msgspec.json.encode({"code": close.code, "url": close.url})
    assert len(reason) <= 123

"""Problem documents (RFC 9457): every refusal has one, with the code that the socket would tell."""

from http import HTTPStatus
from typing import get_args

import msgspec
import pytest

from protocol.errors import FINAL, Code, Refusal
from protocol.problems import STATUS, problem


def test_every_code_has_a_status() -> None:
    assert set(STATUS) == set(get_args(Code))


@pytest.mark.parametrize("code", STATUS)
def test_a_problem_tells_the_code_the_status_and_what_was_wrong(code: Code) -> None:
    told = msgspec.to_builtins(problem(Refusal(code, "name: this is wrong")))
    status = told["status"]
    assert told == {
        "title": HTTPStatus(status).phrase,
        "status": status,
        "detail": "name: this is wrong",
        "code": code,
        "type": "about:blank",
    }
    assert 400 <= status < 600


def test_a_problem_tells_when_to_try_again() -> None:
    assert problem(Refusal("rate_limited", "too many", 1_500)).retry_ms == 1_500


def test_what_is_final_is_the_callers_fault() -> None:
    assert all(400 <= STATUS[code] < 500 for code in FINAL)

"""Rate limits: how much passes, when the next may, and what is forgotten."""

from hypothesis import given
from hypothesis import strategies as st

from server.http.rates import Limiter, Rate, rate_headers


class Clock:
    def __init__(self) -> None:
        self.now = 1_000.0

    def __call__(self) -> float:
        return self.now


def limiter(burst: int = 3, per_s: float = 2, keys: int = 100) -> tuple[Limiter, Clock]:
    clock = Clock()
    return Limiter(Rate("login", burst, per_s), clock, keys), clock


def test_a_burst_passes_and_one_more_is_told_when() -> None:
    limited, _ = limiter()
    assert [limited.spend("ada").remaining for _ in range(3)] == [2, 1, 0]
    verdict = limited.spend("ada")
    assert (verdict.retry_ms, verdict.remaining, verdict.reset_s) == (500, 0, 1.5)


def test_waiting_as_told_lets_exactly_one_pass() -> None:
    limited, clock = limiter()
    for _ in range(3):
        limited.spend("ada")
    clock.now += limited.spend("ada").retry_ms / 1_000
    assert limited.spend("ada").retry_ms == 0
    assert limited.spend("ada").retry_ms > 0


def test_refusals_cost_nothing() -> None:
    limited, clock = limiter()
    for _ in range(50):
        limited.spend("ada")
    clock.now += 1.5
    assert [limited.spend("ada").retry_ms for _ in range(3)] == [0, 0, 0]


def test_keys_do_not_share() -> None:
    limited, _ = limiter(burst=1)
    assert limited.spend("ada").retry_ms == 0
    assert limited.spend("bob").retry_ms == 0
    assert limited.spend("ada").retry_ms > 0


def test_keys_that_are_full_again_are_forgotten() -> None:
    limited, clock = limiter()
    for number in range(50):
        limited.spend(str(number))
    clock.now += 10
    for number in range(50, 76):
        limited.spend(str(number))
    assert len(limited) == 26


def test_there_is_a_bound_on_keys_and_the_oldest_goes() -> None:
    limited, _ = limiter(burst=1, keys=10)
    for number in range(11):
        limited.spend(str(number))
    assert len(limited) == 10
    assert limited.spend("10").retry_ms > 0
    assert limited.spend("0").retry_ms == 0


def test_the_headers_tell_every_limit_that_counted() -> None:
    limited, _ = limiter()
    other = Limiter(Rate("username", 10, 1 / 6), Clock())
    assert rate_headers([limited.spend("ada"), other.spend("ada")]) == {
        "RateLimit-Policy": '"login";q=3;w=2, "username";q=10;w=60',
        "RateLimit": '"login";r=2;t=1, "username";r=9;t=6',
    }
    assert rate_headers([]) == {}


@given(st.integers(1, 50), st.floats(0.01, 100), st.lists(st.floats(0, 20), max_size=200))
def test_never_more_than_the_burst_and_its_refill_pass(burst: int, per_s: float, waits: list[float]) -> None:
    limited, clock = limiter(burst, per_s)
    began, passed = clock.now, 0
    for wait in waits:
        clock.now += wait
        passed += limited.spend("ada").retry_ms == 0
        assert passed <= burst + (clock.now - began) * per_s + 0.02

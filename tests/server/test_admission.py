"""How many sessions may begin in a second, with a clock of its own."""

from hypothesis import given
from hypothesis import strategies as st

from server.admission import Admission, Budget, come_back_ms


class Clock:
    def __init__(self) -> None:
        self.now = 1_000.0

    def __call__(self) -> float:
        return self.now


def spent(budget: Budget, tries: int) -> int:
    return sum(budget.spend() for _ in range(tries))


def test_those_of_one_second_may_come_at_once_and_no_more() -> None:
    assert spent(Budget(50, Clock()), 500) == 50


def test_a_budget_grows_again_as_time_passes_and_never_beyond_that_of_a_second() -> None:
    clock = Clock()
    budget = Budget(50, clock)
    spent(budget, 500)
    clock.now += 0.5
    assert spent(budget, 500) in (24, 25)
    clock.now += 3_600
    assert spent(budget, 500) == 50


def test_who_is_refused_pays_nothing() -> None:
    clock = Clock()
    budget = Budget(10, clock)
    spent(budget, 10_000)
    clock.now += 1.01
    assert spent(budget, 20) == 10


def test_even_one_a_second_is_one_a_second() -> None:
    clock = Clock()
    budget = Budget(1, clock)
    granted = 0
    for _ in range(100):
        granted += budget.spend()
        clock.now += 0.1
    assert granted in (10, 11)


@given(per_s=st.integers(1, 1_000), steps=st.lists(st.tuples(st.floats(0, 0.3), st.integers(0, 40)), max_size=60))
def test_no_stretch_of_time_sees_more_than_its_share_and_one_second_in_advance(
    per_s: int, steps: list[tuple[float, int]]
) -> None:
    clock = Clock()
    budget = Budget(per_s, clock)
    grants: list[float] = []
    for step, tries in steps:
        clock.now += step
        grants += [clock.now] * spent(budget, tries)
    for first, began in enumerate(grants):
        for last in range(first, len(grants)):
            assert last - first + 1 <= (grants[last] - began + 1) * per_s + 1


def test_who_resumes_does_not_wait_behind_those_who_begin_anew_nor_the_other_way_round() -> None:
    admission = Admission(resumes_per_s=20, fresh_per_s=5, now=Clock())
    assert sum(admission.admit(resumes=False) for _ in range(100)) == 5
    assert sum(admission.admit(resumes=True) for _ in range(100)) == 20


def test_those_without_room_come_back_soon_and_not_together() -> None:
    times = {come_back_ms() for _ in range(200)}
    assert all(500 <= time <= 3_000 for time in times)
    assert len(times) > 50

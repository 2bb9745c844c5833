"""The timer wheel, with a clock of its own."""

from server.wheel import SLOTS, Wheel


class Clock:
    def __init__(self) -> None:
        self.now = 1_000.5

    def __call__(self) -> float:
        return self.now


class Watched:
    """Looked at once; then again in the seconds given."""

    def __init__(self, *again: int) -> None:
        self.seen: list[int] = []
        self._again = list(again)

    def tick(self, second: int) -> int:
        self.seen.append(second)
        return self._again.pop(0) if self._again else 0


class Faulty:
    def tick(self, second: int) -> int:
        raise RuntimeError(second)


def turned(wheel: Wheel, clock: Clock, until: float) -> None:
    while clock.now < until:
        clock.now += 0.25
        wheel.turn()


def test_what_is_due_is_looked_at_after_its_time_and_within_a_second_more() -> None:
    clock = Clock()
    wheel = Wheel(clock)
    for in_s in (0.0, 0.4, 1.0, 25.0, 126.0):
        clock.now += 0.3
        at, watched = clock.now + in_s, Watched()
        wheel.add(watched, wheel.after(in_s))
        turned(wheel, clock, at + 2)
        [second] = watched.seen
        assert at < second <= at + 1


def test_what_asks_for_a_second_is_looked_at_again_in_that_second_and_after_0_never() -> None:
    clock = Clock()
    wheel, watched = Wheel(clock), Watched(1_003, 1_003, 1_120)
    wheel.add(watched, 1_002)
    turned(wheel, clock, 1_500)
    assert watched.seen == [1_002, 1_003, 1_004, 1_120]


def test_all_that_is_due_in_one_second_keeps_one_number_for_it_however_often_the_wheel_has_turned() -> None:
    clock = Clock()
    wheel = Wheel(clock)
    for _ in range(3 * SLOTS):
        assert wheel.after(30.0) is wheel.after(30.2)
        turned(wheel, clock, clock.now + 1)


def test_after_a_long_stall_everything_that_was_due_meanwhile_is_looked_at() -> None:
    clock = Clock()
    wheel, early, late = Wheel(clock), Watched(), Watched()
    wheel.add(late, wheel.after(60.0))
    wheel.add(early, wheel.after(2.0))
    clock.now += 90
    wheel.turn()
    assert early.seen == [1_003]
    assert late.seen == [1_061]


def test_a_fault_in_one_look_ends_the_looks_at_that_one_alone() -> None:
    clock = Clock()
    wheel, watched = Wheel(clock), Watched(1_010)
    for ticking in (Faulty(), watched):
        wheel.add(ticking, 1_003)
    turned(wheel, clock, 1_020)
    assert watched.seen == [1_003, 1_010]

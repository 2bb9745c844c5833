"""What is let go of, and in which order, when the loop is late."""

import asyncio
import time

from server.load import Load, Sheds
from server.observe import Metrics


def after(*late_s: float) -> Sheds:
    load = Load(Metrics())
    for late in late_s:
        load.note(late)
    return load.sheds


def test_a_loop_that_is_in_time_lets_nothing_go() -> None:
    assert after(*[0.01] * 100) is Sheds.NOTHING


def test_the_later_the_loop_the_more_goes_in_this_order() -> None:
    levels = [after(*[late] * 30) for late in (0.04, 0.06, 0.11, 0.16, 0.45)]
    assert levels == [Sheds.NOTHING, Sheds.TYPING, Sheds.PRESENCE, Sheds.RECEIPTS, Sheds.SESSIONS]


def test_one_late_turn_alone_means_little() -> None:
    assert after(0.1) is Sheds.NOTHING
    assert after(0.3) is Sheds.TYPING


def test_a_process_that_stood_still_for_long_goes_on_taking_sessions() -> None:
    assert after(15.0) < Sheds.SESSIONS


def test_a_loop_that_stays_late_sheds_everything_within_a_second_of_its_own_time() -> None:
    assert after(*[0.8] * 3) is Sheds.SESSIONS


def test_a_loop_that_has_caught_up_takes_everything_again_within_two_seconds() -> None:
    assert after(*[2.0] * 50, *[0.0] * 10) is Sheds.NOTHING


class Watched(Load):
    """Says when it has noted something."""

    def __init__(self, metrics: Metrics) -> None:
        super().__init__(metrics)
        self.noted = asyncio.Event()

    def note(self, late_s: float) -> None:
        super().note(late_s)
        self.noted.set()


async def test_lateness_is_that_of_the_running_loop_and_can_be_seen() -> None:
    metrics = Metrics()
    load = Watched(metrics)
    running = asyncio.create_task(load.run())
    # Its timer runs before the loop is held up.
    await asyncio.sleep(0)
    time.sleep(0.5)  # noqa: ASYNC251
    await load.noted.wait()
    running.cancel()
    assert load.sheds >= Sheds.TYPING
    lag = metrics.loop_lag.family("lag", "").samples
    assert {sample.name: sample.value for sample in lag}["lag_sum"] > 0.3

"""Until when a node may say that it has told all it made durable."""

from protocol.ids import Millis
from server.cluster.untold import Untold


class Rig:
    """A node whose clock, and the database's, a test moves."""

    def __init__(self) -> None:
        self.now = 0.0
        self.settled = Millis(1_000)
        self.since: float | None = None
        self.untold = Untold(lambda: self.since, lambda: self.settled, lambda: self.now)

    def later(self, seconds: float) -> Millis:
        """What it says then; the database's clock runs as its own, and was looked at when the last second began."""
        self.now += seconds
        self.settled = Millis(1_000 + int(self.now) * 1_000)
        return self.untold.told()


def test_with_nothing_under_way_all_is_told_as_far_as_the_database_is_settled() -> None:
    rig = Rig()
    assert [rig.later(0), rig.later(1), rig.later(60)] == [1_000, 2_000, 62_000]


def test_what_is_under_way_holds_it_where_it_was_when_that_began() -> None:
    rig = Rig()
    rig.later(1)
    rig.since = rig.now
    assert [rig.later(1) for _ in range(5)] == [2_000] * 5
    rig.since = 4.0
    assert rig.later(1) == 5_000
    rig.since = None
    assert rig.later(1) == 9_000


def test_what_began_between_two_looks_counts_from_the_earlier_one() -> None:
    rig = Rig()
    rig.later(1)
    rig.since = 1.5
    assert rig.later(1) == 2_000


def test_what_began_before_the_first_look_lets_nothing_be_said() -> None:
    rig = Rig()
    rig.since = -1.0
    assert rig.later(10) == 0

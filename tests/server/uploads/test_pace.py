"""For how long a body is waited for."""

import pytest

from server.http.bodies import CROWDED_PER_S, LEAST_PER_S, Pace
from server.uploads.places import Places
from tests.server.uploads.rig import Rig, Uploader

STALL_S = 20.0


def lasts(pace: Pace, size: int, each_s: float, *, crowded: bool, most_s: float = 3_600) -> float:
    """For how long it goes on with so many bytes each so many seconds."""
    passed = 0.0
    while passed < most_s and pace.left_s >= each_s:
        passed += each_s
        pace.brought(size, each_s, crowded=crowded)
    return passed


@pytest.mark.parametrize(("per_s", "crowded"), [(LEAST_PER_S, False), (CROWDED_PER_S, True)])
def test_the_slowest_line_that_is_good_enough_is_waited_for_for_ever(per_s: int, *, crowded: bool) -> None:
    assert lasts(Pace(STALL_S), per_s, 1.0, crowded=crowded) == 3_600


@pytest.mark.parametrize(
    ("size", "each_s", "crowded"), [(1, 19.0, False), (LEAST_PER_S // 2, 1.0, False), (CROWDED_PER_S // 2, 1.0, True)]
)
def test_a_line_that_is_slower_is_ended(size: int, each_s: float, *, crowded: bool) -> None:
    assert lasts(Pace(STALL_S), size, each_s, crowded=crowded) <= 2 * STALL_S


def test_a_burst_buys_no_patience() -> None:
    pace = Pace(STALL_S)
    pace.brought(64 << 20, 0.5, crowded=False)
    assert pace.left_s == STALL_S
    assert lasts(pace, 1, 5.0, crowded=False) <= STALL_S


def test_places_are_taken_when_nobody_else_would_get_one() -> None:
    places = Places(2, 2)
    with places.taken("1"), places.taken("2"):  # type: ignore[arg-type]
        assert places.are_taken
    assert not places.are_taken


async def test_an_upload_that_was_begun_too_often_ends(rig: Rig, ada: Uploader) -> None:
    """Each body may leave a piece, and somebody may send a byte in each."""
    path = await ada.create(1_000)
    await ada.patch(path, 0, b"\xff\xd8")
    await rig.pool.execute("update upload set claim = 100")
    await ada.patch(path, 2, b"\xff", 410)
    await ada.ask("HEAD", path, 404)

"""The loop that folds goes on through everything, and says how long it has not got to the end."""

import pytest

from persistence.faults import UnavailableError
from persistence.tallies.folding import AT_ONCE
from server.engagement.folding import Folding


async def test_a_round_folds_until_less_than_a_slice_is_left() -> None:
    found = [AT_ONCE, AT_ONCE, 3, AT_ONCE]
    now = 0.0

    async def fold() -> int:
        return found.pop(0)

    folding = Folding(fold, lambda: now)
    now = 7.0
    await folding.round()
    assert (found, folding.folded, folding.done_at) == ([AT_ONCE], 2 * AT_ONCE + 3, 7.0)


async def test_a_fold_that_fails_is_no_end_of_a_round() -> None:
    now = 0.0

    async def fold() -> int:
        raise UnavailableError("away")

    folding = Folding(fold, lambda: now)
    now = 7.0
    with pytest.raises(UnavailableError):
        await folding.round()
    assert folding.done_at == 0.0

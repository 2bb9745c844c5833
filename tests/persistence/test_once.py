"""What is made once: when an answer counts, and when it is asked for again."""

from collections.abc import Awaitable, Callable, Iterator

import pytest

from persistence.faults import UnavailableError
from persistence.once import once

Answer = int | str


def saying(*answers: Answer | None) -> tuple[Iterator[Answer | None], Callable[[], Awaitable[Answer | None]]]:
    left = iter(answers)

    async def attempt() -> Answer | None:
        return next(left)

    return left, attempt


@pytest.mark.parametrize(
    ("answers", "told", "unasked"),
    [
        ((1, 2), 1, [2]),
        ((None, 1), 1, []),
        (("no", 1), 1, []),
        (("no", "no", 1), "no", [1]),
        (("no", "never", 1), "never", [1]),
        (("no", None, 1), 1, []),
    ],
)
async def test_a_refusal_counts_when_it_is_said_twice_in_a_row(
    answers: tuple[Answer | None, ...], told: Answer, unasked: list[Answer]
) -> None:
    left, attempt = saying(*answers)
    assert await once(attempt, str) == told
    assert list(left) == unasked


@pytest.mark.parametrize("answers", [(None, None, None), ("no", None, "no"), (None, None, "no")])
async def test_where_others_are_faster_all_the_time_nothing_is_known(answers: tuple[Answer | None, ...]) -> None:
    _, attempt = saying(*answers)
    with pytest.raises(UnavailableError):
        await once(attempt, str)


async def test_what_cannot_be_refused_counts_at_once() -> None:
    _, attempt = saying("yes")
    assert await once(attempt) == "yes"

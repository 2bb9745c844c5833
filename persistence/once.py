"""What is made once for each cid, by a statement that finds the first, makes it, or says why not."""

from collections.abc import Awaitable, Callable
from typing import TypeVar

from persistence.faults import UnavailableError

TRIES = 3

_Answer = TypeVar("_Answer")


async def once(attempt: Callable[[], Awaitable[_Answer | None]], refusal: type | None = None) -> _Answer:
    """What `attempt` says in the end, asked again while it neither finds nor makes anything: another request with this
    cid was under way, or the id that was drawn is taken.

    A `refusal` counts when it is said twice in a row. Between the beginning of a statement and what it waits for, the
    first of this cid may have been made, and used up what is refused; the second look begins later and finds it.
    Raises `UnavailableError` when others were faster all the time, and what `attempt` raises.
    """
    refused = False
    for _ in range(TRIES):
        answer = await attempt()
        again, refused = refused, refusal is not None and isinstance(answer, refusal)
        if answer is not None and (again or not refused):
            return answer
    raise UnavailableError("others were faster all the time: ask again with the same cid")

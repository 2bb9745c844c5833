"""What an idle user costs."""

import sys

from actors.effects import (
    Asked,
)
from actors.user import User
from actors.user_commands import Attach, Policy, Standing
from protocol.ids import UserId
from tests.actors.devices import (
    NOW,
    POLICY,
)


def memory(thing: object, counted: set[int]) -> int:
    """Bytes of everything that hangs on it and is not shared by all users."""
    if id(thing) in counted or thing is None or thing == () or isinstance(thing, bool | Policy | Standing):
        return 0
    counted.add(id(thing))
    if isinstance(thing, int) and -5 <= thing <= 256:
        return 0
    inner: list[object] = [getattr(thing, name) for name in getattr(type(thing), "__slots__", ())]
    if isinstance(thing, list | tuple):
        inner += thing
    if isinstance(thing, dict):
        inner += [*thing.keys(), *thing.values()]
    return sys.getsizeof(thing) + sum(memory(part, counted) for part in inner)


def test_a_user_with_one_device_and_an_empty_ring_takes_at_most_560_bytes() -> None:
    actor = User(UserId("7" * 18), "e" * 11, POLICY)
    hello = Attach(Asked(70_000, 1), "d" * 36, None, snapshot=False, background=False)
    actor.handle(hello, NOW)
    assert memory(actor, set()) <= 560

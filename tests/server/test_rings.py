"""The node's budget for replay rings: a host with real users of whom some have gone away for a while."""

import asyncio
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.effects import Address, Asked, user_address
from actors.user import User
from actors.user_commands import Attach, Delivered, Detach
from persistence.conversations.database import Database
from persistence.conversations.memory import MemoryConversations
from protocol.codec import Encoded
from protocol.events import MessageSent
from protocol.ids import ConversationId, Millis, UserId
from protocol.replies import Result, Welcome
from protocol.requests import Resume
from server.committer import Committer
from server.host import Host
from server.kinds import UserKind
from server.observe import Metrics
from server.population import Population
from server.rings import level, shed
from tests.actors.devices import POLICY


@given(st.lists(st.integers(0, 2_000)), st.integers(0, 20_000))
def test_all_rings_cut_to_the_level_fit_and_a_larger_level_would_not(sizes: list[int], budget: int) -> None:
    most = level(sizes, budget)
    if most is None:
        assert sum(sizes) <= budget
    else:
        assert sum(min(size, most) for size in sizes) <= budget
        assert sum(min(size, most + 1) for size in sizes) > budget


class Connections:
    """What leaves the host."""

    def __init__(self) -> None:
        self.welcomes: dict[int, Welcome] = {}

    def reply(self, request: Asked, result: Result) -> None:
        assert isinstance(result, Welcome)
        self.welcomes[request.connection] = result

    def deliver(self, audience: tuple[Address, ...], body: object) -> None:
        pass

    def tell(self, address: Address, command: object) -> None:
        pass

    async def ask(self, address: Address, question: object) -> object:
        raise AssertionError(question)


def _clock() -> Millis:
    return Millis(time.time_ns() // 1_000_000)


def _message(c: int, text: str) -> Delivered:
    id = ConversationId("7")
    return Delivered(Encoded(MessageSent(conversation=id, c=c, sender=UserId("9"), cid=str(c), at=_clock(), text=text)))


async def _turns(host: Host) -> None:
    # Polled: a mailbox that has emptied tells nobody.
    while host.population.waiting():  # noqa: ASYNC110
        await asyncio.sleep(0)


@pytest.mark.parametrize(("budget", "outcome"), [(1 << 20, "resumed"), (20_000, "resync")])
async def test_past_the_budget_who_missed_the_most_begins_anew_and_who_missed_little_resumes(
    budget: int, outcome: str
) -> None:
    connections = Connections()
    committer = Committer([MemoryConversations(Database(_clock)).commit], Metrics())
    users = UserKind(POLICY, lambda: "epoch", lambda _: [])
    host = Host(Population([users], _clock), connections, committer, _clock)
    missed = {UserId("1"): 2, UserId("2"): 100}
    for number, (user, events) in enumerate(missed.items(), 1):
        host.tell(user_address(user), Attach(Asked(number, 1), "phone", None, snapshot=False, background=False))
        host.tell(user_address(user), Detach(number, goodbye=False))
        for c in range(1, events + 1):
            host.tell(user_address(user), _message(c, "x" * 500))
    await _turns(host)
    shed(host, budget)
    await _turns(host)
    assert sum(user.ring_bytes for user in host.population.actors("user") if isinstance(user, User)) <= budget
    for number, user in enumerate(missed, 11):
        resume = Resume("epoch", 0)
        host.tell(user_address(user), Attach(Asked(number, 1), "phone", resume, snapshot=False, background=False))
    await _turns(host)
    assert [connections.welcomes[number].outcome for number in (11, 12)] == ["resumed", outcome]
    host.stop()

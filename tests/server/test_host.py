"""The host when what it acts on fails: real users, and an outside that breaks."""

import asyncio
import time

from structlog.testing import capture_logs

from actors.effects import Address, Asked, user_address
from actors.user_commands import Attach
from persistence.conversations.database import Database
from persistence.conversations.memory import MemoryConversations
from protocol.ids import Millis, UserId
from protocol.replies import Result, Welcome
from server.committer import Committer
from server.host import Host
from server.kinds import UserKind
from server.observe import Metrics
from server.population import Population
from tests.actors.devices import POLICY


class Breaking:
    """What leaves the host: the first delivery fails."""

    def __init__(self) -> None:
        self.welcomed: list[int] = []
        self._sound = False

    def reply(self, request: Asked, result: Result) -> None:
        assert isinstance(result, Welcome)
        self.welcomed.append(request.connection)

    def deliver(self, audience: tuple[Address, ...], body: object) -> None:
        sound, self._sound = self._sound, True
        if not sound:
            raise ValueError("a bug")

    def tell(self, address: Address, command: object) -> None:
        pass

    async def ask(self, address: Address, question: object) -> object:
        raise AssertionError(question)


def _clock() -> Millis:
    return Millis(time.time_ns() // 1_000_000)


async def test_an_effect_that_cannot_be_carried_out_reloads_its_actor_and_stops_no_other() -> None:
    outside = Breaking()
    committer = Committer([MemoryConversations(Database(_clock)).commit], Metrics())
    users = UserKind(POLICY, lambda: "epoch", lambda _: [])
    host = Host(Population([users], _clock), outside, committer, _clock)
    with capture_logs() as lines:
        for number in (1, 2):
            attach = Attach(Asked(number, 1), "phone", None, snapshot=False, background=False)
            host.tell(user_address(UserId(str(number))), attach)
        # Polled: a mailbox that has emptied tells nobody.
        while host.population.waiting():  # noqa: ASYNC110
            await asyncio.sleep(0)
    assert outside.welcomed == [1, 1, 2] or outside.welcomed == [1, 2, 1]
    assert [line["event"] for line in lines] == ["actor crashed"]
    host.stop()

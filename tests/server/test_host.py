"""The host when what it acts on fails or is slow: real actors, an outside that breaks, a store that takes its time."""

import asyncio
import time

from structlog.testing import capture_logs

from actors.conversation import NO_SUCH_TARGET
from actors.effects import Address, Asked, user_address
from actors.user_commands import Attach
from persistence.conversations.database import Database, Point
from persistence.conversations.memory import MemoryConversations
from protocol.ids import EPOCH, Millis, UserId
from protocol.replies import Result, Welcome
from server.committer import Committer
from server.host import Host
from server.kinds import UserKind
from server.observe import Metrics
from server.population import Population
from tests.actors.devices import POLICY
from tests.contracts.grounds import opened
from tests.server.writer import ANN, BEN, Writer
from tests.simulation.loop import run


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


FIND_S = 1.5


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


def test_what_is_refused_in_a_row_is_looked_up_together_so_that_a_slow_store_holds_nobody_up_for_each() -> None:
    async def test() -> list[Result]:
        loop = asyncio.get_running_loop()
        database = Database(lambda: Millis(EPOCH + round(loop.time() * 1_000)))
        id = await opened(MemoryConversations(database), ANN, BEN)
        writer = Writer(database, slow)
        async with asyncio.timeout(2.5 * FIND_S):
            sends = [writer.said(id, f"{number}", reply_to=9) for number in range(50)]
            answers = await asyncio.gather(*sends)
        await writer.end()
        return answers

    async def slow(statement: str, point: Point) -> None:
        if statement == "find" and point == "before":
            await asyncio.sleep(FIND_S)

    assert set(run(test())) == {NO_SUCH_TARGET}

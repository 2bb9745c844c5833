"""Questions on a store that cannot keep up, on a clock of their own."""

import asyncio
from collections import Counter
from random import Random

from actors.effects import Address, Asked
from persistence.conversations.database import Database, Point
from persistence.conversations.memory import MemoryConversations
from persistence.people.memory import MemoryPeople
from protocol.errors import UNAVAILABLE
from protocol.ids import Millis, UserId
from protocol.replies import Conversations, Result
from protocol.requests import ListConversations
from server.questions import ANSWER_S, MOST, WAIT_S, WORKERS, Questions
from server.requests import Requests
from tests.simulation.loop import run

ASKED, EACH_S = 400, 0.45


async def _asked_at_once() -> list[tuple[float, Result]]:
    """When each of `ASKED` questions was answered, and how, by a store that takes `EACH_S` for one."""

    async def slow(statement: str, point: Point) -> None:
        if point == "before":
            await asyncio.sleep(EACH_S)

    loop = asyncio.get_running_loop()
    answers: list[tuple[float, Result]] = []
    done = asyncio.Event()

    def reply(asked: Asked, result: Result) -> None:
        answers.append((loop.time(), result))
        if len(answers) == ASKED:
            done.set()

    def clock() -> Millis:
        return Millis(round(loop.time() * 1_000))

    store = MemoryConversations(Database(clock), slow)

    def tell(address: Address, command: object) -> None:
        raise AssertionError(command)

    requests = Requests(tell, store, MemoryPeople(clock, Random(1)), reply)
    serving = loop.create_task(requests.run())
    for number in range(ASKED):
        requests.take(UserId("1024"), Asked(number, 1), ListConversations(id=1))
    await done.wait()
    serving.cancel()
    return answers


def test_with_more_questions_than_the_store_can_answer_none_is_given_up_half_answered() -> None:
    answers = run(_asked_at_once())
    outcomes = Counter(type(result) is Conversations for _, result in answers)
    turns = int(WAIT_S / EACH_S) + 1
    assert outcomes[True] == turns * WORKERS
    assert all(result == UNAVAILABLE for _, result in answers if type(result) is not Conversations)
    assert max(at for at, _ in answers) <= WAIT_S + ANSWER_S


async def test_when_as_many_wait_as_may_the_next_is_refused_at_once() -> None:
    questions, refused = Questions(), list[Result]()

    async def answer() -> None:
        raise AssertionError("nobody serves")

    for _ in range(MOST):
        questions.put(refused.append, answer)
    assert refused == []
    questions.put(refused.append, answer)
    questions.put(None, answer)
    assert refused == [UNAVAILABLE]

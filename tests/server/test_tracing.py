"""Traces: what a request brings along is found in the log of the node where it is decided."""

import asyncio
from random import Random

import pytest
from structlog.testing import capture_logs

from actors.conversation_commands import Mailed, Send
from actors.effects import Asked, conversation_address
from persistence.conversations.database import Database
from persistence.conversations.memory import MemoryConversations
from persistence.people.memory import MemoryPeople
from protocol.ids import ConversationId, LoginId, Millis, UserId
from protocol.replies import Result, Sent
from protocol.requests import SendMessage
from server import tracing
from server.cluster.frames import Frame, ToConversation, decode, encode
from server.committer import Committer
from server.host import Host
from server.kinds import ConversationKind
from server.observe import Metrics
from server.population import Population
from server.requests import Requests
from server.tokens import Caller
from server.web import Door
from tests.contracts.grounds import opened
from tests.server.bare_gateway import bare_gateway

TRACEPARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


@pytest.mark.parametrize(
    ("header", "trace"),
    [
        (TRACEPARENT, TRACEPARENT),
        (None, ""),
        ("", ""),
        ("00-" + "0" * 32 + "-b7ad6b7169203331-01", ""),
        (TRACEPARENT + "\n", ""),
        ("ff" + TRACEPARENT[2:], ""),
        (TRACEPARENT.upper(), ""),
    ],
)
def test_a_traceparent_is_taken_as_it_is_or_not_at_all(header: str | None, trace: str) -> None:
    tracing.begin(header)
    assert trace == tracing.TRACE.get()


class Answers:
    """Who asked waits for one answer."""

    def __init__(self) -> None:
        self.answered = asyncio.Event()

    def reply(self, request: Asked, result: Result) -> None:
        self.answered.set()

    def deliver(self, audience: object, body: object) -> None:
        raise ValueError("a bug")

    def tell(self, address: object, command: object) -> None:
        raise AssertionError(command)

    async def ask(self, address: object, question: object) -> object:
        raise ValueError("a bug")


async def test_a_command_from_another_node_that_crashes_its_actor_is_logged_with_its_trace(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def clock() -> Millis:
        return Millis(round(asyncio.get_running_loop().time() * 1_000))

    store = MemoryConversations(Database(clock))
    ada, ben = UserId("1024"), UserId("2048")
    id = await opened(store, ada, ben)
    answers = Answers()
    kind = ConversationKind(store)
    host = Host(Population([kind], clock), answers, Committer([store.commit], Metrics()), clock)

    def crash(*_: object) -> None:
        raise ValueError("a bug")

    monkeypatch.setattr("actors.conversation.Conversation.handle", crash)
    wire = SendMessage(id=1, conversation=id, cid="c", text="hello")
    sent = Frame("there", 1, 1, 1, Millis(0), (ToConversation(id, Send(Asked(7, 1, "there", TRACEPARENT), ada, wire)),))
    (item,) = decode(encode(sent)).items
    assert isinstance(item, ToConversation)
    with capture_logs() as lines:
        host.tell(conversation_address(id), item.command)
        async with asyncio.timeout(5):
            await answers.answered.wait()
    assert {line["trace"] for line in lines if line["event"] == "actor crashed" and "command" in line} == {TRACEPARENT}
    host.stop()


async def test_what_an_http_request_brings_along_goes_with_its_op() -> None:
    told: list[Asked] = []
    gateway = bare_gateway()

    def tell(address: object, command: Mailed) -> None:
        assert isinstance(command, Send)
        told.append(command.request)
        gateway.reply(command.request, Sent(1, Millis(1)))

    store = MemoryConversations(Database(lambda: Millis(0)))
    people = MemoryPeople(lambda: Millis(0), Random(1))
    door = Door(gateway, Requests(tell, store, people, gateway.reply))
    tracing.begin(TRACEPARENT)
    wire = SendMessage(id=1, conversation=ConversationId("7"), cid="c", text="hello")
    assert await door.ask(Caller(UserId("1"), LoginId("2")), wire) == Sent(1, Millis(1))
    assert [asked.trace for asked in told] == [TRACEPARENT]

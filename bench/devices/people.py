"""What people do on a device: send, read, look, ask for what is not theirs, hang up, start anew."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from random import Random
from typing import Any, Generic, Protocol, TypeVar

import msgspec

from protocol.errors import FINAL
from protocol.ids import ConversationId, UserId
from protocol.replies import Done, Opened
from protocol.requests import (
    AcceptConversation,
    Background,
    ChangeSettings,
    CreateConversation,
    DeclineConversation,
    GetConversation,
    GetHistory,
    GetReceipts,
    ListConversations,
    MarkRead,
    OpenConversation,
    SendMessage,
    Sync,
    Type,
)

NOWHERE = 1_000_000
"""A place that no log of a simulation reaches."""


class Log(Protocol):
    """A device's copy of a conversation."""

    head: int


class AnyDevice(Protocol):
    """What a person needs of a device."""

    name: str

    @property
    def logs(self) -> Mapping[ConversationId, Log]: ...

    def ask(self, request: Any) -> "asyncio.Future[Any] | None": ...

    def say(self, request: Any) -> None: ...

    def send(self, message: SendMessage) -> None: ...

    def repeat(self, message: SendMessage) -> None: ...

    def said(self, id: ConversationId) -> tuple[Sequence[SendMessage], Sequence[SendMessage]]: ...

    def hang_up(self) -> None: ...


OneDevice = TypeVar("OneDevice", bound=AnyDevice)


class Person(Generic[OneDevice]):
    """One user's hand on one device. `everything` names all conversations there are, theirs or not."""

    def __init__(
        self,
        device: OneDevice,
        users: list[UserId],
        everything: Mapping[ConversationId, object],
        random: Random,
        talk: int,
        wipe: Callable[[OneDevice], OneDevice],
    ) -> None:
        self.device = device
        self._users = users
        self._everything = everything
        self._random = random
        self._wipe = wipe
        self._said = 0
        self._declined: set[ConversationId] = set()
        self._deeds: list[tuple[int, Callable[[ConversationId], None]]] = [
            (talk, self._send),
            (6, self._repeat),
            (12, self._read),
            (8, self._choose),
            (4, self._type),
            (10, self._look),
            (4, lambda _: self.sync()),
            (3, self._stray),
            (2, self._open),
            (3, self._create),
            (6, self._hang_up),
            (2, self._background),
            (2, self._accept),
            (3, self._decline),
        ]

    def act(self) -> None:
        """Something, somewhere."""
        mine = sorted(self.device.logs)
        if self._declined and self._random.random() < 0.9:
            # Whoever has declined something seldom comes back to it.
            mine = [id for id in mine if id not in self._declined]
        if not mine:
            return
        deeds = [deed for _, deed in self._deeds]
        [deed] = self._random.choices(deeds, [weight for weight, _ in self._deeds])
        deed(self._random.choice(mine))

    def say(self, id: ConversationId, *, plainly: bool = False) -> None:
        """One more message; `plainly` one that nothing stands against."""
        self._said += 1
        cid = f"{self.device.name}-{self._said}"
        extra: dict[str, Any] = {}
        if not plainly and self._random.random() < 0.1:
            # What is refused is refused for ever: another attempt may be under way at the same time.
            extra["reply_to"] = self._random.choice((self.device.logs[id].head or NOWHERE, NOWHERE))
        message = SendMessage(id=1, conversation=id, cid=cid, text=f"{cid} says", **extra)
        self.device.send(message)

    def _send(self, id: ConversationId) -> None:
        for _ in range(self._random.choice((1, 1, 1, 2, 4))):
            self.say(id)

    def _repeat(self, id: ConversationId) -> None:
        """Something under way or done, once more; sometimes with another text under its cid."""
        done, waiting = self.device.said(id)
        if said := [*done[-3:], *waiting[:1]]:
            message = self._random.choice(said)
            if message in done and self._random.random() < 0.2:
                message = msgspec.structs.replace(message, text="another")
            self.device.repeat(message)

    def _read(self, id: ConversationId) -> None:
        c = self._random.choice((self.device.logs[id].head,) * 6 + (1, NOWHERE))
        self.device.ask(MarkRead(id=1, conversation=id, c=c))

    def _choose(self, id: ConversationId, times: int = 4) -> None:
        """A few choices, each after the answer to the one before, and a look at what has become of them."""
        if not times:
            asyncio.get_running_loop().call_later(3, self.device.ask, GetConversation(id=1, conversation=id))
            return
        self._said += 1
        draft = f"{self.device.name}-{self._said}"
        if future := self.device.ask(ChangeSettings(id=1, conversation=id, draft=draft)):
            future.add_done_callback(lambda answer: None if answer.result() is None else self._choose(id, times - 1))

    def _type(self, id: ConversationId) -> None:
        self.device.say(Type(id, "text"))

    def _look(self, id: ConversationId) -> None:
        head = self.device.logs[id].head
        self.device.ask(
            self._random.choice(
                (
                    GetHistory(id=1, conversation=id, limit=50),
                    GetHistory(id=1, conversation=id, before=max(head, 1), limit=5),
                    GetConversation(id=1, conversation=id),
                    GetReceipts(id=1, conversation=id),
                    ListConversations(id=1),
                    ListConversations(id=1, folder="requests"),
                )
            )
        )

    def sync(self) -> None:
        """From any old state."""
        device = self.device
        heads = {id: self._random.randint(0, device.logs[id].head) for id in sorted(device.logs)}
        named = {id: head for id, head in heads.items() if self._random.random() < 0.8}
        device.ask(Sync(id=1, heads=named, since=0, only=self._random.random() < 0.3))

    def _stray(self, _: ConversationId) -> None:
        """What is not mine, or is not there at all."""
        others = [id for id in sorted(self._everything) if id not in self.device.logs]
        id = self._random.choice([*others, ConversationId("4242")])
        self._said += 1
        cid = f"{self.device.name}-{self._said}"
        self.device.say(Type(id, "text"))
        if self._random.random() < 1 / 6:
            self.device.send(SendMessage(id=1, conversation=id, cid=cid, text="let me in"))
            return
        self.device.ask(
            self._random.choice(
                (
                    MarkRead(id=1, conversation=id, c=1),
                    GetHistory(id=1, conversation=id),
                    GetConversation(id=1, conversation=id),
                    ChangeSettings(id=1, conversation=id, draft=cid),
                    Sync(id=1, heads={id: 0}, since=0, only=True),
                )
            )
        )

    def _open(self, _: ConversationId) -> None:
        self.device.ask(OpenConversation(id=1, user=self._random.choice(self._users)))

    def _create(self, _: ConversationId) -> None:
        """Asked for until it is there, or refused for good: somebody blocks somebody."""
        self._said += 1
        members = self._random.sample(self._users, self._random.randint(1, len(self._users)))
        self._insist(CreateConversation(id=1, cid=f"{self.device.name}-{self._said}", members=members, title="new"))

    def _insist(self, request: CreateConversation) -> None:
        if future := self.device.ask(request):
            future.add_done_callback(lambda answer: None if _final(answer.result()) else self._insist(request))

    def _hang_up(self, _: ConversationId) -> None:
        if self._random.random() < 0.1:
            self.device = self._wipe(self.device)
        else:
            self.device.hang_up()

    def _background(self, _: ConversationId) -> None:
        self.device.ask(Background(id=1, on=self._random.random() < 0.5))

    def _accept(self, id: ConversationId) -> None:
        self.device.ask(AcceptConversation(id=1, conversation=id))

    def _decline(self, id: ConversationId) -> None:
        if future := self.device.ask(DeclineConversation(id=1, conversation=id)):
            future.add_done_callback(lambda answer: self._judged(id, answer.result()))

    def _judged(self, id: ConversationId, result: Any) -> None:
        if result == {} or isinstance(result, Done):
            self._declined.add(id)


def _final(result: Any) -> bool:
    """Of a plain device, or of an SDK, whose refusals have a code, too."""
    return isinstance(result, Opened | dict) or getattr(result, "code", None) in FINAL

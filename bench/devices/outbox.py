"""What a device sends, in its own order: the same cid until there is an answer that counts."""

import asyncio
from collections.abc import Callable
from functools import partial
from typing import Any, Literal

import msgspec
from msgspec import UNSET

from protocol.errors import FINAL, Refusal
from protocol.requests import SendMessage

Style = Literal["one at a time", "chained", "careless", "sdk"]
WINDOW = 4
RETRY_S = 0.25

Ask = Callable[[Any], "asyncio.Future[Any] | None"]


class Outbox:
    """The un-acked sends of one device to one conversation.

    `one at a time` waits for each answer; `chained` has several under way, each naming its predecessor by `after`;
    `careless` has several under way and minds no order. `ask` gives None without a connection.
    """

    def __init__(self, style: Style, ask: Ask) -> None:
        self._window = 1 if style == "one at a time" else WINDOW
        self._chained = style == "chained"
        self._ask = ask
        self._flying: set[str] = set()
        self._accepted: str | None = None
        self.waiting: list[SendMessage] = []
        self.done: list[SendMessage] = []

    def send(self, message: SendMessage) -> None:
        self.waiting.append(message)
        self.pump()

    def pump(self) -> None:
        """Send what may be sent now; called again for every new session."""
        before = self._accepted
        for message in self.waiting[: self._window]:
            if message.cid not in self._flying:
                after = before if self._chained and before else UNSET
                future = self._ask(msgspec.structs.replace(message, after=after))
                if future is None:
                    return
                self._flying.add(message.cid)
                future.add_done_callback(partial(self._answered, message))
            before = message.cid

    def _answered(self, message: SendMessage, answer: "asyncio.Future[Any]") -> None:
        self._flying.discard(message.cid)
        if answer.cancelled() or message not in self.waiting:
            return
        result = answer.result()
        if isinstance(result, Refusal) and result.code not in FINAL:
            asyncio.get_running_loop().call_later(RETRY_S, self.pump)
            return
        if result is not None:
            self.waiting.remove(message)
            if not isinstance(result, Refusal):
                self._accepted = message.cid
                self.done.append(message)
        self.pump()

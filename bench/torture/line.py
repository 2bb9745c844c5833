"""One connection of a device to a real node."""

from __future__ import annotations

import asyncio
from typing import Any, Protocol, cast

import msgspec

from bench.devices.device import Device
from bench.frames import Socket, masked
from bench.wire import decode_closing, encode
from protocol import events, replies, requests
from protocol.conversations import Conversation, Gone
from protocol.errors import Close, Refusal
from protocol.ids import ConversationId, Millis
from protocol.live import Typing
from protocol.session import Continuity, Ping, Snapshot, Synced

LOST = Close(1006, "")
DETACH = 3000
RESULTS: dict[type, Any] = {
    requests.Hello: replies.Welcome,
    requests.SendMessage: replies.Sent,
    requests.OpenConversation: replies.Opened,
    requests.CreateConversation: replies.Opened,
    requests.GetConversation: Conversation,
    requests.ListConversations: replies.Conversations,
    requests.GetReceipts: replies.Receipts,
    requests.GetHistory: replies.History,
    requests.MarkRead: replies.Done,
    requests.ChangeSettings: replies.Done,
    requests.AcceptConversation: replies.Done,
    requests.DeclineConversation: replies.Done,
    requests.Background: replies.Done,
}
EVENTS = events.DurableEvent | Typing | Synced | Ping | Continuity | Snapshot


class Frame(msgspec.Struct, gc=False):
    """What tells a reply from an event, and a numbered event from another."""

    re: int = 0
    ok: msgspec.Raw = msgspec.Raw()
    err: Refusal | None = None
    ev: str = ""
    u: int | None = None


class Page(msgspec.Struct, gc=False):
    """`ok` of sync: what is gone and what is not differ by one key."""

    conversations: list[msgspec.Raw]
    now: Millis
    cursor: str | msgspec.UnsetType = msgspec.UNSET


class Item(msgspec.Struct, gc=False):
    """The key in which they differ."""

    id: ConversationId
    gone: bool = False


decode_frame = msgspec.msgpack.Decoder(Frame).decode
decode_event = msgspec.msgpack.Decoder(EVENTS).decode
decode_page = msgspec.msgpack.Decoder(Page).decode
decode_item = msgspec.msgpack.Decoder(Item).decode
decode_shown = msgspec.msgpack.Decoder(Conversation).decode
decode_result = {kind: msgspec.msgpack.Decoder(result).decode for kind, result in RESULTS.items()}
NUMBERED = frozenset(kind.__struct_config__.tag for kind in (events.MessageSent, events.ConversationChanged,
                     events.ReceiptMoved, events.ReadMoved, events.SettingsChanged))  # fmt: skip


class Troubled(Protocol):
    """What a line has to know of the troubles of a run. Seconds of the loop. `cutting`: they are not over."""

    stood_still_until: float
    cutting: bool


class Line(Socket):
    """Carries what `device` asks and is told, as the user that `token` stands for; `up` is itself.

    It breaks after `most` messages, while lines are cut. A server that breaks the contract ends it by an exception,
    which the loop reports.
    """

    def __init__(self, number: int, device: Device, token: str, request: bytes, most: int, run: Troubled) -> None:
        super().__init__(request)
        self.number = number
        self.up = self
        self._device = device
        self._token = token
        self._most = most
        self._run = run
        self._early: list[Any] = []
        self._asked: dict[int, type] = {}
        self._over = False
        self._read_again = 0.0

    # -- what the device does -----------------------------------------------------------------------------------

    def write(self, request: Any) -> None:
        """Send a request, as soon as there is a connection."""
        if not self.is_open:
            self._early.append(request)
            return
        if isinstance(request, requests.Hello):
            request = msgspec.structs.replace(request, token=self._token)
        if not isinstance(request, requests.Ack | requests.Type):
            self._asked[request.id] = type(request)
        self.send(masked(encode(request)))

    def answers(self, *, since: float) -> bool:
        return max(self._run.stood_still_until, self._read_again) < since

    def hang_up(self, status: int) -> None:
        if self._over:
            return
        transport = self.transport
        if transport is not None:
            self.close(status)
            self.transport = None
            transport.close()
        self._tell_closed(Close(status, ""))

    def read_slowly(self, for_s: float) -> None:
        """Read nothing for so long."""
        if self.transport is None:
            return
        loop, transport = asyncio.get_running_loop(), cast(asyncio.Transport, self.transport)
        self._read_again = loop.time() + for_s
        transport.pause_reading()
        loop.call_later(for_s, lambda: None if transport.is_closing() else transport.resume_reading())

    # -- what comes ---------------------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        if self._over:
            cast(asyncio.Transport, transport).abort()
        else:
            super().connection_made(transport)

    def opened(self) -> None:
        early, self._early = self._early, []
        for request in early:
            self.write(request)

    def message(self, payload: bytes) -> None:
        frame = decode_frame(payload)
        if frame.ev:
            u = frame.u if frame.ev in NUMBERED else None
            self._device.told(self, u, decode_event(payload))
        else:
            self._device.replied(self, frame.re, frame.err or self._result(frame))
        self._most -= 1
        if self._most == 0 and self._run.cutting:
            self.end("cut")

    def _result(self, frame: Frame) -> Any:
        kind = self._asked.pop(frame.re)
        if kind is not requests.Sync:
            return decode_result[kind](frame.ok)
        page = decode_page(frame.ok)
        items: list[Conversation | Gone] = [
            Gone(decode_item(item).id) if decode_item(item).gone else decode_shown(item) for item in page.conversations
        ]
        return replies.SyncPage(items, page.now, page.cursor)

    def ended(self, reason: str) -> None:
        words = reason.split(maxsplit=2)
        if words[0] == "closed" and len(words) > 1:
            url = decode_closing(words[2]).url if words[2:] else ""
            self._tell_closed(Close(int(words[1]), "", url=url or msgspec.UNSET))
        else:
            self._tell_closed(LOST)

    def failed(self) -> None:
        """There was nobody to connect to."""
        self._tell_closed(LOST)

    def _tell_closed(self, close: Close) -> None:
        if not self._over:
            self._over = True
            self._device.closed(self, close)

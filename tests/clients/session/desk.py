"""A session by hand: messages in, effects out; and the messages that tests tell it."""

from __future__ import annotations

from typing import Any, TypeVar

from tidings_client import (
    Message,
    Session,
    Settings,
    Stored,
    Unsent,
)
from tidings_client.effects import Answer, Effect, HandOn, Write

Kind = TypeVar("Kind")
Body = dict[str, Any]


class Desk:
    """A session with its clock. Inputs return the effects; `write` and its kin pick from the last ones."""

    def __init__(self, stored: Stored | None = None, **settings: Any) -> None:
        device = {"id": "d", "platform": "test", "app": "test"}
        self.session = Session(Settings(device, **settings), stored or Stored(), lambda: 0.5)
        self.now = 0
        self.last: list[Effect] = []
        self.do(self.session.start(0))

    def do(self, effects: list[Effect]) -> list[Effect]:
        self.last = effects
        return effects

    def hear(self, message: Body) -> list[Effect]:
        return self.do(self.session.received(message, self.now))

    def wait(self, ms: int) -> list[Effect]:
        self.now += ms
        return self.do(self.session.tick(self.now))

    def lose(self, code: int | None = None, reason: str = "") -> list[Effect]:
        return self.do(self.session.lost(code, reason, self.now))

    def hello(self) -> Body:
        self.do(self.session.opened("token", self.now))
        return self.writes()[0]

    def welcome(self, outcome: str = "fresh", u: int = 0, epoch: str = "e", **limits: float) -> list[Effect]:
        ok = {"session": "s", "user": "me", "epoch": epoch, "u": u, "outcome": outcome, "ping_ms": 25_000}
        return self.hear({"re": 1, "ok": ok | {"now": 1_000, "limits": {"message_bytes": 65_536, **limits}}})

    def live(self, *conversations: Body, u: int = 0) -> Desk:
        self.hello()
        self.welcome(u=u)
        self.hear({"ev": "snapshot", "conversations": list(conversations), "me": {}, "now": 1_000})
        self.hear({"ev": "synced", "u": u})
        return self

    def ask(self, ticket: int, op: str = "message.read") -> list[Effect]:
        return self.do(self.session.ask(ticket, op, {}, self.now))

    def send(self, ticket: int, cid: str, text: str = "x") -> list[Effect]:
        return self.do(self.session.send(ticket, Unsent("7", cid, {"text": text}), self.now))

    def pick(self, kind: type[Kind]) -> list[Kind]:
        return [effect for effect in self.last if isinstance(effect, kind)]

    def writes(self) -> list[Body]:
        return [effect.message for effect in self.pick(Write)]

    def events(self) -> list[Any]:
        return [effect.event for effect in self.pick(HandOn)]

    def answers(self) -> dict[int, Any]:
        return {effect.ticket: effect.result for effect in self.pick(Answer)}


def message(c: int, u: int | None = None, conversation: str = "7") -> Body:
    body: Body = {"ev": "message", "conversation": conversation, "c": c, "from": "you", "cid": f"x{c}", "at": 1}
    return body | {"text": f"{c}"} | ({} if u is None else {"u": u})


def conversation(name: str = "7", last_c: int = 0, joined_c: int = 0, **more: Any) -> Body:
    return {"id": name, "kind": "group", "members": [], "last_c": last_c, "joined_c": joined_c, **more}


def places(events: list[Any]) -> list[int]:
    return [event.c for event in events if isinstance(event, Message)]


def error(request: Body, code: str, **more: Any) -> Body:
    return {"re": request["id"], "err": {"code": code, "message": "m", **more}}


def snapshot(*conversations: Body, **more: Any) -> Body:
    return {"ev": "snapshot", "conversations": list(conversations), "me": {}, "now": 1_000, **more}

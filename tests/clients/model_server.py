"""The contract's server in memory, for one user's one device: what the wire contract promises, without any I/O.

It answers small pages so that paging is exercised, and does what a test tells it to do wrong.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import Any

ME = "me"
PAGE = 3
Body = dict[str, Any]


@dataclass
class Wire:
    """One connection. Replies and events are apart: which of them arrives first is nobody's promise."""

    to_server: deque[Body] = field(default_factory=deque)
    replies: deque[Body] = field(default_factory=deque)
    events: deque[Body] = field(default_factory=deque)
    greeted: bool = False


class ModelServer:
    """Logs, one user's stream, and one connection at a time. `answers` are canned, for operations it does not know."""

    def __init__(self) -> None:
        self.now = 1_000_000
        self.logs: dict[str, list[Body]] = {}
        self.changed: dict[str, int] = {}
        self.decided: dict[tuple[str, str], Body] = {}
        self.refused: set[tuple[str, str]] = set()
        self.epoch = 1
        self.u = 0
        self.ring: list[Body] = []
        self.hellos: list[Body] = []
        self.acks: list[Body] = []
        self.answers: dict[str, Body] = {}

    def conversation(self, name: str) -> Body:
        log = self.logs[name]
        state: Body = {
            "id": name,
            "kind": "direct",
            "members": [{"user": ME, "role": "member", "joined_c": 0}],
            "last_c": len(log),
            "joined_c": 0,
            "read_c": 0,
            "unread": 0,
            "folder": "inbox",
            "settings": {},
            "at": self.changed[name],
        }
        return state | ({"last": log[-1]} if log else {})

    def open(self, name: str) -> None:
        self.logs.setdefault(name, [])
        self.changed[name] = self.now

    def write(
        self, name: str, sender: str, cid: str, wire: Wire | None, text: str = "", *, on_stream: bool = True
    ) -> Body:
        """Appends to a log; on the stream too, unless the hint is to be lost."""
        log = self.logs[name]
        event: Body = {"ev": "message", "conversation": name, "c": len(log) + 1, "from": sender, "cid": cid}
        event |= {"at": self.now, "text": text}
        log.append(event)
        self.changed[name] = self.now
        if on_stream:
            self.put_on_stream(event, wire)
        return event

    def put_on_stream(self, event: Body, wire: Wire | None) -> None:
        self.u += 1
        self.ring.append(event | {"u": self.u})
        if wire is not None and wire.greeted:
            wire.events.append(self.ring[-1])

    def continuity(self, wire: Wire | None) -> None:
        """The user's actor is replaced, on a live connection if there is one."""
        self.epoch += 1
        self.u = 0
        self.ring.clear()
        if wire is not None and wire.greeted:
            wire.events.append({"ev": "continuity", "epoch": str(self.epoch), "u": 0})

    def ping(self, wire: Wire) -> None:
        wire.events.append({"ev": "ping", "u": self.u})

    def answer(self, message: Body, wire: Wire, fate: str = "answered") -> None:
        """Carries a message out, or not, and answers it, or not, as `fate` says."""
        match message["op"]:
            case "hello":
                self._hello(message, wire)
            case "ack":
                self.acks.append(message)
            case "typing":
                return
            case _ if fate in ("unavailable", "rate_limited"):
                wire.replies.append(_error(message, fate, retry_ms=50))
            case _ if fate == "ignored":
                return
            case op:
                ok = self._carry_out(op, message, wire)
                if fate == "internal":
                    wire.replies.append(_error(message, "internal"))
                elif fate == "answered":
                    wire.replies.append({"re": message["id"], **ok})

    def _carry_out(self, op: str, message: Body, wire: Wire) -> Body:
        match op:
            case "message.send":
                return self._send(message, wire)
            case "sync":
                return {"ok": self._sync(message)}
            case "conversation.list" if op not in self.answers:
                return {"ok": self._page("items", int(message["before"]))}
            case "conversation.get":
                return {"ok": self.conversation(message["conversation"])}
            case "message.history":
                events = self.logs[message["conversation"]][message["after"] :]
                return {"ok": {"events": events[:PAGE], "more": len(events) > PAGE}}
            case _ if op in self.answers:
                return {"ok": self.answers[op]}
        return {"err": {"code": "unknown_op", "message": op}}

    def _send(self, message: Body, wire: Wire) -> Body:
        key = message["conversation"], message["cid"]
        if key in self.decided:
            return {"ok": self.decided[key] | {"dup": True}}
        if message["text"] == "bad":
            return {"err": {"code": "bad_request", "message": "refused at the edge, and forgotten"}}
        after = message["conversation"], message.get("after")
        if after[1] is not None and after not in self.decided and after not in self.refused:
            return {"err": {"code": "out_of_order", "message": ""}}
        if message["text"] == "never":
            self.refused.add(key)
            return {"err": {"code": "forbidden", "message": "refused by the actor, and so decided"}}
        event = self.write(message["conversation"], ME, message["cid"], wire, message["text"])
        self.decided[key] = {"c": event["c"], "at": self.now}
        return {"ok": self.decided[key]}

    def _hello(self, message: Body, wire: Wire) -> None:
        self.hellos.append(message)
        resume: Body = message.get("resume", {"epoch": "", "u": 0})
        floor = self.ring[0]["u"] - 1 if self.ring else self.u
        resumed = resume["epoch"] == str(self.epoch) and floor <= resume["u"] <= self.u
        outcome = "resumed" if resumed else "resync" if "resume" in message else "fresh"
        ok: Body = {"session": "s", "user": ME, "epoch": str(self.epoch), "u": self.u, "outcome": outcome}
        ok |= {"ping_ms": 25_000, "now": self.now, "limits": {"message_bytes": 65_536}}
        wire.greeted = True
        wire.replies.append({"re": 1, "ok": ok})
        if resumed:
            wire.events.extend(event for event in self.ring if event["u"] > resume["u"])
        elif message.get("snapshot", True):
            wire.events.append({"ev": "snapshot", "me": {}, "now": self.now, **self._page("conversations", 0)})
        wire.events.append({"ev": "synced", "u": self.u})

    def _page(self, key: str, start: int) -> Body:
        items = [self.conversation(name) for name in list(self.logs)[start : start + 2]]
        return {key: items} | ({"next": str(start + 2)} if len(self.logs) > start + 2 else {})

    def _sync(self, message: Body) -> Body:
        heads, start = message["heads"], message.get("cursor", 0)
        unnamed = [] if message.get("only") else [n for n, at in self.changed.items() if at > message["since"] - 60_000]
        names = [name for name in heads if len(self.logs[name]) > heads[name]]
        names += [name for name in unnamed if name not in heads]
        items = [self._sync_item(name, heads) for name in names[start : start + 2]]
        reply: Body = {"conversations": items, "now": self.now}
        return reply | ({"cursor": start + 2} if len(names) > start + 2 else {})

    def _sync_item(self, name: str, heads: dict[str, int]) -> Body:
        if name not in heads:
            return self.conversation(name)
        events = self.logs[name][heads[name] :]
        return self.conversation(name) | {"events": events[:PAGE], "more": len(events) > PAGE}


def _error(message: Body, code: str, **more: Any) -> Body:
    return {"re": message["id"], "err": {"code": code, "message": "", **more}}

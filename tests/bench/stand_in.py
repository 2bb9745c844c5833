"""The smallest server that keeps the wire contract for one round of each workload, on `websockets` and `msgpack`.

It keeps everything in memory and commits nothing. Started several times it is several nodes that know the same, with a
home for each user. `Misdeeds` make it break a promise, so that tests can ask whether the
load client notices.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import secrets
import signal
import subprocess
import sys
import time
from dataclasses import dataclass, field
from typing import Any

import msgpack
from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.exceptions import ConnectionClosed
from websockets.typing import Subprotocol

Fields = dict[str, Any]


@dataclass
class Misdeeds:
    """Which message, counted from 1 over all conversations, meets which fate at its recipient."""

    loses: int = 0
    repeats: int = 0
    swaps: int = 0
    refuses: int = 0
    loses_typing: int = 0
    repeats_typing: int = 0
    answers_twice: int = 0
    forgets_streams: bool = False
    forgets_messages: bool = False
    stalls_s: float = 0.0
    stalls_at: int = 1


@dataclass
class Person:
    name: str
    u: int = 0
    ring: list[Fields] = field(default_factory=list)
    sockets: dict[str, ServerConnection] = field(default_factory=dict)
    acks: list[int] = field(default_factory=list)


class StandIn:
    """The server's state and its answers."""

    def __init__(self, misdeeds: Misdeeds | None = None) -> None:
        self.people: dict[str, Person] = {}
        self.members: dict[str, list[Person]] = {}
        self.heads: dict[str, int] = {}
        self.misdeeds = misdeeds or Misdeeds()
        self.epoch = secrets.token_hex(4)
        self.messages = self.typings = 0
        self.ports: list[int] = []
        self._held: list[tuple[Person, Fields]] = []

    async def start(self, port: int = 0) -> Server:
        spoken = [Subprotocol("tidings.v1.msgpack")]
        server = await serve(
            self.connection, "127.0.0.1", port, subprotocols=spoken, compression=None, ping_interval=None
        )
        self.ports = sorted([*self.ports, next(iter(server.sockets)).getsockname()[1]])
        return server

    def home(self, name: str) -> int:
        """The port of the node where somebody is at home."""
        return self.ports[sum(name.encode()) % len(self.ports)]

    async def send_home(self) -> None:
        """Close the sockets of all who are at home elsewhere by now."""
        for person in self.people.values():
            for socket in list(person.sockets.values()):
                if socket.local_address[1] != self.home(person.name):
                    await socket.close(4002, moved(self.home(person.name)))

    async def lose(self, server: Server) -> None:
        """A node is gone, and with it the connections to it."""
        port = next(iter(server.sockets)).getsockname()[1]
        self.ports.remove(port)
        for person in self.people.values():
            for socket in list(person.sockets.values()):
                if socket.local_address[1] == port:
                    socket.transport.abort()
        server.close(close_connections=False)

    async def connection(self, socket: ServerConnection) -> None:
        hello = msgpack.unpackb(await socket.recv())
        home = self.home(hello["token"])
        if hello.get("follow") and home != socket.local_address[1]:
            await socket.close(4002, moved(home))
            return
        person = self.people.setdefault(hello["token"], Person(hello["token"]))
        person.sockets[hello["device"]["id"]] = socket
        resume = hello.get("resume")
        if self.misdeeds.forgets_streams or (resume and resume["epoch"] != self.epoch):
            resume = None
        outcome = "resumed" if resume else "resync" if "resume" in hello else "fresh"
        ok = {"user": person.name, "epoch": self.epoch, "u": person.u, "outcome": outcome, "now": 1}
        await put(socket, {"re": 1, "ok": ok})
        for event in person.ring[resume["u"] :] if resume else ():
            await put(socket, event)
        await put(socket, {"ev": "synced", "u": person.u})
        try:
            async for message in socket:
                await self.request(person, socket, msgpack.unpackb(message))
        except ConnectionClosed:
            return
        finally:
            if person.sockets.get(hello["device"]["id"]) is socket:
                del person.sockets[hello["device"]["id"]]

    async def request(self, person: Person, socket: ServerConnection, asked: Fields) -> None:
        match asked["op"]:
            case "ack":
                person.acks.append(asked["u"])
            case "typing":
                await self.typing(person, asked)
            case "conversation.open":
                await put(socket, {"re": asked["id"], "ok": self.conversation([person.name, asked["user"]])})
            case "conversation.create":
                opened = self.conversation([person.name, *asked["members"]])
                await self.log(opened["conversation"]["id"], person, "conversation", asked)
                await put(socket, {"re": asked["id"], "ok": opened})
            case "sync":
                await put(socket, {"re": asked["id"], "ok": {"conversations": self.caught_up(asked["heads"])}})
            case "message.send":
                await self.send(person, socket, asked)
            case _:
                await put(socket, {"re": asked["id"], "err": {"code": "unknown_op", "message": asked["op"]}})

    async def send(self, person: Person, socket: ServerConnection, asked: Fields) -> None:
        self.messages += 1
        if self.misdeeds.stalls_s and self.messages == self.misdeeds.stalls_at:
            stand_still(self.misdeeds.stalls_s)
        if self.messages == self.misdeeds.refuses:
            await put(socket, {"re": asked["id"], "err": {"code": "forbidden", "message": "no"}})
            return
        c = await self.log(asked["conversation"], person, "message", asked)
        for _ in range(2 if self.messages == self.misdeeds.answers_twice else 1):
            await put(socket, {"re": asked["id"], "ok": {"c": c, "at": 0}})

    def caught_up(self, heads: dict[str, int]) -> list[Fields]:
        """As a log would tell it that nothing can delete: the event after each head."""
        if self.misdeeds.forgets_messages:
            return []
        return [{"id": conversation, "events": [{"c": c + 1}]} for conversation, c in heads.items()]

    def conversation(self, names: list[str]) -> Fields:
        name = str(1000 + len(self.members))
        self.members[name] = [self.people[member] for member in names]
        self.heads[name] = 0
        return {"conversation": {"id": name, "kind": "group", "last_c": 0}}

    async def log(self, conversation: str, author: Person, ev: str, asked: Fields) -> int:
        self.heads[conversation] += 1
        c = self.heads[conversation]
        event = {"ev": ev, "conversation": conversation, "c": c, "from": author.name, "cid": asked["cid"], "at": 0}
        for member in self.members[conversation]:
            for sent in self.fate(member, event) if ev == "message" and member is not author else [event]:
                await self.deliver(member, sent)
        return c

    def fate(self, member: Person, event: Fields) -> list[Fields]:
        """The events that really go to the recipient instead of this one."""
        deeds, held = self.misdeeds, [event for other, event in self._held if other is member]
        self._held = [(other, event) for other, event in self._held if other is not member]
        if self.messages == deeds.loses:
            return []
        if self.messages == deeds.repeats:
            return [event, event]
        if self.messages == deeds.swaps:
            self._held.append((member, event))
            return []
        return [event, *held]

    async def deliver(self, member: Person, event: Fields) -> None:
        member.u += 1
        member.ring.append({"u": member.u, **event})
        for socket in list(member.sockets.values()):
            await put(socket, member.ring[-1])

    async def typing(self, author: Person, asked: Fields) -> None:
        self.typings += 1
        told = {"ev": "typing", "conversation": asked["conversation"], "c": 0, "user": author.name}
        times = {self.misdeeds.loses_typing: 0, self.misdeeds.repeats_typing: 2}.get(self.typings, 1)
        for member in self.members[asked["conversation"]]:
            for socket in list(member.sockets.values()) if member is not author else ():
                for _ in range(times):
                    await put(socket, told | {"kind": asked["kind"], "for_ms": 8000})


def moved(port: int) -> str:
    """The reason of a close that sends somebody home."""
    return json.dumps({"code": "moved", "url": f"ws://127.0.0.1:{port}/v1/socket"})


def stand_still(seconds: float) -> None:
    """Hold up the whole loop: the generator's as well, when both run in one process."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        continue


async def put(socket: ServerConnection, message: Fields) -> None:
    try:
        await socket.send(msgpack.packb(message))
    except ConnectionClosed:
        return


async def serve_forever(port: int, misdeeds: Misdeeds) -> None:
    server = await StandIn(misdeeds).start(port)
    print("ready", flush=True)
    await server.serve_forever()


def supervise(words: list[str]) -> None:
    """Run this program as a node, again whenever it has died, until SIGTERM."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit())
    while True:
        with subprocess.Popen([sys.executable, "-m", "tests.bench.stand_in", "--as", "server.node", *words]) as node:
            try:
                node.wait()
            finally:
                node.terminate()


def main() -> None:
    words = argparse.ArgumentParser()
    words.add_argument("--port", type=int)
    words.add_argument("--mint", type=int)
    words.add_argument("--as")
    words.add_argument("--supervised", action="store_true")
    words.add_argument("--forgetful", action="store_true")
    chosen = words.parse_args()
    if chosen.mint is not None:
        print(*(json.dumps({"user": f"u{k}", "access_token": f"u{k}"}) for k in range(chosen.mint)), sep="\n")
    elif chosen.supervised:
        supervise(["--port", str(chosen.port), *["--forgetful"] * chosen.forgetful])
    else:
        asyncio.run(serve_forever(chosen.port, Misdeeds(forgets_messages=chosen.forgetful)))


if __name__ == "__main__":
    main()

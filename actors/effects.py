"""Effects: all that a decision may lead to. A closed set of five; the host acts, actors only return them.

They hold in the order returned: nothing after a Commit leaves before it is durable.
"""

from typing import Any, NamedTuple, Protocol

from msgspec import Struct

from protocol.facts import Fact
from protocol.ids import Millis
from protocol.replies import Result


class Address(NamedTuple):
    """Names an actor, a connection or a store; placement finds where it lives."""

    kind: str
    key: str | int


class Asked(NamedTuple):
    """Where the answer to one request goes; `node` is the incarnation that has the connection, "" being this one.

    `trace` is the request's `traceparent`, if it brought one.
    """

    connection: int
    id: int
    node: str = ""
    trace: str = ""


class Command(Protocol):
    """What an actor is told. `request` is who waits for an answer, if anybody does."""

    @property
    def request(self) -> Asked | None: ...


class Commit(Struct, frozen=True, gc=False):
    """Make durable before anything after it.

    Without a fact there is nothing to make durable: what follows was decided on what is remembered, and leaves once the
    store has said that nobody else has written meanwhile.
    """

    fact: Fact | None = None


class Reply(Struct, frozen=True, gc=False):
    request: Asked
    result: Result


class Deliver(Struct, frozen=True, gc=False):
    """Give `body` to whoever of the audience is there now: an event to users, a message to connections."""

    audience: tuple[Address, ...]
    body: Any


class Tell(Struct, frozen=True, gc=False):
    """A command to another address; told to a store, it is a question and comes back as a command."""

    address: Address
    command: Any


class Wake(Struct, frozen=True, gc=False):
    """Tell me `Woken(key)` at `at`; a later Wake with the same key replaces it."""

    at: Millis
    key: str


Effect = Commit | Reply | Deliver | Tell | Wake


class Woken(Struct, frozen=True, gc=False):
    key: str
    request: None = None


STORE = Address("store", "")
PRESENCE_STORE = Address("store", "presence")
PRESENCE = Address("presence", "")


def user_address(user: str) -> Address:
    return Address("user", user)


def conversation_address(conversation: str) -> Address:
    return Address("conversation", conversation)


def connection_address(connection: int) -> Address:
    return Address("connection", connection)

"""One user's devices in examples: connections by number, events from somebody else."""

from actors.effects import (
    PRESENCE,
    Asked,
    Deliver,
    Effect,
    Tell,
    Wake,
    connection_address,
)
from actors.stream import Numbered
from actors.user import User
from actors.user_commands import Attach, Delivered, Policy
from actors.user_presence import GRACE
from protocol.codec import Encoded
from protocol.events import MessageSent
from protocol.ids import ConversationId, Millis, UserId
from protocol.live import Typing
from protocol.replies import Limits
from protocol.requests import Resume
from protocol.session import Me, Snapshot

ME, YOU = UserId("1"), UserId("2")
ID = ConversationId("5")
NOW = Millis(1_700_000_000_000)
LIMITS = Limits(65_536, 20, 200, 0.33)
BUDGET, RING = 100_000, 300_000
POLICY = Policy(300_000, 25_000, 50_000, send_budget=BUDGET, ring_bytes=RING, limits=LIMITS)
SNAPSHOT = Snapshot([], Me(ME, "me", {}), NOW)


def user() -> User:
    return User(ME, "e", POLICY)


def later(ms: int) -> Millis:
    return Millis(NOW + ms)


def attach(connection: int, device: str = "phone", resume: int | None = None, background: bool = False) -> Attach:
    """Without a snapshot, so that the session flows at once."""
    place = None if resume is None else Resume("e", resume)
    return Attach(Asked(connection, 1), device, place, snapshot=False, background=background)


def message(c: int, size: int = 10, sender: UserId = YOU, conversation: ConversationId = ID) -> Delivered:
    return Delivered(
        Encoded(MessageSent(conversation=conversation, c=c, sender=sender, cid="a", at=NOW, text="x" * size))
    )


def typing(kind: str = "text", by: UserId = YOU) -> Delivered:
    return Delivered(Encoded(Typing(ID, 1, by, kind)))  # type: ignore[arg-type]


def fill(actor: User, bytes: int, first_c: int = 1, size: int = 10_000) -> int:
    """Messages of at least so many bytes in all; the next free c."""
    c = first_c
    while bytes > 0:
        actor.handle(message(c, size), NOW)
        bytes -= size
        c += 1
    return c


def written(effects: list[Effect], connection: int) -> list[object]:
    """Numbers of durable events, and the other events, as this connection gets them."""
    here = connection_address(connection)
    bodies = [effect.body for effect in effects if isinstance(effect, Deliver) and here in effect.audience]
    return [body.u if isinstance(body, Numbered) else body.event for body in bodies]


def without_presence(effects: list[Effect]) -> list[Effect]:
    """What is not about whether this user is here."""
    return [
        effect
        for effect in effects
        if not (isinstance(effect, Tell) and effect.address == PRESENCE)
        and not (isinstance(effect, Wake) and effect.key == GRACE)
    ]


def told(effects: list[Effect]) -> list[Effect]:
    return [effect for effect in effects if isinstance(effect, Tell) and effect.address.kind == "connection"]

"""A conversation of two people in examples."""

from msgspec.structs import replace

from actors.conversation import Conversation
from actors.conversation_commands import Asking, Find, Looked
from actors.effects import STORE, Address, Asked, Commit, Effect, Reply, Tell, user_address
from actors.membership import Membership
from protocol.events import MessageSent
from protocol.ids import ConversationId, Millis, UserId
from protocol.requests import SendMessage

ID = ConversationId("5")
ANN, BEN, EVE = UserId("1"), UserId("2"), UserId("9")
NOW = Millis(1_700_000_000_000)
ASKED = Asked(connection=4, id=1)
HI = SendMessage(id=1, conversation=ID, cid="a", text="hi")


def conversation(*others: UserId, last_c: int = 0) -> Conversation:
    members = [Membership(user) for user in (ANN, BEN, *others)]
    return Conversation(ID, last_c, Millis(0), members)


def later(ms: int) -> Millis:
    return Millis(NOW + ms)


def message(c: int, wire: SendMessage = HI, at: Millis = NOW) -> MessageSent:
    return MessageSent(conversation=ID, c=c, sender=ANN, cid=wire.cid, at=at, text=wire.text)


def nth(number: int) -> SendMessage:
    return replace(HI, cid=f"cid-{number}")


def to(*users: UserId) -> tuple[Address, ...]:
    return tuple(user_address(user) for user in users)


def refused(actor: Conversation, command: Asking, looked: Looked | None = None) -> Effect:
    """The answer after the look into the log that every refusal takes, and for a member not before the store has said
    that nobody else has written."""
    assert actor.handle(command, NOW) == [Tell(STORE, Find(ID, command.user, command.cids))]
    *before, answer = actor.handle(looked or Looked(command.user, ()), NOW)
    member = actor.members.get(command.user)
    by_memory = member and not member.left_c and code(answer) not in ("ok", "id_reused")
    assert before == ([Commit()] if by_memory else [])
    return answer


def code(effect: Effect) -> str:
    assert isinstance(effect, Reply)
    return getattr(effect.result, "code", "ok")

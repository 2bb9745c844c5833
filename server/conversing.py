"""The operations on conversations that no actor decides: which there are, what was said, and how one begins."""

from collections.abc import Callable, Collection
from typing import assert_never

from msgspec import UNSET

from actors.conversation_commands import Announce, Mailed
from actors.effects import Address, conversation_address
from persistence.conversations.contract import ConversationStore
from persistence.people.contract import PeopleStore
from protocol.digests import digest
from protocol.errors import ID_REUSED, NOT_FOUND, UNAVAILABLE, Refusal
from protocol.ids import ConversationId, UserId
from protocol.replies import Marks, Opened, Receipts, Result
from protocol.requests import (
    MEMBERS,
    CreateConversation,
    GetConversation,
    GetHistory,
    GetReceipts,
    ListConversations,
    OpenConversation,
)
from protocol.unset import or_none
from server.refusals import NO_CURSOR, NO_SUCH_USER

ONLY_OPEN_OTHERS = Refusal("bad_request", "user: a conversation needs somebody else")
TOO_MANY_MEMBERS = Refusal("bad_request", f"members: a conversation has at most {MEMBERS} members")

Asking = OpenConversation | CreateConversation | GetConversation | ListConversations | GetReceipts | GetHistory


class Conversing:
    """Answers what users ask. `tell` gives commands to conversations, wherever they live."""

    def __init__(
        self, tell: Callable[[Address, Mailed], None], conversations: ConversationStore, people: PeopleStore
    ) -> None:
        self._tell = tell
        self._conversations = conversations
        self._people = people

    async def answer(self, user: UserId, request: Asking) -> Result:
        """Raises `UnavailableError`."""
        match request:
            case OpenConversation():
                return await self._open(user, request)
            case CreateConversation():
                return await self._create(user, request)
            case GetConversation():
                return await self._conversations.get(user, request.conversation) or NOT_FOUND
            case ListConversations():
                return await self._list(user, request)
            case GetReceipts():
                return await self._receipts(user, request.conversation)
            case GetHistory():
                return await self._history(user, request)
            case _:
                assert_never(request)

    async def _missing(self, user: UserId, others: Collection[UserId]) -> bool:
        """Some of the others do not exist for this user. The same is asked for those who do not and those who block."""
        blocked = await self._conversations.blocked(user, others)
        existing = await self._people.existing(others)
        return bool(blocked or set(others) - existing)

    async def _open(self, user: UserId, request: OpenConversation) -> Result:
        if request.user == user:
            return ONLY_OPEN_OTHERS
        missing = await self._missing(user, [request.user])
        id = None if missing else await self._conversations.open(user, request.user)
        if id is None:
            return NO_SUCH_USER
        conversation = await self._conversations.get(user, id)
        return NOT_FOUND if conversation is None else Opened(conversation)

    async def _create(self, user: UserId, request: CreateConversation) -> Result:
        """Durable before the conversation's actor hears of it; a repeat announces it again, harmlessly."""
        others = [member for member in dict.fromkeys(request.members) if member != user]
        refusal = TOO_MANY_MEMBERS if len(others) >= MEMBERS else None
        if await self._missing(user, others):
            refusal = NO_SUCH_USER
        title, sameness = or_none(request.title), digest(request)
        created = await self._conversations.create(user, request.cid, others, title, sameness, refusal is None)
        if created is None:
            return refusal or UNAVAILABLE
        if created.digest != sameness:
            return ID_REUSED
        id = created.event.conversation
        self._tell(conversation_address(id), Announce((created.event,)))
        conversation = await self._conversations.get(user, id)
        return NOT_FOUND if conversation is None else Opened(conversation, created.again)

    async def _list(self, user: UserId, request: ListConversations) -> Result:
        try:
            return await self._conversations.page(user, request.folder, or_none(request.before), request.limit)
        except ValueError:
            return NO_CURSOR

    async def _receipts(self, user: UserId, conversation: ConversationId) -> Result:
        members = await self._conversations.receipts(user, conversation)
        if members is None:
            return NOT_FOUND
        return Receipts(tuple(Marks(m.user, m.delivered_c, m.read_c) for m in members if m.left_c is UNSET))

    async def _history(self, user: UserId, request: GetHistory) -> Result:
        after, before = or_none(request.after), or_none(request.before)
        if after is not None and before is not None:
            return Refusal("bad_request", "before: after and before exclude each other")
        history = await self._conversations.history(user, request.conversation, after, before, request.limit)
        return NOT_FOUND if history is None else history

"""Requests: where each op goes. Decisions go to an actor, questions to the store; sockets and HTTP share this door."""

import asyncio
from collections.abc import Awaitable, Callable, Collection, Mapping
from functools import partial
from typing import Any, NamedTuple, assert_never

import msgspec
import structlog
from msgspec import UNSET

from actors.conversation_commands import (
    Accept,
    Announce,
    Answered,
    Choose,
    Decline,
    Find,
    Looked,
    Mailed,
    MarkDelivered,
    Read,
    Recheck,
    Send,
)
from actors.conversation_commands import Type as TypeCommand
from actors.effects import Address, Asked, conversation_address
from actors.user_commands import ReadSnapshot, SnapshotRead
from persistence.conversations.contract import ConversationStore
from persistence.faults import UnavailableError
from persistence.people.contract import Account, PeopleStore
from protocol.digests import digest
from protocol.errors import FAILED, ID_REUSED, NOT_FOUND, UNAVAILABLE, Refusal
from protocol.events import Me, Snapshot
from protocol.ids import ConversationId, Millis, UserId
from protocol.replies import Marks, Opened, Receipts, Result
from protocol.requests import (
    MEMBERS,
    AcceptConversation,
    Ack,
    AnyRequest,
    Background,
    ChangePreferences,
    ChangeSettings,
    CreateConversation,
    DeclineConversation,
    GetConversation,
    GetHistory,
    GetReceipts,
    Hello,
    ListConversations,
    ListNotifications,
    MarkRead,
    OpenConversation,
    ReactToStory,
    SeeNotifications,
    SeeStory,
    SendMessage,
    SetPresence,
    StoryTray,
    Sync,
    Type,
    WatchPosts,
    WatchPresence,
)
from protocol.shares import Share
from server.engagement.watching import Watching
from server.notifications.answering import Answering
from server.stories.answering import Aimed
from server.stories.answering import Answering as Stories

QUESTIONS = 2_000
WORKERS = 8
WAIT_S = 1.0
ANSWER_S = 2.0
"""How long a question may wait for its turn, and then take: together what a request may."""
WITHIN_S = WAIT_S + ANSWER_S
NEWEST = 20

NO_SUCH_USER = Refusal("not_found", "there is no such user")
ONLY_OPEN_OTHERS = Refusal("bad_request", "user: a conversation needs somebody else")
TOO_MANY_MEMBERS = Refusal("bad_request", f"members: a conversation has at most {MEMBERS} members")
NO_REACTION = Refusal("bad_request", "share.reaction: react to a story by story.react")
NOT_HERE = Refusal("bad_request", "op: this one belongs to a socket")

log = structlog.get_logger()

Replying = Callable[[Asked, Result], None]
Seen = Callable[[UserId, Share], Awaitable[bool]]
"""Whether somebody may see what they share, now."""


class _Question(NamedTuple):
    """`reply` is None when nobody waits; `since` is when it came, by the loop's clock."""

    reply: Callable[[Any], None] | None
    answer: Callable[[], Awaitable[Any]]
    since: float


class Requests:
    """`tell` gives commands to conversations, wherever they live; `take` answers later by `reply`.

    At most `QUESTIONS` wait for the store; then: `unavailable`.
    """

    def __init__(
        self,
        tell: Callable[[Address, Mailed], None],
        conversations: ConversationStore,
        people: PeopleStore,
        reply: Replying,
        notifications: Answering | None = None,
        seen: Seen | None = None,
        watching: Watching | None = None,
        stories: Stories | None = None,
    ) -> None:
        """Without them there is nothing to ask about, as in a simulation."""
        self._tell = tell
        self._conversations = conversations
        self._people = people
        self._reply = reply
        self._notifications = notifications
        self._seen = seen
        self._watching = watching
        self._stories = stories
        self._questions: asyncio.Queue[_Question] = asyncio.Queue(QUESTIONS)

    def take(self, user: UserId, asked: Asked, request: AnyRequest) -> None:
        """Start what is asked; exactly one reply to `asked` follows."""
        match request:
            case SendMessage(share=Share(reaction=True)):
                self._reply(asked, NO_REACTION)
            case SendMessage(share=Share() as share):
                self._question(partial(self._send, asked, user, request), lambda: self._sees(user, share))
            case SendMessage():
                self._send(asked, user, request, True)
            case MarkRead():
                self._tell(conversation_address(request.conversation), Read(asked, user, request.c))
            case ChangeSettings():
                self._tell(conversation_address(request.conversation), Choose(asked, user, request))
            case AcceptConversation():
                self._tell(conversation_address(request.conversation), Accept(asked, user))
            case DeclineConversation():
                self._tell(conversation_address(request.conversation), Decline(asked, user))
            case WatchPosts():
                self._watch(user, asked, request)
            case Hello() | Background() | WatchPresence() | SetPresence() | Type() | Ack():
                self._reply(asked, NOT_HERE)
            case ReactToStory():
                self._question(partial(self._react, asked, user, request), lambda: self._aim(user, request))
            case _:
                self._question(partial(self._reply, asked), lambda: self._answer(user, request))

    def _react(self, asked: Asked, user: UserId, request: ReactToStory, aimed: Aimed | Refusal) -> None:
        """A reaction is a message, and what its conversation answers is the answer."""
        if isinstance(aimed, Refusal):
            self._reply(asked, aimed)
            return
        share = Share("story", request.story, reaction=True)
        said = SendMessage(
            id=request.id, conversation=aimed.conversation, cid=request.cid, text=request.emoji, share=share
        )
        self._send(asked, user, said, aimed.visible)

    async def _aim(self, user: UserId, request: ReactToStory) -> Aimed | Refusal:
        return UNAVAILABLE if self._stories is None else await self._stories.aim(user, request)

    def _send(self, asked: Asked, user: UserId, request: SendMessage, seen: bool | Refusal) -> None:
        """Who shares what they do not see is refused by the conversation: only there is the cid looked up first."""
        if isinstance(seen, Refusal):
            self._reply(asked, seen)
        else:
            self._tell(conversation_address(request.conversation), Send(asked, user, request, not seen))

    async def _sees(self, user: UserId, share: Share) -> bool | Refusal:
        return UNAVAILABLE if self._seen is None else await self._seen(user, share)

    def typing(self, user: UserId, typing: Type) -> None:
        self._tell(conversation_address(typing.conversation), TypeCommand(user, typing.kind))

    def fenced(self, conversations: Collection[ConversationId]) -> None:
        """The fences of these were raised, as a block came or went: who writes there learns it now, not at the next
        commit, since typing has none."""
        for id in conversations:
            self._tell(conversation_address(id), Recheck())

    def stored(self, user: UserId, heads: Mapping[ConversationId, int]) -> None:
        """A client has stored these places: delivered. Only conversations where that is news are woken."""
        self._question(None, lambda: self._mark(user, heads))

    async def ask(self, question: Any) -> Any:
        """What an actor asks the store, as the command that answers it."""
        match question:
            case Find():
                async with asyncio.timeout(WITHIN_S):
                    found = await self._conversations.find(question.conversation, question.user, question.cids)
                known = tuple((known.cid, Answered(known.digest, known.c, known.at)) for known in found)
                return Looked(question.user, known)
            case ReadSnapshot():
                read = await self._in_turn(lambda: self._snapshot(question.user))
                return SnapshotRead(question.connection, read if isinstance(read, Snapshot) else None)
            case _:
                raise TypeError(question)

    async def run(self) -> None:
        """Serve questions until cancelled."""
        async with asyncio.TaskGroup() as group:
            for _ in range(WORKERS):
                group.create_task(self._serve())

    async def _serve(self) -> None:
        while True:
            question = await self._questions.get()
            result = await self._answered(question)
            try:
                if question.reply is not None:
                    question.reply(result)
            except Exception:
                log.exception("reply failed")

    async def _answered(self, question: _Question) -> Any:
        """The answer, or that there is none for now.

        What has waited for long is refused at once, so that what is begun has the time it needs: with more questions
        than the store can answer, all of them would else be given up half answered.
        """
        if question.reply and asyncio.get_running_loop().time() - question.since > WAIT_S:
            return UNAVAILABLE
        try:
            async with asyncio.timeout(ANSWER_S):
                return await question.answer()
        except (TimeoutError, UnavailableError) as fault:
            log.warning("question failed", fault=repr(fault))
            return UNAVAILABLE
        except Exception:
            log.exception("question failed")
            return FAILED

    def _question(self, reply: Callable[[Any], None] | None, answer: Callable[[], Awaitable[Any]]) -> None:
        try:
            self._questions.put_nowait(_Question(reply, answer, asyncio.get_running_loop().time()))
        except asyncio.QueueFull:
            if reply is not None:
                reply(UNAVAILABLE)

    async def _in_turn(self, answer: Callable[[], Awaitable[Any]]) -> Any:
        """The answer to a question of our own, which waits its turn like those of clients."""
        told = asyncio.get_running_loop().create_future()

        def reply(result: Any) -> None:
            if not told.done():
                told.set_result(result)

        self._question(reply, answer)
        return await told

    async def _answer(self, user: UserId, request: AnyRequest) -> Result:
        store = self._conversations
        match request:
            case OpenConversation():
                return await self._open(user, request)
            case CreateConversation():
                return await self._create(user, request)
            case GetConversation():
                return await store.get(user, request.conversation) or NOT_FOUND
            case ListConversations():
                return await self._list(user, request)
            case GetReceipts():
                members = await store.receipts(user, request.conversation)
                if members is None:
                    return NOT_FOUND
                return Receipts(tuple(Marks(m.user, m.delivered_c, m.read_c) for m in members if m.left_c is UNSET))
            case GetHistory():
                return await self._history(user, request)
            case Sync():
                return await self._sync(user, request)
            case SendMessage() | MarkRead() | ChangeSettings() | AcceptConversation() | DeclineConversation():
                return NOT_HERE
            case ReactToStory():
                return NOT_HERE
            case StoryTray() | SeeStory():
                return UNAVAILABLE if self._stories is None else await self._stories.answer(user, request)
            case ListNotifications() | SeeNotifications() | ChangePreferences():
                return UNAVAILABLE if self._notifications is None else await self._notifications.answer(user, request)
            case (
                Hello()
                | Background()
                | WatchPresence()
                | SetPresence()
                | WatchPosts()
                | Type()
                | Ack()
                | ReactToStory()
            ):
                return NOT_HERE
            case _:
                assert_never(request)

    def _watch(self, user: UserId, asked: Asked, request: WatchPosts) -> None:
        """The latest counts, also when an earlier one is still being answered."""
        answer = self._watching and self._watching.watch(user, asked.connection, request.posts)
        if answer:
            self._question(partial(self._reply, asked), answer)
        else:
            self._reply(asked, NOT_HERE)

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
        title = None if request.title is UNSET else request.title
        sameness = digest(request)
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
        before = None if request.before is UNSET else request.before
        try:
            return await self._conversations.page(user, request.folder, before, request.limit)
        except ValueError:
            return Refusal("bad_request", "before: not a cursor of this list")

    async def _history(self, user: UserId, request: GetHistory) -> Result:
        after = None if request.after is UNSET else request.after
        before = None if request.before is UNSET else request.before
        if after is not None and before is not None:
            return Refusal("bad_request", "before: after and before exclude each other")
        history = await self._conversations.history(user, request.conversation, after, before, request.limit)
        return NOT_FOUND if history is None else history

    async def _sync(self, user: UserId, request: Sync) -> Result:
        cursor = None if request.cursor is UNSET else request.cursor
        if cursor is None and request.heads:
            self.stored(user, request.heads)
        try:
            page = await self._conversations.sync(user, request.heads, Millis(request.since), request.only, cursor)
        except ValueError:
            return Refusal("bad_request", "cursor: not a cursor of this sync")
        if self._notifications is None or request.only or cursor is not None:
            return page
        return msgspec.structs.replace(page, notifications=await self._notifications.first_page(user))

    async def _mark(self, user: UserId, heads: Mapping[ConversationId, int]) -> None:
        for id, c in await self._conversations.undelivered(user, heads):
            self._tell(conversation_address(id), MarkDelivered(user, c))

    async def _snapshot(self, user: UserId) -> Snapshot | None:
        """None for somebody who does not exist any more."""
        account = await self._people.account(user)
        page = await self._conversations.page(user, "inbox", None, NEWEST)
        now = await self._conversations.now()
        first = UNSET if self._notifications is None else await self._notifications.first_page(user)
        tray = UNSET if self._stories is None else await self._stories.first_tray(user)
        return None if account is None else Snapshot(page.items, _me(account), now, page.next, first, tray)


def _me(account: Account) -> Me:
    return Me(account.id, account.username, account.settings, account.name or UNSET)

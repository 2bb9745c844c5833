"""Requests: where each op goes. Decisions go to an actor, questions to the store; sockets and HTTP share this door."""

import asyncio
from collections.abc import Awaitable, Callable, Collection, Mapping
from functools import partial
from typing import Any, assert_never

import msgspec
from msgspec import UNSET, Struct

from actors.conversation_commands import (
    Accept,
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
from persistence.people.contract import Account, PeopleStore
from protocol.errors import UNAVAILABLE, Refusal
from protocol.ids import ConversationId, Millis, UserId
from protocol.replies import Result
from protocol.requests import (
    AcceptConversation,
    Ack,
    AnyRequest,
    Background,
    ChangePreferences,
    ChangeSettings,
    CreateConversation,
    DeclineConversation,
    GetConversation,
    GetFeed,
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
from protocol.session import Me, Snapshot
from protocol.shares import Share
from protocol.unset import or_none
from server.conversing import Conversing
from server.engagement.watching import Watching
from server.notifications.answering import Answering as Notifications
from server.notifications.answering import Asking as AskingNotifications
from server.questions import WITHIN_S, Questions
from server.stories.answering import Aimed
from server.stories.answering import Answering as Stories

NEWEST = 20

NO_REACTION = Refusal("bad_request", "share.reaction: react to a story by story.react")
NOT_HERE = Refusal("bad_request", "op: this one belongs to a socket")


BesideConversations = AskingNotifications | StoryTray | SeeStory | ReactToStory | GetFeed | WatchPosts


class Beside(Struct, frozen=True, kw_only=True):
    """What is asked about beside conversations: `sees` whether somebody may see what they share, now."""

    notifications: Notifications
    stories: Stories
    feed: Callable[[UserId, GetFeed], Awaitable[Result]]
    watching: Watching
    sees: Callable[[UserId, Share], Awaitable[bool]]


class Requests:
    """`tell` gives commands to conversations, wherever they live; `take` answers later by `reply`.

    Without `beside` all of that is unavailable, as in a simulation.
    """

    def __init__(
        self,
        tell: Callable[[Address, Mailed], None],
        conversations: ConversationStore,
        people: PeopleStore,
        reply: Callable[[Asked, Result], None],
        beside: Beside | None = None,
    ) -> None:
        self._tell = tell
        self._conversations = conversations
        self._people = people
        self._reply = reply
        self._beside = beside
        self._conversing = Conversing(tell, conversations, people)
        self._questions = Questions()

    def take(self, user: UserId, asked: Asked, request: AnyRequest) -> None:
        """Start what is asked; exactly one reply to `asked` follows."""
        match request:
            case SendMessage():
                self._send(user, asked, request)
            case MarkRead():
                self._tell(conversation_address(request.conversation), Read(asked, user, request.c))
            case ChangeSettings():
                self._tell(conversation_address(request.conversation), Choose(asked, user, request))
            case AcceptConversation():
                self._tell(conversation_address(request.conversation), Accept(asked, user))
            case DeclineConversation():
                self._tell(conversation_address(request.conversation), Decline(asked, user))
            case OpenConversation() | CreateConversation() | GetConversation() | ListConversations():
                self._question(asked, partial(self._conversing.answer, user, request))
            case GetReceipts() | GetHistory():
                self._question(asked, partial(self._conversing.answer, user, request))
            case Sync():
                self._question(asked, partial(self._sync, user, request))
            case Hello() | Background() | WatchPresence() | SetPresence() | Type() | Ack():
                self._reply(asked, NOT_HERE)
            case _ if self._beside:
                self._take_beside(self._beside, user, asked, request)
            case _:
                self._reply(asked, UNAVAILABLE)

    def _take_beside(self, beside: Beside, user: UserId, asked: Asked, request: BesideConversations) -> None:
        match request:
            case ListNotifications() | SeeNotifications() | ChangePreferences():
                self._question(asked, partial(beside.notifications.answer, user, request))
            case StoryTray() | SeeStory():
                self._question(asked, partial(beside.stories.answer, user, request))
            case ReactToStory():
                aim = partial(beside.stories.aim, user, request)
                self._questions.put(partial(self._react, user, asked, request), aim)
            case GetFeed():
                self._question(asked, partial(beside.feed, user, request))
            case WatchPosts():
                self._watch(beside.watching, user, asked, request)
            case _:
                assert_never(request)

    def _question(self, asked: Asked, answer: Callable[[], Awaitable[Result]]) -> None:
        self._questions.put(partial(self._reply, asked), answer)

    def _send(self, user: UserId, asked: Asked, request: SendMessage) -> None:
        share = request.share
        if share is UNSET:
            self._say(user, asked, request, True)
        elif share.reaction:
            self._reply(asked, NO_REACTION)
        elif self._beside is None:
            self._reply(asked, UNAVAILABLE)
        else:
            self._questions.put(partial(self._say, user, asked, request), partial(self._beside.sees, user, share))

    def _say(self, user: UserId, asked: Asked, request: SendMessage, seen: bool | Refusal) -> None:
        """Who shares what they do not see is refused by the conversation: only there is the cid looked up first."""
        if isinstance(seen, Refusal):
            self._reply(asked, seen)
        else:
            self._tell(conversation_address(request.conversation), Send(asked, user, request, not seen))

    def _react(self, user: UserId, asked: Asked, request: ReactToStory, aimed: Aimed | Refusal) -> None:
        """A reaction is a message, and what its conversation answers is the answer."""
        if isinstance(aimed, Refusal):
            self._reply(asked, aimed)
            return
        share = Share("story", request.story, reaction=True)
        said = SendMessage(
            id=request.id, conversation=aimed.conversation, cid=request.cid, text=request.emoji, share=share
        )
        self._say(user, asked, said, aimed.visible)

    def _watch(self, watching: Watching, user: UserId, asked: Asked, request: WatchPosts) -> None:
        """The latest counts, also when an earlier one is still being answered."""
        answer = watching.watch(user, asked.connection, request.posts)
        if answer:
            self._question(asked, answer)
        else:
            self._reply(asked, NOT_HERE)

    def typing(self, user: UserId, typing: Type) -> None:
        self._tell(conversation_address(typing.conversation), TypeCommand(user, typing.kind))

    def fenced(self, conversations: Collection[ConversationId]) -> None:
        """The fences of these were raised, as a block came or went: who writes there learns it now, not at the next
        commit, since typing has none."""
        for id in conversations:
            self._tell(conversation_address(id), Recheck())

    def stored(self, user: UserId, heads: Mapping[ConversationId, int]) -> None:
        """A client has stored these places: delivered. Only conversations where that is news are woken."""
        self._questions.put(None, lambda: self._mark(user, heads))

    async def ask(self, question: Any) -> Any:
        """What an actor asks the store, as the command that answers it."""
        match question:
            case Find():
                async with asyncio.timeout(WITHIN_S):
                    found = await self._conversations.find(question.conversation, question.user, question.cids)
                known = tuple((known.cid, Answered(known.digest, known.c, known.at)) for known in found)
                return Looked(question.user, known)
            case ReadSnapshot():
                read = await self._questions.in_turn(lambda: self._snapshot(question.user))
                return SnapshotRead(question.connection, read if isinstance(read, Snapshot) else None)
            case _:
                raise TypeError(question)

    async def run(self) -> None:
        """Serve questions until cancelled."""
        await self._questions.run()

    async def _sync(self, user: UserId, request: Sync) -> Result:
        cursor = or_none(request.cursor)
        if cursor is None and request.heads:
            self.stored(user, request.heads)
        try:
            page = await self._conversations.sync(user, request.heads, Millis(request.since), request.only, cursor)
        except ValueError:
            return Refusal("bad_request", "cursor: not a cursor of this sync")
        if self._beside is None or request.only or cursor is not None:
            return page
        return msgspec.structs.replace(page, notifications=await self._beside.notifications.first_page(user))

    async def _mark(self, user: UserId, heads: Mapping[ConversationId, int]) -> None:
        for id, c in await self._conversations.undelivered(user, heads):
            self._tell(conversation_address(id), MarkDelivered(user, c))

    async def _snapshot(self, user: UserId) -> Snapshot | None:
        """None for somebody who does not exist any more."""
        account = await self._people.account(user)
        page = await self._conversations.page(user, "inbox", None, NEWEST)
        now = await self._conversations.now()
        first = await self._beside.notifications.first_page(user) if self._beside else UNSET
        tray = await self._beside.stories.first_tray(user) if self._beside else UNSET
        return None if account is None else Snapshot(page.items, _me(account), now, page.next, first, tray)


def _me(account: Account) -> Me:
    return Me(account.id, account.username, account.settings, account.name or UNSET)

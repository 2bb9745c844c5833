"""One example of every request, answer and event: shown in the documents, and held against their schemas by a test."""

from msgspec import Struct

from protocol.conversations import Conversation, Member, MemberSettings
from protocol.counts import PostCount, PostCounts
from protocol.events import (
    ConversationChanged,
    MessageSent,
    NotificationChanged,
    NotificationGone,
    NotificationsSeen,
    ReadMoved,
    ReceiptMoved,
    SettingsChanged,
)
from protocol.ids import ConversationId, Millis, UserId
from protocol.live import (
    FeedNew,
    PostCounted,
    PostRemoved,
    Presence,
    PresenceChanged,
    Preview,
    TrayChanged,
    Typing,
    UploadMoved,
)
from protocol.media import Media, MediaId
from protocol.notifications import Notifications
from protocol.posts import Author, Post, PostId, Posts
from protocol.preferences import Muted, Preferences, PreferencesChange, QuietHours
from protocol.replies import (
    Conversations,
    Done,
    History,
    Limits,
    Marks,
    Opened,
    Receipts,
    Sent,
    SyncPage,
    Watched,
    Welcome,
)
from protocol.requests import (
    AcceptConversation,
    Ack,
    Background,
    ChangePreferences,
    ChangeSettings,
    CreateConversation,
    DeclineConversation,
    Device,
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
    Resume,
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
from protocol.session import Continuity, Me, Ping, Snapshot, Synced
from protocol.trays import ShownStory, StoryId, Tray, TrayEntry, TrayStory

ADA, BOB = UserId("497219430582059017"), UserId("497219430590449674")
TALK = ConversationId("497219442225451019")
CID = "q1Zx0c7rTnG4lYw2"
NOW = Millis(1_795_219_200_000)

_SAID = MessageSent(conversation=TALK, c=42, sender=ADA, cid=CID, at=NOW, text="See you at eight.")
_MEMBERS = (
    Member(ADA, "member", 0, delivered_c=42, read_c=42),
    Member(BOB, "member", 0, delivered_c=42, read_c=41),
)
_CONVERSATION = Conversation(
    id=TALK,
    kind="direct",
    members=_MEMBERS,
    last_c=42,
    joined_c=0,
    read_c=41,
    unread=1,
    last=_SAID,
    folder="inbox",
    settings=MemberSettings(pinned=True),
    at=NOW,
)
_NOTIFICATION = NotificationChanged(
    id="497219443001221120",
    kind="like",
    group="notification-497219443001221120",
    actors=(BOB,),
    actor_count=1,
    targets=("497219442225451020",),
    target_count=1,
    text="Bob liked your photo",
    at=NOW,
    updated_at=NOW,
    seen=False,
)
_STORY = TrayStory(StoryId("497219444004462593"), NOW, False)
_TRAY = Tray([TrayEntry(BOB, "bob", (ShownStory(_STORY.id, NOW, close_friends=False, seen=False),), "Bob")])
_QUIET = QuietHours("Europe/Berlin", 22 * 60, 7 * 60)

_PICTURE = Media(
    MediaId("497219443226440000"), 2048, 1536, "/v1/media/497219443226440000/{variant}?viewer=1&until=2&signature=x"
)
_POST = Post(
    id=PostId("497219443226450000"), author=Author(BOB, "bob"), at=NOW, media=(_PICTURE,), caption="Harbour", likes=3
)

REQUESTS: tuple[Struct, ...] = (
    Hello(
        id=1,
        token="eyJhbGciOiJIUzI1NiIsImtpZCI6IjEiLCJ0eXAiOiJKV1QifQ.e30.c2lnbmF0dXJl",
        device=Device("kitchen-tablet", "web", "tidings-web 1.0"),
        resume=Resume("5f2a", 117),
        follow=True,
    ),
    Sync(id=2, heads={TALK: 41}, since=NOW),
    Background(id=3, on=True),
    OpenConversation(id=4, user=BOB),
    CreateConversation(id=5, cid=CID, members=[BOB], title="Supper"),
    GetConversation(id=6, conversation=TALK),
    ListConversations(id=7, folder="inbox", limit=20),
    ChangeSettings(id=8, conversation=TALK, pinned=True),
    GetReceipts(id=9, conversation=TALK),
    SendMessage(id=10, conversation=TALK, cid=CID, text="See you at eight."),
    GetHistory(id=11, conversation=TALK, after=41),
    MarkRead(id=12, conversation=TALK, c=42),
    AcceptConversation(id=13, conversation=TALK),
    DeclineConversation(id=14, conversation=TALK),
    ListNotifications(id=15),
    SeeNotifications(id=16, up_to=NOW),
    ChangePreferences(id=17, set=PreferencesChange({"like": {"push": False}}, quiet=_QUIET)),
    GetFeed(id=20, mode="latest"),
    WatchPosts(id=27, posts=[PostId("7")]),
    WatchPresence(id=18, users=[BOB], conversation=TALK),
    SetPresence(id=19, visible=True),
    StoryTray(id=20),
    SeeStory(id=21, story=_STORY.id),
    ReactToStory(id=22, story=_STORY.id, emoji="🔥", cid=CID),
    Type(TALK, "text"),
    Ack("5f2a", 118),
)
ANSWERS: tuple[Struct, ...] = (
    Welcome("c81e", ADA, "5f2a", 117, "resumed", 25_000, NOW, Limits(65_536, 20, 200, 0.333)),
    SyncPage([_CONVERSATION], NOW),
    Done(),
    Opened(_CONVERSATION),
    _CONVERSATION,
    Conversations([_CONVERSATION]),
    Receipts((Marks(ADA, 42, 42), Marks(BOB, 42))),
    Sent(42, NOW),
    History([_SAID], False),
    Notifications(1, [_NOTIFICATION]),
    Preferences({"like": {"push": False}}, {"comment": "following"}, _QUIET, Muted((BOB,)), NOW),
    Posts([_POST]),
    PostCounts((PostCount(PostId("7"), 3, 1),)),
    PostCounted(PostId("7"), 4, 1),
    PostRemoved(PostId("7")),
    Watched((Presence(BOB, "online", conversation=TALK),)),
    _TRAY,
)
EVENTS: tuple[Struct, ...] = (
    _SAID,
    ConversationChanged(conversation=TALK, c=1, sender=ADA, cid=CID, at=NOW, title="Supper"),
    ReceiptMoved(TALK, BOB, read_c=42),
    ReadMoved(TALK, 42),
    SettingsChanged(TALK, pinned=True),
    _NOTIFICATION,
    NotificationGone("497219443001221120"),
    NotificationsSeen(NOW, 0),
    Typing(TALK, 42, BOB, "text"),
    FeedNew(BOB, "497219443226450000", NOW, Preview(2048, 1536, caption="Harbour")),
    UploadMoved("497219443001221120", "received", 40),
    TrayChanged("add", BOB, (_STORY,)),
    PresenceChanged(BOB, "offline", NOW),
    Synced(118),
    Ping(118),
    Continuity("77d0", 0),
    Snapshot([_CONVERSATION], Me(ADA, "ada", {}, "Ada"), NOW),
)

EXAMPLES: dict[type[Struct], Struct] = {type(value): value for value in (*REQUESTS, *ANSWERS, *EVENTS)}

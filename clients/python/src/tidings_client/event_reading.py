"""Events read from the maps that the server sends (wire contract §4). Raises `Malformed`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from .events import (
    ConversationGone,
    Entry,
    Event,
    FeedNew,
    LogEvent,
    MemberChanged,
    Message,
    Notification,
    NotificationGone,
    NotificationsSeen,
    Other,
    PostCount,
    PostRemoved,
    Presence,
    Read,
    Receipt,
    SettingsChanged,
    Tray,
    TrayChanged,
    TrayEntry,
    TrayStory,
    Typing,
    UploadMoved,
)
from .reading import Body, bool_of, int_of, int_or_none, map_of, maps_of, text_of, text_or_none, texts_of


def read_log_event(body: Body) -> LogEvent:
    """An event that stands in a log, from stream, history or sync."""
    conversation, c, u = text_of(body, "conversation"), int_of(body, "c"), body.get("u")
    sender, cid, at = text_of(body, "from"), text_of(body, "cid"), int_of(body, "at")
    match body.get("ev"):
        case "message":
            return Message(conversation, c, sender, cid, at, text_or_none(body, "text"), body, u)
        case "member":
            user, change = text_of(body, "user"), text_of(body, "change")
            return MemberChanged(conversation, c, sender, cid, at, user, change, text_or_none(body, "role"), body, u)
        case _:
            return Entry(text_of(body, "ev"), conversation, c, sender, cid, at, body, u)


def read_event(body: Body) -> Event:
    """An event as it stands on the stream. An unknown durable one with a `c` is taken for a log event."""
    ev = text_of(body, "ev")
    if read := _STREAM.get(ev):
        return read(body)
    if "u" in body and "c" in body and "conversation" in body:
        return read_log_event(body)
    return Other(ev, body, int_or_none(body, "u"))


def read_notification(body: Body) -> Notification:
    """One notification, from the stream or out of a list."""
    return Notification(
        id=text_of(body, "id"),
        kind=text_of(body, "kind"),
        group=text_of(body, "group"),
        actors=texts_of(body, "actors"),
        actor_count=int_of(body, "actor_count"),
        targets=texts_of(body, "targets"),
        target_count=int_of(body, "target_count"),
        text=text_of(body, "text"),
        at=int_of(body, "at"),
        updated_at=int_of(body, "updated_at"),
        seen=body.get("seen") is True,
        u=int_or_none(body, "u"),
    )


def _receipt(body: Body) -> Event:
    marks = int_or_none(body, "delivered_c"), int_or_none(body, "read_c")
    return Receipt(text_of(body, "conversation"), text_of(body, "user"), *marks, body.get("u"))


def _read(body: Body) -> Event:
    return Read(text_of(body, "conversation"), int_of(body, "read_c"), body.get("u"))


def _settings(body: Body) -> Event:
    return SettingsChanged(text_of(body, "conversation"), body, body.get("u"))


def _gone(body: Body) -> Event:
    return ConversationGone(text_of(body, "conversation"), body.get("u"))


def _typing(body: Body) -> Event:
    for_ms = int_or_none(body, "for_ms") or 8_000
    return Typing(text_of(body, "conversation"), text_of(body, "user"), text_of(body, "kind"), for_ms)


def _upload(body: Body) -> Event:
    percent, media = int_or_none(body, "percent"), text_or_none(body, "media")
    return UploadMoved(text_of(body, "upload"), text_of(body, "state"), percent, media)


def _feed_new(body: Body) -> Event:
    preview = map_of(body, "preview")
    thumbhash = preview.get("thumbhash")
    return FeedNew(
        author=text_of(body, "author"),
        post=text_of(body, "post"),
        at=int_of(body, "at"),
        width=int_of(preview, "width"),
        height=int_of(preview, "height"),
        thumbhash=thumbhash if isinstance(thumbhash, (bytes, str)) else None,
        caption=text_or_none(preview, "caption"),
    )


def _notification_gone(body: Body) -> Event:
    return NotificationGone(text_of(body, "id"), body.get("u"))


def _notifications_seen(body: Body) -> Event:
    return NotificationsSeen(int_of(body, "up_to"), int_of(body, "badge"), body.get("u"))


def read_presence(body: Body) -> Presence:
    """The event `presence`, or one of the people that `presence.watch` answers with."""
    active_at, conversation = int_or_none(body, "last_active_at"), text_or_none(body, "conversation")
    return Presence(text_of(body, "user"), text_of(body, "state"), active_at, conversation)


def read_tray(body: Body) -> Tray:
    """The answer of `story.tray`, and what stands in a snapshot."""
    return Tray(tuple(_tray_entry(item) for item in maps_of(body, "items")), body.get("more") is True)


def _tray_entry(said: Body) -> TrayEntry:
    author, username, name = text_of(said, "author"), text_of(said, "username"), text_or_none(said, "name")
    return TrayEntry(author, username, name, _tray_stories(said), said.get("muted") is True)


def _tray_stories(said: Body) -> tuple[TrayStory, ...]:
    return tuple(
        TrayStory(text_of(one, "id"), int_of(one, "expires_at"), bool_of(one, "close_friends"), one.get("seen") is True)
        for one in maps_of(said, "stories")
    )


def _tray_changed(said: Body) -> Event:
    return TrayChanged(text_of(said, "change"), text_of(said, "author"), _tray_stories(said))


def read_post_count(body: Body) -> PostCount:
    """The event `post.count`, or one of the posts that `post.watch` answers with."""
    return PostCount(text_of(body, "post"), int_of(body, "likes"), int_of(body, "comments"))


def _post_removed(body: Body) -> Event:
    return PostRemoved(text_of(body, "post"))


_STREAM: Final[dict[str, Callable[[Body], Event]]] = {
    "message": read_log_event,
    "member": read_log_event,
    "conversation": read_log_event,
    "receipt": _receipt,
    "read": _read,
    "settings": _settings,
    "conversation.gone": _gone,
    "typing": _typing,
    "upload": _upload,
    "feed.new": _feed_new,
    "notification": read_notification,
    "notification.gone": _notification_gone,
    "notification.seen": _notifications_seen,
    "presence": read_presence,
    "tray": _tray_changed,
    "post.count": read_post_count,
    "post.removed": _post_removed,
}

"""What is shown of a group: in lists, live, and on devices that are not connected."""

import msgspec

from actors.notifier import AT_ONCE, Alert
from persistence.notifications.contract import Job, Reader, Sight
from protocol.ids import Millis
from protocol.notifications import Notification
from protocol.pushes import Content
from server.notifications.texts import language, sentence

EXPIRES_MS = 86_400_000
"""An alert that could not be shown for so long says nothing new any more."""

_encode = msgspec.msgpack.Encoder().encode


def shown(sight: Sight, locale: str | None) -> Notification:
    """The notification as its recipient sees it in a list."""
    group = sight.group
    return Notification(
        id=str(group.id),
        kind=group.kind,
        group=collapse(group.id),
        actors=tuple(one.id for one in sight.people),
        actor_count=actors(sight),
        targets=sight.targets,
        target_count=targets(sight),
        text=text(sight, locale),
        at=group.opened_at,
        updated_at=group.updated_at,
        seen=group.seen,
    )


def collapse(group: int) -> str:
    """What a later push about this group replaces on a screen."""
    return f"notification-{group}"


def actors(sight: Sight) -> int:
    """How many people it tells of."""
    return 1 if sight.group.actor is not None else sight.members


def targets(sight: Sight) -> int:
    """How many things it tells of; what was done to the recipient is none."""
    group = sight.group
    if group.target is not None:
        return int(group.target != "")
    return len(sight.targets) if group.actor is None else sight.members


def text(sight: Sight, locale: str | None) -> str:
    """The sentence of a notification, in its reader's language."""
    names = [one.name or one.username for one in sight.people]
    return sentence(locale, sight.group.kind, names, actors(sight), targets(sight), sight.text)


def job(alert: Alert, sight: Sight, reader: Reader, now: Millis) -> Job:
    """The push for one window of a group."""
    words, group = language(reader.locale), alert.group
    content = Content(
        words.title, text(sight, reader.locale), words.plain, reader.badge + reader.unread, urgent=group.kind in AT_ONCE
    )
    return Job(
        user=group.user,
        key=f"notification {group.id} {alert.window}",
        kind=group.kind,
        collapse=collapse(group.id),
        channels=channels(alert),
        sender=sight.people[0].id if actors(sight) == 1 and sight.people else None,
        notifications=(group.id,),
        body=_encode(content),
        expires_at=Millis(now + EXPIRES_MS),
    )


def summary(alerts: list[Alert], reader: Reader, now: Millis) -> Job:
    """One push for several groups, about which nothing was said in quiet hours."""
    words, first = language(reader.locale), min(alerts, key=lambda alert: alert.group.id)
    said = words.several.format(n=len(alerts))
    return Job(
        user=first.group.user,
        key=f"notifications {first.group.id} {first.window}",
        kind=first.group.kind,
        collapse="notifications",
        channels=tuple(sorted({channel for alert in alerts for channel in channels(alert)})),
        sender=None,
        notifications=tuple(alert.group.id for alert in alerts),
        body=_encode(Content(words.title, said, words.plain, reader.badge + reader.unread)),
        expires_at=Millis(now + EXPIRES_MS),
    )


def channels(alert: Alert) -> tuple[str, ...]:
    """How an alert may reach its recipient."""
    return tuple(name for name, wanted in (("email", alert.email), ("push", alert.push)) if wanted)

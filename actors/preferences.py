"""What somebody's preferences say about one notification: one pure function."""

from collections.abc import Callable

from msgspec import UNSET, Struct

from protocol.activity import Kind
from protocol.ids import ConversationId, Millis, UserId
from protocol.preferences import Channel, Preferences, QuietHours, Relation

OffsetAt = Callable[[str, Millis], int]
"""How many minutes a zone's clocks are ahead of UTC at an instant."""

DAY = 1_440
MINUTE_MS = 60_000
BY_DEFAULT: dict[Channel, bool] = {"push": True, "in_app": True, "email": False}
TOLD_BEFORE_AS: dict[Kind, Kind] = {"comment_like": "like", "reply": "comment"}
"""Kinds that came later, with those as which the same was told before. What is not set for one is as for the other: who
said no to it then need not say it again, and a client that does not know the kind cannot."""


class Decision(Struct, frozen=True, gc=False):
    """Where it is told. What is pushed or mailed waits until `not_before`."""

    listed: bool
    push: bool
    email: bool
    not_before: Millis

    @property
    def alerts(self) -> bool:
        """It is told by more than the list."""
        return self.push or self.email


def decide(
    preferences: Preferences,
    kind: Kind,
    actor: UserId | None,
    target: str | None,
    relation: Relation,
    now: Millis,
    offset_at: OffsetAt,
) -> Decision:
    """An explicit no always wins. Without `actor` or `target`, as in a group of many, none of them is muted.

    `relation` says nothing about what the system itself has to tell.
    """
    if not is_wanted(preferences, kind, actor, target, relation):
        return Decision(False, False, False, now)
    channels = preferences.channels
    wants = {**BY_DEFAULT, **channels.get(TOLD_BEFORE_AS.get(kind, kind), {}), **channels.get(kind, {})}
    paused = now < preferences.pause_until
    until = now if preferences.quiet is UNSET else quiet_until(preferences.quiet, now, offset_at)
    return Decision(wants["in_app"], wants["push"] and not paused, wants["email"] and not paused, until)


def decide_message(
    preferences: Preferences,
    kind: Kind,
    sender: UserId,
    conversation: ConversationId,
    follows: bool,
    now: Millis,
    offset_at: OffsetAt,
) -> Decision:
    """The same of a message, which those who are hidden cannot send here; the conversation is its thread.

    Who does not want to be told that they are named is told what everybody is told.
    """
    relation = Relation(follows=follows)
    decision = decide(preferences, kind, sender, conversation, relation, now, offset_at)
    if kind == "mention" and not decision.alerts:
        return decide(preferences, "message", sender, conversation, relation, now, offset_at)
    return decision


def is_wanted(
    preferences: Preferences, kind: Kind, actor: UserId | None, target: str | None, relation: Relation
) -> bool:
    """Whether it is told at all."""
    if kind == "system":
        return True
    muted = preferences.muted
    if relation.hidden or actor in muted.people or target in muted.threads:
        return False
    audience = preferences.audience.get(kind) or preferences.audience.get(TOLD_BEFORE_AS.get(kind, kind), "everyone")
    return audience == "everyone" or (audience == "following" and relation.follows)


def quiet_until(quiet: QuietHours, now: Millis, offset_at: OffsetAt) -> Millis:
    """The first moment from `now` on that is outside of these hours, by the clock on the wall; a whole minute, or now.

    Clocks that are moved before the end bring it nearer or put it off. One that is leapt over is where they leap.
    """
    if not is_quiet(quiet, now, offset_at):
        return now
    minute = now - now % MINUTE_MS
    left = (quiet.until - wall_minute(quiet.zone, now, offset_at)) % DAY
    end = minute + left * MINUTE_MS
    moved = end + (offset_at(quiet.zone, now) - offset_at(quiet.zone, Millis(end))) * MINUTE_MS
    at = Millis(max(minute, min(end, moved)))
    while is_quiet(quiet, at, offset_at):
        at = Millis(at + MINUTE_MS)
    return at


def is_quiet(quiet: QuietHours, at: Millis, offset_at: OffsetAt) -> bool:
    """Whether `at` is within these hours."""
    since = (wall_minute(quiet.zone, at, offset_at) - quiet.since) % DAY
    return since < (quiet.until - quiet.since) % DAY


def wall_minute(zone: str, at: Millis, offset_at: OffsetAt) -> int:
    """Minutes since midnight there."""
    return (at // MINUTE_MS + offset_at(zone, at)) % DAY

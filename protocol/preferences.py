"""Preferences: which notifications somebody wants, through which channel, from whom, and when (docs/protocol.md §6)."""

from typing import Annotated, Literal, get_args

from msgspec import UNSET, Meta, Struct, UnsetType

from protocol.activity import Kind
from protocol.ids import ID, Millis, UserId

Channel = Literal["push", "in_app", "email"]
Audience = Literal["everyone", "following", "nobody"]
Minute = Annotated[int, Meta(ge=0, le=1_439, description="minutes since midnight, by the clock on the wall")]
Zone = Annotated[
    str,
    Meta(min_length=1, max_length=64, pattern=r"^[A-Za-z0-9_+/-]+$(?!\n)", description="a time zone's IANA name"),
]
Thread = Annotated[
    str, Meta(min_length=1, max_length=64, pattern=r"^[^\u0000]*$(?!\n)", description="a notification's target")
]
# A schema says of keys only what it is told.
_KINDS = Meta(extra_json_schema={"propertyNames": {"enum": list(get_args(Kind))}})
_CHANNELS = Meta(extra_json_schema={"propertyNames": {"enum": list(get_args(Channel))}})
Channels = Annotated[dict[Kind, Annotated[dict[Channel, bool], _CHANNELS]], _KINDS]
Audiences = Annotated[dict[Kind, Audience], _KINDS]

MUTED = 200


class QuietHours(Struct, frozen=True, gc=False, rename={"since": "from", "until": "to"}):
    """Every day from one minute to the other, over midnight when the second is the smaller; equal ones are no time.

    Nothing is pushed then; what came meanwhile is when they end, together.
    """

    zone: Zone
    since: Minute
    until: Minute


class Muted(Struct, frozen=True, gc=False):
    """Of these people, and about these targets, nothing is told."""

    people: Annotated[tuple[Annotated[UserId, ID], ...], Meta(max_length=MUTED)] = ()
    threads: Annotated[tuple[Thread, ...], Meta(max_length=MUTED)] = ()


class Preferences(Struct, frozen=True, gc=False, omit_defaults=True):
    """What somebody has set; what is not set is: push and in_app but no e-mail, from everyone, at any time.

    Before `pause_until`, milliseconds since 1970, nothing is pushed or mailed, and not later either.
    """

    channels: Channels = {}
    audience: Audiences = {}
    quiet: QuietHours | UnsetType = UNSET
    muted: Muted = Muted()
    pause_until: Annotated[Millis, Meta(ge=0, le=2**53)] = Millis(0)


class PreferencesChange(Struct, frozen=True, gc=False, omit_defaults=True):
    """What is given replaces: channels and audience of each kind that is named, all else as a whole."""

    channels: Channels | UnsetType = UNSET
    audience: Audiences | UnsetType = UNSET
    quiet: QuietHours | UnsetType = UNSET
    muted: Muted | UnsetType = UNSET
    pause_until: Annotated[Millis, Meta(ge=0, le=2**53)] | UnsetType = UNSET


class Relation(Struct, frozen=True, gc=False):
    """How a recipient stands to an actor. `hidden`: blocked either way, or muted or restricted by the recipient."""

    hidden: bool = False
    follows: bool = False


DEFAULTS = Preferences()


def changed(preferences: Preferences, change: PreferencesChange) -> Preferences:
    """The preferences after the change."""
    channels = dict(preferences.channels)
    for kind, told in ({} if change.channels is UNSET else change.channels).items():
        channels[kind] = {**channels.get(kind, {}), **told}
    audience = {} if change.audience is UNSET else change.audience
    return Preferences(
        channels,
        {**preferences.audience, **audience},
        preferences.quiet if change.quiet is UNSET else change.quiet,
        preferences.muted if change.muted is UNSET else change.muted,
        preferences.pause_until if change.pause_until is UNSET else change.pause_until,
    )

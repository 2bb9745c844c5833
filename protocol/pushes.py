"""Pushes: what a device that is not connected shows. Rendered where the cause is known, in its reader's language."""

from msgspec import Struct


class Content(Struct, frozen=True, gc=False, omit_defaults=True):
    """`title` and `body` are shown; `plain` takes the place of both for whoever wants no content on a locked screen.

    `badge` is what the application's icon shows, absolute. `urgent` wakes a device that sleeps. `text` of a message is
    at most 200 code points.
    """

    title: str
    body: str
    plain: str
    badge: int
    urgent: bool = False

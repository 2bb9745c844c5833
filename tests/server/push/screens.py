"""What devices show: the stand-ins of providers note here what they were given."""

from collections import Counter

from msgspec import Struct


class Shown(Struct, frozen=True):
    """One notification as a device shows it. `data` is what the app is told beside it."""

    title: str
    body: str
    badge: int | None
    data: dict[str, str]


class Screens:
    """By device: a token, an endpoint's path or a mail address.

    `visible` is what stands there now, by collapse id: a later one takes the place of an earlier one, so a repeat is
    not seen. `alerts` counts how often each was given to the device, repeats included.
    """

    def __init__(self) -> None:
        self.visible: dict[str, dict[str, Shown]] = {}
        self.alerts: Counter[tuple[str, str]] = Counter()

    def show(self, device: str, collapse: str, shown: Shown) -> None:
        """A device is given this."""
        self.visible.setdefault(device, {})[collapse] = shown
        self.alerts[device, collapse] += 1

    def on(self, device: str) -> list[Shown]:
        """What a person sees who looks at this device."""
        return list(self.visible.get(device, {}).values())

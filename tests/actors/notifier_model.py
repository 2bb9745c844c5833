"""What a person is told, modelled simply: cards with what all on them have in common, and no counts but lengths."""

from collections.abc import Callable, Iterable

from msgspec import Struct, field

from protocol.activity import Activity, Kind
from protocol.groups import Key
from protocol.ids import Millis, UserId

WINDOW_MS = 30_000
OPEN_MS = 12 * 3_600_000

Wants = Callable[[Kind], bool]


class Card(Struct):
    """`fresh` are the deeds that were not told yet, `due` is when they shall be."""

    kind: Kind
    common: set[tuple[str, str]]
    opened: Millis
    updated: Millis
    deeds: set[Key] = field(default_factory=set)
    fresh: set[Key] = field(default_factory=set)
    due: Millis | None = None
    held: bool = False
    seen: bool = False


class Model:
    """One person's cards. `hidden` are people who are not shown, `told` counts pushes."""

    def __init__(self) -> None:
        self.cards: list[Card] = []
        self.hidden: set[UserId] = set()
        self.refused: set[Kind] = set()
        self.paused_until = Millis(0)
        self.told = 0
        self._last: dict[Key, int] = {}
        self._quiet: dict[Key, int] = {}

    def arrive(self, id: int, done: Activity, now: Millis) -> None:
        key = Key(done.recipient, done.kind, done.target, done.actor, done.deed)
        card = next((card for card in self.cards if key in card.deeds), None)
        if id <= self._last.get(key, 0):
            return
        if done.undone:
            self._last[key] = id
            if card:
                self._leave(card, key)
        elif card:
            self._last[key] = id
        elif done.actor not in self.hidden:
            self._last[key] = id
            self._join(key, now)

    def _leave(self, card: Card, key: Key) -> None:
        card.deeds.discard(key)
        if key not in card.fresh:
            self._quiet[key] = max(self._quiet.get(key, 0), card.opened + OPEN_MS)
        card.fresh.discard(key)
        if not card.deeds:
            self.cards.remove(card)

    def _join(self, key: Key, now: Millis) -> None:
        news = self._quiet.get(key, 0) <= now
        marks = [("target", key.target), ("actor", key.actor)]
        open = [card for card in self.cards if card.kind == key.kind and now < card.opened + OPEN_MS]
        fitting = [card for mark in marks for card in reversed(open) if mark in card.common]
        if fitting:
            card = fitting[0]
            card.common &= set(marks)
        else:
            card = Card(key.kind, set(marks), now, now, seen=not news)
            self.cards.append(card)
        card.deeds.add(key)
        if news:
            card.seen, card.updated = False, max(card.updated, now)
        if news and self._alerts(key.kind, now):
            card.fresh.add(key)
            if card.due is None:
                card.due = Millis(now if key.kind == "mention" else now + WINDOW_MS)

    def _alerts(self, kind: Kind, now: Millis) -> bool:
        return kind not in self.refused and now >= self.paused_until

    def close(self, now: Millis, loud_from: Millis) -> None:
        """`loud_from` is when quiet hours end, `now` outside of them."""
        alerts: list[Card] = []
        for card in [card for card in self.cards if card.due is not None and card.due <= now]:
            news = {key for key in card.fresh if key.actor not in self.hidden}
            if news and self._alerts(card.kind, now) and loud_from > now:
                card.due, card.held = loud_from, True
                continue
            if news and self._alerts(card.kind, now):
                alerts.append(card)
            card.fresh, card.due = set(), None
        held = [card for card in alerts if card.held]
        self.told += len(alerts) - max(0, len(held) - 1)
        for card in self.cards:
            card.held = card.held and card.due is not None

    def see(self, up_to: Millis) -> None:
        for card in self.cards:
            if not card.seen and card.updated <= up_to:
                card.seen, card.fresh, card.due, card.held = True, set(), None, False

    def shown(self) -> list[tuple[Kind, int, bool]]:
        """Kind, distinct others, and whether it was seen, of each card that somebody visible is on."""
        found = ((card.kind, len(distinct(card.deeds, self.hidden)), card.seen) for card in self.cards)
        return sorted(one for one in found if one[1])


def distinct(deeds: Iterable[Key], hidden: set[UserId]) -> set[tuple[str, UserId]]:
    """Whoever did it to whatever, each pair once."""
    return {(key.target, key.actor) for key in deeds if key.actor not in hidden}

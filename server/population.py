"""Who lives on this node: every activation by its address, and the rest of those who have nothing to do."""

import asyncio
import itertools
from collections.abc import Callable, Iterable, Iterator

from actors.effects import Address
from protocol.ids import Millis
from server.activation import Activation, Actor, Kind, Mail

SWEEP = 1_024
EVERY_S = 0.25


class Population:
    """Activations of the given kinds. `clock` gives milliseconds since 1970.

    When there are `most` of them it is full: whoever asks for one more is answered `unavailable`.
    """

    def __init__(self, kinds: Iterable[Kind], clock: Callable[[], Millis], most: int = 200_000) -> None:
        self._kinds = {kind.name: kind for kind in kinds}
        self._live: dict[str, dict[str | int, Activation]] = {name: {} for name in self._kinds}
        self._clock = clock
        self._most = most
        # Since when, by the loop's clock; the first is the oldest.
        self._untold: dict[Activation, float] = {}
        self.lately = clock()
        """The time, as of the last look at who may rest; one int for all who keep it."""

    def __iter__(self) -> Iterator[Activation]:
        return itertools.chain.from_iterable(map(dict.values, self._live.values()))

    def __len__(self) -> int:
        return sum(map(len, self._live.values()))

    @property
    def full(self) -> bool:
        return len(self) >= self._most

    def keys(self, kind: str) -> list[str | int]:
        """Who of this kind lives here."""
        return list(self._live[kind])

    def get(self, address: Address) -> Activation | None:
        return self._live[address.kind].get(address.key)

    def add(self, address: Address, mail: Mail) -> Activation:
        """A new activation, not loaded yet, with its first mail."""
        activation = Activation(self._kinds[address.kind], address.key, self.lately)
        activation.post(mail)
        self._live[address.kind][address.key] = activation
        return activation

    def commits(self, activation: Activation) -> None:
        """From now on it may have made something durable that nobody was told of."""
        self._untold.setdefault(activation, asyncio.get_running_loop().time())

    def told(self, activation: Activation) -> None:
        """All that it made durable has been told."""
        self._untold.pop(activation, None)

    @property
    def untold_since(self) -> float | None:
        """What was made durable before that moment of the loop's clock has been told; None: everything has."""
        return next(iter(self._untold.values()), None)

    def forget(self, activation: Activation) -> None:
        self.told(activation)
        activation.stop_timers()
        activation.generation += 1
        live = self._live[activation.kind.name]
        if live.get(activation.key) is activation:
            del live[activation.key]

    def actors(self, kind: str) -> list[Actor]:
        """All of one kind that are not being loaded."""
        return [activation.actor for activation in self._live[kind].values() if activation.actor]

    def waiting(self) -> int:
        """Commands in all mailboxes."""
        return sum(len(activation.mailbox or ()) for activation in self)

    async def let_rest(self) -> None:
        """Now and then let those go that may, a few at a time so that no turn is long; serve until cancelled."""
        while True:
            activations = list(self)
            for start in range(0, len(activations), SWEEP):
                self._rest(activations[start : start + SWEEP])
                await asyncio.sleep(EVERY_S)
            self._rest(())
            await asyncio.sleep(EVERY_S)

    def _rest(self, activations: Iterable[Activation]) -> None:
        self.lately = self._clock()
        for activation in activations:
            if activation.may_rest(self.lately):
                self.forget(activation)

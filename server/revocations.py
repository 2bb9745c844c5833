"""Which logins were revoked lately: every node asks the store each half second and closes what lives on them.

An access token outlives its login's revocation by at most its own life, so that is how far back each question goes, and
further by the time since the last answer. All of it is asked again every time: a revocation that was committed late is
then missed by no poll, and the answer is short. Bounds are spans of time, so no two clocks are compared.
"""

import asyncio
from collections.abc import Awaitable, Callable

from persistence.faults import UnavailableError
from persistence.people.contract import PeopleStore
from protocol.ids import LoginId
from server.outage import Outage

POLL_S = 0.5
SLACK_MS = 60_000
"""Covers a token signed while its login was being revoked, and a revocation that was long in committing."""


class Revocations:
    """The revoked logins whose tokens may still be about.

    `on_revoked` is called once for each, also for those revoked here. Await `poll` once before the first token is
    accepted; `monotonic` is in seconds.
    """

    def __init__(
        self,
        store: PeopleStore,
        on_revoked: Callable[[LoginId], None],
        life_s: int,
        monotonic: Callable[[], float],
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._store = store
        self._on_revoked = on_revoked
        self._kept_ms = life_s * 1_000 + SLACK_MS
        self._monotonic = monotonic
        self._sleep = sleep
        self._until: dict[LoginId, float] = {}
        self._answered = monotonic()
        self._outage = Outage("revocations cannot be read")

    def is_revoked(self, login: LoginId) -> bool:
        """False also for a login that was revoked so long ago that no token of it is good any more."""
        return login in self._until

    def apply(self, login: LoginId) -> None:
        """A login was revoked on this node: it ends here at once."""
        if login not in self._until:
            self._until[login] = self._monotonic() + self._kept_ms / 1_000
            self._on_revoked(login)

    async def poll(self) -> None:
        """Ask once. Raises `UnavailableError`; the next question then goes back as far as this one should have."""
        asked = self._monotonic()
        revoked = await self._store.revoked_since(self._kept_ms + round((asked - self._answered) * 1_000))
        self._answered = asked
        for login in revoked:
            self.apply(login)
        for login in [login for login, until in self._until.items() if until <= asked and login not in revoked]:
            del self._until[login]

    async def run(self) -> None:
        """Poll for ever; while the store is away, what is known stays in force."""
        while True:
            try:
                await self.poll()
            except UnavailableError as fault:
                self._outage.goes_on(fault)
            else:
                self._outage.is_over()
            await self._sleep(POLL_S)

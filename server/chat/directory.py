"""Names for ids and ids for names, asked over HTTP once each: for programs that show people to people."""

from collections.abc import Awaitable

from tidings_client import Login, Profile, Profiles, Refused


class Directory:
    """Profiles as one login sees them. Raises OSError when the server cannot be reached or is in trouble,
    AuthenticationFailed when the login is over."""

    def __init__(self, login: Login) -> None:
        self._profiles = Profiles(login)
        self._names: dict[str, str] = {}

    async def name(self, user: str) -> str:
        """The username; the id itself of somebody who does not exist any more."""
        if user not in self._names:
            found = await _found(self._profiles.of(user))
            self._names[user] = found.username if found else user
        return self._names[user]

    async def user(self, name: str) -> str | None:
        """The id of a username."""
        found = await _found(self._profiles.named(name))
        return found.user if found else None


async def _found(asked: Awaitable[Profile]) -> Profile | None:
    """What is there; None if nothing is, or could be."""
    try:
        return await asked
    except Refused as refusal:
        if refusal.code in ("not_found", "bad_request"):
            return None
        raise OSError(str(refusal)) from refusal

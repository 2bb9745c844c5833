"""What is kept of people: who has an account, and on which devices they are signed in. One suite judges both twins."""

from collections.abc import Collection, Sequence
from typing import Protocol

from msgspec import UNSET, Struct, UnsetType

from protocol.ids import LoginId, Millis, UserId
from protocol.people import Setting
from protocol.requests import Device

LOGINS = 100
"""Logins one account can have at once; a further one revokes the one that was unused for longest."""
SETTINGS = 64
"""Settings one account can have."""


class Account(Struct, frozen=True, gc=False):
    """`password_hash` is None for who cannot sign in by password. `private` is set by `GraphStore.set_private`."""

    id: UserId
    username: str
    name: str | None
    email: str | None
    password_hash: str | None
    settings: dict[str, Setting]
    created_at: Millis
    private: bool = False


class NewAccount(Struct, frozen=True, gc=False):
    """Somebody who signs up; `password_hash` is None for who cannot sign in by password."""

    username: str
    password_hash: str | None = None
    name: str | None = None
    email: str | None = None


class ProfileChange(Struct, frozen=True, gc=False):
    """What is set replaces; None removes. Settings are merged by key."""

    name: str | UnsetType | None = UNSET
    email: str | UnsetType | None = UNSET
    settings: dict[str, Setting] | UnsetType = UNSET


class Login(Struct, frozen=True, gc=False):
    """One sign-in that is not revoked; `last_used_at` is when its refresh token was last exchanged."""

    id: LoginId
    device: Device | None
    created_at: Millis
    last_used_at: Millis


class Refresh(Struct, frozen=True, gc=False):
    """A refresh token as it is stored: the SHA-256 of its two parts. `family` stays for the login's life."""

    family: bytes
    secret: bytes


class Successor(Struct, frozen=True, gc=False):
    """The next secret's digest, and the secret itself sealed so that only the token it replaces opens it."""

    secret: bytes
    sealed: bytes


class SignedIn(Struct, frozen=True, gc=False):
    """A user, and the login that was just made or used."""

    user: UserId
    login: LoginId


class Rotated(Struct, frozen=True, gc=False):
    """The successor is now the token of this login."""

    signed_in: SignedIn


class Repeated(Struct, frozen=True, gc=False):
    """The token was exchanged moments ago: `sealed` holds the successor of that time, which still stands."""

    signed_in: SignedIn
    sealed: bytes


class Reused(Struct, frozen=True, gc=False):
    """A token that was exchanged before came back: two hold it, so the login is revoked now."""

    signed_in: SignedIn


Rotation = Rotated | Repeated | Reused


class PeopleStore(Protocol):
    """Every method raises `UnavailableError`. Usernames are ASCII and unique whatever their case."""

    async def sign_up(self, person: NewAccount, refresh: Refresh, device: Device | None) -> SignedIn | None:
        """An account on a shard drawn at random, and its first login, or neither: None if the username is taken."""

    async def account(self, id: UserId) -> Account | None:
        """The account with this id."""

    async def account_named(self, username: str) -> Account | None:
        """The account with this username, in whatever case it is written."""

    async def existing(self, ids: Collection[UserId]) -> set[UserId]:
        """Those of the ids that have an account."""

    async def change(self, id: UserId, change: ProfileChange) -> Account | None:
        """The account after the change. None, and nothing changed, without such an account or above SETTINGS."""

    async def sign_in(self, user: UserId, refresh: Refresh, device: Device | None) -> SignedIn:
        """A further login of an account that exists."""

    async def rotate(self, presented: Refresh, successor: Successor, idle_ms: int) -> Rotation | None:
        """Exchange a refresh token, atomically (see `persistence.people.rotation`).

        None: no such family, the login is revoked, or it was not used for `idle_ms`.
        """

    async def revoke(self, user: UserId, login: LoginId) -> bool:
        """End a login for ever; True also when it was ended before, False if the user has and had no such login."""

    async def logins(self, user: UserId) -> list[Login]:
        """Those not revoked, the most recently used first; at most LOGINS."""

    async def revoked_since(self, ago_ms: int) -> frozenset[LoginId]:
        """Logins revoked in the last `ago_ms`, by the store's clock."""

    async def mint(self, people: Sequence[tuple[str, Refresh]]) -> dict[str, SignedIn]:
        """A login for each username, at most 5,000 of them, all different, and an account without a password where
        there is none.

        By username as given. One whose account has a password is left out: minting must not open what a person made.
        """

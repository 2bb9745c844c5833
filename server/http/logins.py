"""Signing up, in and out. A wrong password and an unknown username are answered alike, and after the same time."""

from collections.abc import Mapping
from typing import assert_never

from msgspec import UNSET, UnsetType

from persistence.people.contract import NewAccount, Repeated, Reused, Rotated, SignedIn
from protocol.errors import Refusal
from protocol.people import Credentials, Logins, LoginShown, RefreshLogin, SignIn, SignUp
from protocol.replies import Done
from server.http.services import Answer, Call, Handler, OpenHandler, Services
from server.refreshing import RefreshToken, new_token, parse
from server.tokens import Caller

TAKEN = Refusal("conflict_state", "username: this one is taken")
WRONG = Refusal("unauthenticated", "the username or the password is wrong")
VOID = Refusal("unauthenticated", "refresh_token: not valid, sign in again")
NO_SUCH_LOGIN = Refusal("not_found", "there is no such login")


async def sign_up(services: Services, call: Call) -> Answer:
    asked: SignUp = call.body
    if refusal := call.spend_username(asked.username):
        return refusal
    stored = await services.passwords.hash(asked.password)
    if isinstance(stored, Refusal):
        return stored
    token = new_token(services.random)
    person = NewAccount(asked.username, stored, _given(asked.name), _given(asked.email))
    signed_in = await services.people.sign_up(person, token.stored, None)
    return TAKEN if signed_in is None else _credentials(services, signed_in, token)


async def sign_in(services: Services, call: Call) -> Answer:
    asked: SignIn = call.body
    if refusal := call.spend_username(asked.username):
        return refusal
    # Usernames are ASCII: what merely folds to one, like the Kelvin sign to k, is nobody's.
    account = await services.people.account_named(asked.username) if asked.username.isascii() else None
    right = await services.passwords.matches(asked.password, None if account is None else account.password_hash)
    if isinstance(right, Refusal):
        return right
    if account is None or not right:
        return WRONG
    token = new_token(services.random)
    device = None if asked.device is UNSET else asked.device
    return _credentials(services, await services.people.sign_in(account.id, token.stored, device), token)


async def refresh(services: Services, call: Call) -> Answer:
    asked: RefreshLogin = call.body
    if (presented := parse(asked.refresh_token)) is None:
        return VOID
    successor = RefreshToken(presented.family, new_token(services.random).secret)
    idle_ms = services.refresh_s * 1_000
    rotation = await services.people.rotate(presented.stored, presented.sealed(successor), idle_ms)
    match rotation:
        case Rotated(signed_in):
            return _credentials(services, signed_in, successor)
        case Repeated(signed_in, sealed):
            return _credentials(services, signed_in, presented.open(sealed))
        case Reused(signed_in):
            services.revocations.apply(signed_in.login)
            return VOID
        case None:
            return VOID
        case _:
            assert_never(rotation)


async def list_logins(services: Services, caller: Caller, call: Call) -> Answer:
    return Logins(
        [
            LoginShown(login.id, login.created_at, login.last_used_at, login.id == caller.login, login.device or UNSET)
            for login in await services.people.logins(caller.user)
        ]
    )


async def revoke(services: Services, caller: Caller, call: Call) -> Answer:
    if not await services.people.revoke(caller.user, call.place.id):
        return NO_SUCH_LOGIN
    services.revocations.apply(call.place.id)
    return Done()


async def revoke_current(services: Services, caller: Caller, call: Call) -> Answer:
    await services.people.revoke(caller.user, caller.login)
    services.revocations.apply(caller.login)
    return Done()


OPEN_LOGIN_HANDLERS: Mapping[str, OpenHandler] = {
    "account.create": sign_up,
    "login.create": sign_in,
    "login.refresh": refresh,
}
LOGIN_HANDLERS: Mapping[str, Handler] = {
    "login.list": list_logins,
    "login.revoke": revoke,
    "login.revoke_current": revoke_current,
}


def _given(value: str | UnsetType) -> str | None:
    return None if value is UNSET or value == "" else value


def _credentials(services: Services, signed_in: SignedIn, refreshing: RefreshToken) -> Credentials:
    access = services.tokens.issue(signed_in.user, signed_in.login)
    return Credentials(signed_in.user, access, str(refreshing), services.tokens.life_s)

"""Signing up, in and out. A wrong password and an unknown username are answered alike, and after the same time."""

from collections.abc import Mapping
from typing import assert_never

from msgspec import UNSET

from persistence.people.contract import NewAccount, Repeated, Reused, Rotated, SignedIn
from protocol.errors import Refusal
from protocol.people import Credentials, Logins, LoginShown, RefreshLogin, SignIn, SignUp
from protocol.replies import Done
from protocol.unset import or_none
from server.http.handling import Answer, Call, Handler, OpenHandler
from server.http.services import Services
from server.refreshing import RefreshToken, new_token, parse
from server.tokens import Caller

TAKEN = Refusal("conflict_state", "username: this one is taken")
WRONG = Refusal("unauthenticated", "the username or the password is wrong")
VOID = Refusal("unauthenticated", "refresh_token: not valid, sign in again")
NO_SUCH_LOGIN = Refusal("not_found", "there is no such login")


async def _sign_up(services: Services, call: Call) -> Answer:
    asked: SignUp = call.body
    if refusal := call.spend_username(asked.username):
        return refusal
    stored = await services.accounts.passwords.hash(asked.password)
    if isinstance(stored, Refusal):
        return stored
    token = new_token(services.accounts.random)
    person = NewAccount(asked.username, stored, or_none(asked.name) or None, or_none(asked.email) or None)
    signed_in = await services.accounts.people.sign_up(person, token.stored, None)
    return TAKEN if signed_in is None else _credentials(services, signed_in, token)


async def _sign_in(services: Services, call: Call) -> Answer:
    asked: SignIn = call.body
    if refusal := call.spend_username(asked.username):
        return refusal
    # Usernames are ASCII: what merely folds to one, like the Kelvin sign to k, is nobody's.
    people, passwords = services.accounts.people, services.accounts.passwords
    account = await people.account_named(asked.username) if asked.username.isascii() else None
    right = await passwords.matches(asked.password, None if account is None else account.password_hash)
    if isinstance(right, Refusal):
        return right
    if account is None or not right:
        return WRONG
    token = new_token(services.accounts.random)
    signed_in = await people.sign_in(account.id, token.stored, or_none(asked.device))
    return _credentials(services, signed_in, token)


async def _refresh(services: Services, call: Call) -> Answer:
    asked: RefreshLogin = call.body
    if (presented := parse(asked.refresh_token)) is None:
        return VOID
    successor = RefreshToken(presented.family, new_token(services.accounts.random).secret)
    idle_ms = services.accounts.refresh_s * 1_000
    rotation = await services.accounts.people.rotate(presented.stored, presented.sealed(successor), idle_ms)
    match rotation:
        case Rotated(signed_in):
            return _credentials(services, signed_in, successor)
        case Repeated(signed_in, sealed):
            return _credentials(services, signed_in, presented.open(sealed))
        case Reused(signed_in):
            services.accounts.revocations.apply(signed_in.login)
            return VOID
        case None:
            return VOID
        case _:
            assert_never(rotation)


async def _list_logins(services: Services, caller: Caller, call: Call) -> Answer:
    return Logins(
        [
            LoginShown(login.id, login.created_at, login.last_used_at, login.id == caller.login, login.device or UNSET)
            for login in await services.accounts.people.logins(caller.user)
        ]
    )


async def _revoke(services: Services, caller: Caller, call: Call) -> Answer:
    if not await services.accounts.people.revoke(caller.user, call.place.id):
        return NO_SUCH_LOGIN
    services.accounts.revocations.apply(call.place.id)
    return Done()


async def _revoke_current(services: Services, caller: Caller, call: Call) -> Answer:
    await services.accounts.people.revoke(caller.user, caller.login)
    services.accounts.revocations.apply(caller.login)
    return Done()


OPEN_LOGIN_HANDLERS: Mapping[str, OpenHandler] = {
    "account.create": _sign_up,
    "login.create": _sign_in,
    "login.refresh": _refresh,
}
LOGIN_HANDLERS: Mapping[str, Handler] = {
    "login.list": _list_logins,
    "login.revoke": _revoke,
    "login.revoke_current": _revoke_current,
}


def _credentials(services: Services, signed_in: SignedIn, refreshing: RefreshToken) -> Credentials:
    access = services.accounts.tokens.issue(signed_in.user, signed_in.login)
    return Credentials(signed_in.user, access, str(refreshing), services.accounts.tokens.life_s)

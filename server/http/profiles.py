"""Profiles: mine, and what others may see of somebody."""

from collections.abc import Mapping

from msgspec import UNSET, UnsetType

from persistence.people.contract import SETTINGS, Account, ProfileChange
from protocol.errors import Refusal
from protocol.people import MyProfile, Profile, ProfilePatch
from server.http.services import Answer, Call, Handler, Services
from server.tokens import Caller

NO_SUCH_USER = Refusal("not_found", "there is no such user")
NO_ACCOUNT = Refusal("unauthenticated", "the account of this token does not exist")
TOO_MANY_SETTINGS = Refusal("too_large", f"settings: {SETTINGS} at most")


async def show_me(services: Services, caller: Caller, call: Call) -> Answer:
    account = await services.people.account(caller.user)
    return NO_ACCOUNT if account is None else _mine(account)


async def change_me(services: Services, caller: Caller, call: Call) -> Answer:
    patch: ProfilePatch = call.body
    change = ProfileChange(_or_none(patch.name), _or_none(patch.email), patch.settings)
    account = await services.people.change(caller.user, change)
    return TOO_MANY_SETTINGS if account is None else _mine(account)


async def show_user(services: Services, caller: Caller, call: Call) -> Answer:
    return _shown(await services.people.account(call.place.id))


async def show_user_named(services: Services, caller: Caller, call: Call) -> Answer:
    return _shown(await services.people.account_named(call.place.name))


PROFILE_HANDLERS: Mapping[str, Handler] = {
    "me.get": show_me,
    "me.change": change_me,
    "user.get": show_user,
    "user.get_by_username": show_user_named,
}


def _or_none(value: str | UnsetType) -> str | UnsetType | None:
    return None if value == "" else value


def _mine(account: Account) -> MyProfile:
    return MyProfile(account.id, account.username, account.settings, account.name or UNSET, account.email or UNSET)


def _shown(account: Account | None) -> Answer:
    return NO_SUCH_USER if account is None else Profile(account.id, account.username, account.name or UNSET)

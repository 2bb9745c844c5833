"""Profiles: mine, and what others may see of somebody."""

from collections.abc import Mapping

import msgspec
from msgspec import UNSET, UnsetType

from persistence.graph.contract import ACCEPTED_AT_ONCE
from persistence.people.contract import SETTINGS, Account, ProfileChange
from protocol.errors import UNAVAILABLE, Refusal
from protocol.people import MyProfile, ProfilePatch
from server.http.handling import Answer, Call, Handler
from server.http.services import Services
from server.refusals import NO_SUCH_USER
from server.tokens import Caller

NO_ACCOUNT = Refusal("unauthenticated", "the account of this token does not exist")
PUBLISH_S = 2.0
"""For how long one request accepts those that wait for somebody who is no more private."""
TOO_MANY_SETTINGS = Refusal("too_large", f"settings: {SETTINGS} at most")


async def _show_me(services: Services, caller: Caller, call: Call) -> Answer:
    account = await services.accounts.people.account(caller.user)
    return NO_ACCOUNT if account is None else _mine(account)


async def _change_me(services: Services, caller: Caller, call: Call) -> Answer:
    patch: ProfilePatch = call.body
    change = ProfileChange(_or_none(patch.name), _or_none(patch.email), patch.settings)
    account = await services.accounts.people.change(caller.user, change)
    if account is None:
        return TOO_MANY_SETTINGS
    if patch.private is UNSET:
        return _mine(account)
    if not await _set_private(services, caller, patch.private):
        return UNAVAILABLE
    services.relations.changed(caller.user, None)
    return _mine(msgspec.structs.replace(account, private=patch.private))


async def _set_private(services: Services, caller: Caller, private: bool) -> bool:
    """False: so many wait that the rest are accepted when the request is repeated."""
    until = services.monotonic() + PUBLISH_S
    relations = services.relations
    while True:
        accepted = await relations.graph.set_private(caller.user, private)
        relations.trays.accepted(caller.user, accepted)
        for them in accepted:
            relations.changed(caller.user, them)
        if len(accepted) < ACCEPTED_AT_ONCE:
            return True
        if services.monotonic() > until:
            return False


async def _show_user(services: Services, caller: Caller, call: Call) -> Answer:
    return await services.relations.graph.profile(caller.user, call.place.id) or NO_SUCH_USER


async def _show_user_named(services: Services, caller: Caller, call: Call) -> Answer:
    return await services.relations.graph.profile_named(caller.user, call.place.name) or NO_SUCH_USER


PROFILE_HANDLERS: Mapping[str, Handler] = {
    "me.get": _show_me,
    "me.change": _change_me,
    "user.get": _show_user,
    "user.get_by_username": _show_user_named,
}


def _or_none(value: str | UnsetType) -> str | UnsetType | None:
    return None if value == "" else value


def _mine(account: Account) -> MyProfile:
    return MyProfile(
        account.id,
        account.username,
        account.settings,
        account.name or UNSET,
        account.email or UNSET,
        account.private,
    )

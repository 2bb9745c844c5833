"""The graph over HTTP: where I stand with somebody, what I do about it, and my lists of people."""

from collections.abc import Mapping
from functools import partial
from typing import get_args

from persistence.graph.contract import LIMITS, Deed, GraphRefusal, Names, Others
from protocol.errors import Refusal
from protocol.graph import PeopleQuery, Relation, Suggested, Suggestions
from protocol.ids import UserId
from protocol.unset import or_none
from server.http.handling import Answer, Call, Handler
from server.http.services import Relations, Services
from server.refusals import NO_SUCH_USER
from server.stories.relating import ENDS
from server.tokens import Caller

MYSELF = Refusal("bad_request", "id: that is you: name somebody else")

# The same for who does not exist, who blocks me, and who shows their lists only to who follows them.
NO_SUCH_LIST = Refusal("not_found", "there is no such user, or their lists are not for you")

_REFUSALS: Mapping[GraphRefusal, Refusal] = {
    "absent": NO_SUCH_USER,
    "blocked": Refusal("conflict_state", "you block this person: unblock them first"),
    "no request": Refusal("not_found", "there is no request of this person"),
}
_FULL: Mapping[Deed, Names] = {
    "follow": "following",
    "block": "block",
    "mute": "mute",
    "restrict": "restrict",
    "befriend": "close_friend",
}
_LISTS: Mapping[str, Names] = {
    "graph.followers": "followers",
    "graph.following": "following",
    "graph.requests": "requests",
    "graph.blocked": "block",
    "graph.muted": "mute",
    "graph.restricted": "restrict",
    "graph.close_friends": "close_friend",
}


async def _do(deed: Deed, services: Services, caller: Caller, call: Call) -> Answer:
    if call.place.id == caller.user:
        return MYSELF
    me, them, relations = caller.user, call.place.id, services.relations
    before = await relations.graph.relation(me, them) if deed in ENDS else None
    done = await relations.graph.change(me, them, deed)
    if isinstance(done, str):
        return _too_many(LIMITS[_FULL[deed]]) if done == "full" else _REFUSALS[done]
    relations.trays.related(deed, me, them, before)
    if deed in ("block", "unblock"):
        relations.fenced(await relations.graph.fence(me, them))
    relations.changed(me, them)
    return done


def _too_many(limit: int) -> Refusal:
    return Refusal("conflict_state", f"this list of yours has {limit:,} people, the most there may be: remove somebody")


async def _show_relation(services: Services, caller: Caller, call: Call) -> Answer:
    if call.place.id == caller.user:
        return MYSELF
    return await services.relations.graph.relation(caller.user, call.place.id) or NO_SUCH_USER


async def _list(names: Names, services: Services, caller: Caller, call: Call) -> Answer:
    query: PeopleQuery = call.query
    return await services.relations.graph.page(caller.user, names, or_none(query.before), query.limit)


async def _list_of(names: Others, services: Services, caller: Caller, call: Call) -> Answer:
    query: PeopleQuery = call.query
    page = await services.relations.graph.others(caller.user, call.place.id, names, or_none(query.before), query.limit)
    return page or NO_SUCH_LIST


async def _suggest(services: Services, caller: Caller, call: Call) -> Answer:
    relations, limit = services.relations, call.query.limit
    found = await relations.graph.suggestions(caller.user, limit)
    return Suggestions(found or await _introduced(relations, caller.user, limit))


async def _introduced(relations: Relations, me: UserId, limit: int) -> list[Suggested]:
    found: list[Suggested] = []
    for name in dict.fromkeys(name.lower() for name in relations.introduce):
        them = await relations.graph.profile_named(me, name)
        stands = await relations.graph.relation(me, them.id) if them and them.id != me else None
        if them and stands and _is_new(stands):
            found.append(Suggested(them.id, them.username, 0, (), them.name))
        if len(found) == limit:
            break
    return found


def _is_new(stands: Relation) -> bool:
    """Whether I have decided nothing about them yet."""
    return stands.state == "none" and not (stands.blocked or stands.muted or stands.restricted)


_DEEDS: tuple[Deed, ...] = get_args(Deed)
GRAPH_HANDLERS: Mapping[str, Handler] = {
    "graph.relation": _show_relation,
    **{f"graph.{deed}": partial(_do, deed) for deed in _DEEDS},
    **{f"user.{names}": partial(_list_of, names) for names in get_args(Others)},
    "graph.suggestions": _suggest,
    **{route: partial(_list, names) for route, names in _LISTS.items()},
}
"""Each deed has the route of its name."""

"""Likes, saves and comments over HTTP."""

from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from typing import Any, get_args

from persistence.engagement import comments, lists
from persistence.engagement.marks import Deed
from persistence.pool import Pool
from protocol.engagement import Commented, Comments, CommentsQuery, NewComment, RepliesQuery
from protocol.errors import ID_REUSED, Refusal
from protocol.graph import People
from protocol.ids import UserId
from protocol.posts import Posts
from protocol.replies import Done
from protocol.unset import or_none
from server.http.handling import Answer, Call, Handler
from server.http.services import Services
from server.refusals import NO_SUCH_POST
from server.tokens import Caller

NO_SUCH_COMMENT = Refusal("not_found", "there is no such comment")
NOTHING_TO_COMMENT = Refusal("not_found", "there is no such post, or no such comment of it")
NOT_YOURS = Refusal("forbidden", "this comment is for its author or the post's to delete")

_Read = Callable[[Pool, UserId, Any, str | None, int], Awaitable[People | Comments | None]]
"""The page of a list of one thing before a cursor; None: there is no such thing for whoever asks."""


async def _mark(deed: Deed, absent: Refusal, services: Services, caller: Caller, call: Call) -> Answer:
    return await services.contents.engagement.mark(deed, caller.user, call.place.id) or absent


async def _page(read: _Read, absent: Refusal, services: Services, caller: Caller, call: Call) -> Answer:
    before, limit = or_none(call.query.before), call.query.limit
    return await read(services.contents.engagement.pool, caller.user, call.place.id, before, limit) or absent


async def _get_comment(services: Services, caller: Caller, call: Call) -> Answer:
    return await comments.get(services.contents.engagement.pool, caller.user, call.place.id) or NO_SUCH_COMMENT


async def _replies(services: Services, caller: Caller, call: Call) -> Answer:
    query: RepliesQuery = call.query
    pool, after = services.contents.engagement.pool, or_none(query.after)
    return await lists.replies(pool, caller.user, call.place.id, after, query.limit) or NO_SUCH_COMMENT


async def _saved(services: Services, caller: Caller, call: Call) -> Answer:
    query: CommentsQuery = call.query
    engagement = services.contents.engagement
    posts, after = await lists.saved(engagement.pool, caller.user, or_none(query.before), query.limit)
    return Posts(await engagement.posts.read(caller.user, posts), after)


async def _comment(services: Services, caller: Caller, call: Call) -> Answer:
    new: NewComment = call.body
    made = await comments.make(services.contents.engagement.pool, caller.user, call.place.id, new)
    if made is None:
        return NOTHING_TO_COMMENT
    if made.digest != new.digest(call.place.id):
        return ID_REUSED
    return Commented(made.comment, made.again)


async def _delete_comment(services: Services, caller: Caller, call: Call) -> Answer:
    judged = await comments.delete(services.contents.engagement.pool, caller.user, call.place.id)
    return Done() if judged == "deleted" else NOT_YOURS if judged == "forbidden" else NO_SUCH_COMMENT


_DEEDS: tuple[Deed, ...] = get_args(Deed)
ENGAGEMENT_HANDLERS: Mapping[str, Handler] = {
    **{
        f"engagement.{deed}": partial(_mark, deed, NO_SUCH_COMMENT if deed.endswith("comment") else NO_SUCH_POST)
        for deed in _DEEDS
    },
    "engagement.likers": partial(_page, lists.likers, NO_SUCH_POST),
    "engagement.comments": partial(_page, lists.threads, NO_SUCH_POST),
    "engagement.replies": _replies,
    "engagement.comment_likers": partial(_page, lists.comment_likers, NO_SUCH_COMMENT),
    "engagement.get_comment": _get_comment,
    "engagement.saved": _saved,
    "engagement.comment": _comment,
    "engagement.delete_comment": _delete_comment,
}
"""Each deed has the route of its name."""

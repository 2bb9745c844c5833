"""Likes and saves: edges between people and things, many of which are put or ended by one statement.

An edge is there once, so repeats change nothing; what does change is counted and told in the same statement. Nobody
waits for anybody, but for who changes the very same edge.
"""

from collections.abc import Sequence
from typing import Literal

from msgspec import Struct

from persistence.pool import Pool, fetch
from persistence.privacy import COMMENT, POST
from persistence.tallies.fragments import APPEND, NEAR
from protocol.activity import ACTIVITY, Kind
from protocol.engagement import CommentMarks, PostMarks
from protocol.ids import UserId

WITHIN_S = 2.0
Deed = Literal["like", "unlike", "save", "unsave", "like_comment", "unlike_comment"]


class Edges(Struct, frozen=True):
    """What is liked or saved, in which table, and as what that is told; what nobody is told is not counted either.
    Once the thing no more `lasts`, its edges are cleared away."""

    edges: str
    thing: str
    seen: str
    lasts: str
    told: Kind | None


_POST_LASTS = "x.state <> 'deleted'"
_LIKES = Edges("post_like", "post", POST, _POST_LASTS, told="like")
_SAVES = Edges("post_save", "post", POST, _POST_LASTS, told=None)
_COMMENT_LIKES = Edges("comment_like", "comment", COMMENT, "x.deleted_at is null", told="comment_like")

# Who may not see the thing is in no row of `seen`. Edges are locked in one order by everybody.
_SEEN = """
with seen as materialized (
  select w.n, w.viewer, x.id from unnest($1::bigint[], $2::bigint[]) with ordinality w (viewer, id, n)
  join {thing} x on x.id = w.id where {condition} order by x.id, w.viewer),"""
_PUT = """
changed as (
  insert into {edges} ({thing}, user_id) select id, viewer from seen
  on conflict do nothing returning {thing} as id, user_id as viewer)"""
# What is mine I may take back also of what I see no more; the answer says nothing of that.
_END = """
mine as materialized (
  select w.viewer, x.id from unnest($1::bigint[], $2::bigint[]) w (viewer, id)
  join {thing} x on x.id = w.id where {lasts} order by x.id, w.viewer),
changed as (
  delete from {edges} e using mine s where e.{thing} = s.id and e.user_id = s.viewer
  returning e.{thing} as id, e.user_id as viewer)"""
_TOLD = f""",
counted as ({APPEND} select id, 'likes', {{sign}} count(*)::int from changed group by id),
told as (
  insert into outbox (topic, body)
  select '{ACTIVITY}', activity('{{kind}}', c.viewer, x.author, x.id, '', '', {{undone}}, statement_timestamp())
  from changed c join {{thing}} x on x.id = c.id where x.author <> c.viewer)"""
_LIKES_NOW = f"{NEAR.format(thing='s.id', kind='likes')} {{sign}} (select count(*) from changed c where c.id = s.id)"
_POST_ANSWER = f"""
select array_agg(s.n), {{likes}}, {NEAR.format(thing="s.id", kind="comments")},
  array_agg({{liked}}), array_agg({{saved}})
from seen s group by s.id"""
_COMMENT_ANSWER = "select array_agg(s.n), {likes} from seen s group by s.id"
_LIKED = "exists (select from post_like l where l.post = s.id and l.user_id = s.viewer offset 0)"
_SAVED = "exists (select from post_save l where l.user_id = s.viewer and l.post = s.id offset 0)"


def _statement(edges: Edges, on: bool) -> str:
    """One statement that puts or ends such edges, and answers how the things stand for each who asked."""
    sign, likes = "+" if on else "-", NEAR.format(thing="s.id", kind="likes")
    told = _TOLD.format(sign=sign, undone=not on, thing=edges.thing, kind=edges.told) if edges.told else ""
    if edges.told:
        likes = _LIKES_NOW.format(sign=sign)
    if edges is _COMMENT_LIKES:
        answer = _COMMENT_ANSWER.format(likes=likes)
    else:
        liked, saved = (str(on), _SAVED) if edges is _LIKES else (_LIKED, str(on))
        answer = _POST_ANSWER.format(likes=likes, liked=liked, saved=saved)
    condition = edges.seen.format(viewer="w.viewer", **{edges.thing: "x"})
    change = (_PUT if on else _END).format(edges=edges.edges, thing=edges.thing, lasts=edges.lasts)
    return _SEEN.format(thing=edges.thing, condition=condition) + change + told + answer


STATEMENTS: dict[Deed, str] = {
    "like": _statement(_LIKES, True),
    "unlike": _statement(_LIKES, False),
    "save": _statement(_SAVES, True),
    "unsave": _statement(_SAVES, False),
    "like_comment": _statement(_COMMENT_LIKES, True),
    "unlike_comment": _statement(_COMMENT_LIKES, False),
}


async def mark(pool: Pool, deed: Deed, asked: Sequence[tuple[UserId, str]]) -> list[PostMarks | CommentMarks | None]:
    """Each of these people does that to that post or comment; how it then stands for them, or None for what they may
    not see, of which they may yet take back what is theirs. Raises `UnavailableError`: it may have happened, and saying
    it again is right."""
    viewers, things = [int(user) for user, _ in asked], [int(thing) for _, thing in asked]
    answers: list[PostMarks | CommentMarks | None] = [None] * len(asked)
    for numbers, likes, *more in await fetch(pool, WITHIN_S, STATEMENTS[deed], viewers, things):
        if deed in ("like_comment", "unlike_comment"):
            for n in numbers:
                answers[n - 1] = CommentMarks(deed == "like_comment", likes)
        else:
            comments, liked, saved = more
            for n, is_liked, is_saved in zip(numbers, liked, saved, strict=True):
                answers[n - 1] = PostMarks(is_liked, is_saved, likes, comments)
    return answers

"""Who may see what: one function, which every read, every live push and every address of media goes through.

`may_see` asks it for some things; the conditions that it is made of go into statements that read such things anyway,
with `{viewer}` and the row's alias filled in: `POST.format(viewer="$1", post="p")`. Each is one SQL condition, never
null. What is not seen is answered, and timed, like what does not exist.
"""

from collections.abc import Collection
from typing import Literal

from persistence.graph.predicates import BLOCKED, BLOCKS, CLOSE_FRIENDS, FOLLOWS, RESTRICTED
from persistence.pool import Pool, fetch

Kind = Literal["profile", "person", "post", "comment", "story", "media"]
"""What can be asked about. `profile` is the head of somebody's profile, `person` what they show beyond it."""

WITHIN_S = 2.0

PROFILE = f"(not {BLOCKS.format(one='{author}', other='{viewer}')})"
"""`viewer` may know that there is `author`."""

_PRIVATE = "exists (select from account where id = {author} and private offset 0)"
_FRIENDLY = f"not {BLOCKED.format(one='{viewer}', other='{author}')}"

_FOLLOWED = FOLLOWS.format(one="{viewer}", other="{author}")

PERSON = f"({{viewer}} = {{author}} or ({_FRIENDLY} and ({_FOLLOWED} or not {_PRIVATE})))"
"""`viewer` may see what `author` shows: nobody blocks, and who is private has let them follow. Mostly it is
followers who look: they are asked about first."""

FOLLOWER = f"({{viewer}} = {{author}} or ({_FRIENDLY} and {_FOLLOWED}))"
"""`PERSON` for what only followers are shown, and the author: nothing else that it asks is left open then."""


def _by(condition: str, author: str) -> str:
    """The condition with the author that a row names."""
    return condition.replace("{author}", author)


APART = """select b.target from relation b
      where b.user_id = {author} and b.kind = 'block' and b.target = any({viewers})
    union all
    select b.user_id from relation b where b.target = {author} and b.kind = 'block' and b.user_id = any({viewers})"""
"""Those of the array `viewers` who follow `author` and may yet not see what they show: `PERSON` of many at once."""

_THERE = "({post}.state = 'published' or {post}.author = {viewer} and {post}.state <> 'deleted')"

POST = f"({_by(PERSON, '{post}.author')} and {_THERE})"
"""`viewer` may see the row `post` of the table post."""

FOLLOWED_POST = f"({_by(FOLLOWER, '{post}.author')} and {_THERE})"
"""`viewer` may see it, and follows its author or is them."""

COMMENT = f"""({{comment}}.deleted_at is null and {_by(_FRIENDLY, "{comment}.author")}
    and exists (select from post p where p.id = {{comment}}.post and {POST.replace("{post}", "p")}
      and ({{viewer}} in (p.author, {{comment}}.author)
        or not {RESTRICTED.format(one="p.author", other="{comment}.author")}) offset 0))"""
"""`viewer` may see the row `comment`. Whom the post's author restricts is heard by those two alone."""

STORY_AUDIENCE = f"""({_by(PERSON, "{story}.author")} and ({{viewer}} = {{story}}.author or not {{story}}.close_friends
    or {CLOSE_FRIENDS.format(one="{story}.author", other="{viewer}")}))"""
"""`story` is meant for `viewer`, whether or not it is there any more: whoever was told of it is told of its end."""

STORY = f"""(({{story}}.author = {{viewer}} and {{story}}.state <> 'deleted') or ({{story}}.state = 'published'
    and statement_timestamp() < {{story}}.expires_at and {STORY_AUDIENCE}))"""
"""`viewer` may see the row `story` now: 24 h by the database's clock, then it is its author's alone."""

MEDIA = f"""({{media}}.owner = {{viewer}} or ({{media}}.state = 'ready' and (
    exists (select from post_media shown join post p on p.id = shown.post
      where shown.media = {{media}}.id and {POST.replace("{post}", "p")} offset 0)
    or exists (select from story s where s.media = {{media}}.id and {STORY.replace("{story}", "s")} offset 0))))"""
"""`viewer` may see the row `media`: it is theirs, or part of something that they may see."""

_ASKED: dict[Kind, tuple[str, str]] = {
    "profile": ("account", PROFILE.replace("{author}", "x.id")),
    "person": ("account", PERSON.replace("{author}", "x.id")),
    "post": ("post", POST.replace("{post}", "x")),
    "comment": ("comment", COMMENT.replace("{comment}", "x")),
    "story": ("story", STORY.replace("{story}", "x")),
    "media": ("media", MEDIA.replace("{media}", "x")),
}
_STATEMENTS: dict[Kind, str] = {
    kind: f"""
select x.id from unnest($2::bigint[]) w (id) join {table} x on x.id = w.id
where {condition.format(viewer="$1::bigint")}"""
    for kind, (table, condition) in _ASKED.items()
}


async def may_see(pool: Pool, viewer: str, kind: Kind, ids: Collection[str]) -> frozenset[str]:
    """Those of the things that `viewer` may see now. Raises `UnavailableError`."""
    found = await fetch(pool, WITHIN_S, _STATEMENTS[kind], int(viewer), [int(id) for id in ids])
    return frozenset(str(row["id"]) for row in found)

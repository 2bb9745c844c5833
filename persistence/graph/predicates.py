"""Conditions on the graph for the statements of other aggregates: `BLOCKED.format(one="m.user_id", other="$1")`.

Each is one SQL condition, never null, that costs one or two looks by primary key. Arguments are SQL expressions of
type bigint: columns, or parameters with a cast where nothing else gives them a type. `offset 0` keeps a condition what
it is written as: a look for each row, not a join or a hash over the whole table that a plan made early would keep.
"""

_FOLLOW = "exists (select from follow where follower = {0} and followee = {1} and not requested offset 0)"
_RELATION = "exists (select from relation where user_id = {1} and kind = '{0}' and target = {2} offset 0)"

BLOCKS = _RELATION.format("block", "{one}", "{other}")
"""`one` blocks `other`: for `other`, `one` does not exist."""

BLOCKED = f"({BLOCKS} or {_RELATION.format('block', '{other}', '{one}')})"
"""One of `one` and `other` blocks the other."""

FOLLOWS = _FOLLOW.format("{one}", "{other}")
"""`one` follows `other`; a request that waits is none."""

MUTED = _RELATION.format("mute", "{one}", "{other}")
"""`one` does not want to hear of `other`."""

RESTRICTED = _RELATION.format("restrict", "{one}", "{other}")
"""`one` takes what `other` says only as a request."""

SILENCED = f"""(exists (select from relation where user_id = {{one}} and kind in ('block', 'mute', 'restrict')
    and target = {{other}} offset 0) or {BLOCKS.format(one="{other}", other="{one}")})"""
"""`one` is not told what `other` does: they do not want it, or `other` blocks them."""

CLOSE_FRIENDS = _RELATION.format("close_friend", "{one}", "{other}")
"""`other` is on the list of close friends of `one`."""

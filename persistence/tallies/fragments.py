"""How statements count, and read what was counted: fragments for those of other aggregates.

Whoever changes an edge appends, in the same statement, what that changes of a total: `APPEND` before a query of rows
(thing, kind, change), or `values`. No row that others write is touched, so nothing waits. The others are SQL
expressions of type bigint, filled in as `FOLDED.format(thing="p.id", kind="likes")`.
"""

from typing import Literal

Kind = Literal["likes", "comments", "followers", "following", "posts", "views"]
"""What is counted of a thing: a post or a comment, whose comments are its answers; a person; or a story, its views."""
NEAR_CHANGES = 50

APPEND = "insert into tally_change (thing, kind, change)"

FOLDED = "coalesce((select total from tally where thing = {thing} and kind = '{kind}'), 0)"
"""The total as of the last fold, at most 5 s ago: one look by primary key."""

EXACT = f"""({FOLDED} + coalesce((select sum(change) from tally_change
    where thing = {{thing}} and kind = '{{kind}}'), 0)::bigint)"""
"""The total as of the statement that reads it. It reads each change since the last fold, of which a hot thing has
thousands: for things of which only few happen in a second, and for checks."""

NEAR = f"""(select coalesce(max(t.total), 0) + coalesce((select sum(change) from (
      select change from tally_change
      where thing = {{thing}} and kind = '{{kind}}' and id > coalesce(max(t.folded_to), 0)
      order by id limit {NEAR_CHANGES}) c), 0)::bigint
    from tally t where t.thing = {{thing}} and t.kind = '{{kind}}')"""
"""The total as of the last fold and some of the changes since, for answers to who has just changed it: exact while few
do, and never further off than the fold. What was folded is not walked over, however long vacuum is held up."""

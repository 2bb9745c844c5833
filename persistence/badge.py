"""What the icon of an application counts, as SQL: notifications not seen, and conversations with news of others."""

from persistence.graph.predicates import SILENCED

BADGE = 99
"""Each of the two is counted so far."""


def unseen(user: str) -> str:
    """How many notifications of theirs are listed and not seen."""
    silenced = SILENCED.format(one=user, other="n.actor")
    return f"""(select count(*) from (select from notification g where g.user_id = {user} and not g.seen and g.listed
    and exists (select from noted n where n.notification = g.id and not n.undone and not {silenced} offset 0)
  limit {BADGE}) b)"""


def unread(user: str) -> str:
    """In how many conversations of their inbox, of the 200 newest, the last event is another's and not read.

    A walk over all of somebody's conversations would cost what a thousand of them cost, each time.
    """
    return f"""(select count(*) from (select from (
      select conversation, greatest(read_c, joined_c) as seen from member
      where user_id = {user} and left_c = 0 and folder = 'inbox' order by conversation desc limit 200) o
    join conversation k on k.id = o.conversation and k.last_c > o.seen
    join event e on e.conversation = k.id and e.c = k.last_c and e.sender <> {user}
  limit {BADGE}) b)"""

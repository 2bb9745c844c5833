"""What the icon of an application counts, as SQL: notifications not seen, and conversations with news of others."""

from persistence.conversations.views import MESSAGE
from persistence.graph.predicates import SILENCED

BADGE = 99
"""Each of the two is counted so far."""
CONVERSATIONS = 1_000
"""The newest of an inbox, among which unread ones are counted: 0.8 µs in Postgres for each of them."""
EVENTS = 50
"""The newest of a conversation, among which others' are looked for: somebody may talk where nobody answers."""


def unseen(user: str) -> str:
    """How many notifications of theirs are listed and not seen."""
    silenced = SILENCED.format(one=user, other="n.actor")
    return f"""(select count(*) from (select from notification g where g.user_id = {user} and not g.seen and g.listed
    and exists (select from noted n where n.notification = g.id and not n.undone and not {silenced} offset 0)
  limit {BADGE}) b)"""


def unread(user: str) -> str:
    """In how many conversations of their inbox somebody else has said something that they have not read.

    Muted and archived ones too: that is about being told, not about what is unread.
    """
    return f"""(select count(*) from (select from (
      select conversation, greatest(read_c, joined_c) as seen from member
      where user_id = {user} and left_c = 0 and folder = 'inbox' order by conversation desc limit {CONVERSATIONS}) o
    join conversation k on k.id = o.conversation and k.last_c > o.seen
    where exists (select from event e where e.conversation = k.id and e.c > greatest(o.seen, k.last_c - {EVENTS})
      and e.c <= k.last_c and e.kind = {MESSAGE} and e.sender <> {user} offset 0)
  limit {BADGE}) b)"""

"""Totals equal edges (docs/reliability.md, invariant 12): whatever people do, and whenever it is folded."""

import asyncio
import itertools
from collections import defaultdict

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

from persistence.engagement.comments import delete, make
from persistence.engagement.marks import Deed, mark
from persistence.pool import Pool, open_pool
from persistence.tallies.folding import fold
from protocol.engagement import CommentId, NewComment, PostMarks
from protocol.posts import PostId
from tests.persistence.engaging import counted, people, post, told

PEOPLE, POSTS = 4, 2
users = st.integers(0, PEOPLE - 1)
posts = st.integers(0, POSTS - 1)
numbers = st.integers(0, 100)
deeds = st.sampled_from(["like", "unlike", "save", "unsave"])
_cids = itertools.count(1)


class Engaging(RuleBasedStateMachine):
    """`liked` and `saved` are the pairs that there have to be; `living` are comments, with the one they answer."""

    runner: asyncio.Runner
    pool: Pool

    def __init__(self) -> None:
        super().__init__()
        self.users = self.runner.run(people(self.pool, PEOPLE))
        self.posts = [self.runner.run(post(self.pool, self.users[0])) for _ in range(POSTS)]
        self.edges: dict[str, set[tuple[str, PostId]]] = defaultdict(set)
        self.living: dict[CommentId, tuple[PostId, CommentId | None]] = {}
        self.comment_likes: set[tuple[str, CommentId]] = set()
        self.runner.run(told(self.pool))
        self.told: dict[tuple[str, ...], int] = defaultdict(int)

    @rule(deed=deeds, asked=st.lists(st.tuples(users, posts), min_size=1, max_size=6))
    def mark(self, deed: Deed, asked: list[tuple[int, int]]) -> None:
        pairs = [(self.users[user], self.posts[number]) for user, number in asked]
        edges = self.edges[deed.removeprefix("un")]
        edges.difference_update(pairs) if deed.startswith("un") else edges.update(pairs)
        answers = self.runner.run(mark(self.pool, deed, pairs))
        for pair, answer in zip(pairs, answers, strict=True):
            assert isinstance(answer, PostMarks)
            assert (answer.liked, answer.saved) == (pair in self.edges["like"], pair in self.edges["save"])
            assert answer.likes == sum(id == pair[1] for _, id in self.edges["like"])

    @rule(deed=st.sampled_from(["like", "unlike"]), user=users, number=posts, times=st.integers(2, 4))
    def mark_at_once(self, deed: Deed, user: int, number: int, times: int) -> None:
        """Retries that overtake each other."""
        pair = (self.users[user], self.posts[number])

        async def together() -> None:
            await asyncio.gather(*(mark(self.pool, deed, [pair]) for _ in range(times)), fold(self.pool))

        self.runner.run(together())
        self.edges["like"].discard(pair) if deed == "unlike" else self.edges["like"].add(pair)

    @rule(user=users, number=posts, parent=st.none() | numbers, name=users)
    def comment(self, user: int, number: int, parent: int | None, name: int) -> None:
        among = [id for id, (on, _) in self.living.items() if on == self.posts[number]]
        answered = among[parent % len(among)] if parent is not None and among else None
        text = f"hello @u{self.users[name]}"
        new = NewComment(f"{next(_cids)}", text) if answered is None else NewComment(f"{next(_cids)}", text, answered)
        made = self.runner.run(make(self.pool, self.users[user], self.posts[number], new))
        assert made is not None
        thread = None if answered is None else self.living[answered][1] or answered
        self.living[made.comment.id] = self.posts[number], thread

    @rule(user=users, which=numbers, deed=st.sampled_from(["like_comment", "unlike_comment"]))
    def like_comment(self, user: int, which: int, deed: Deed) -> None:
        if self.living:
            pair = self.users[user], list(self.living)[which % len(self.living)]
            assert self.runner.run(mark(self.pool, deed, [pair]))[0] is not None
            self.comment_likes.discard(pair) if deed.startswith("un") else self.comment_likes.add(pair)

    @rule(which=numbers)
    def delete(self, which: int) -> None:
        if self.living:
            id = list(self.living)[which % len(self.living)]
            assert self.runner.run(delete(self.pool, self.users[0], id)) == "deleted"
            self.living = {one: (on, thread) for one, (on, thread) in self.living.items() if id not in (one, thread)}

    @rule()
    def fold(self) -> None:
        self.runner.run(fold(self.pool))
        for id in self.posts:
            counts = self.runner.run(counted(self.pool, id))
            assert (counts.folded_likes, counts.folded_comments) == (counts.likes, counts.comments)

    @invariant()
    def totals_equal_edges(self) -> None:
        for id in self.posts:
            counts = self.runner.run(counted(self.pool, id))
            assert counts.likes == counts.edges == sum(pair[1] == id for pair in self.edges["like"])
            assert counts.comments == counts.remarks == sum(on == id for on, _ in self.living.values())
        for comment in self.living:
            counts = self.runner.run(counted(self.pool, comment))
            assert counts.likes == sum(pair[1] == comment for pair in self.comment_likes)
            assert counts.comments == sum(thread == comment for _, thread in self.living.values())

    def teardown(self) -> None:
        """What was told and not taken back is what there is: of likes of others' posts, of comments that live."""
        balance: dict[tuple[str, ...], int] = defaultdict(int)
        for one in self.runner.run(told(self.pool)):
            key = (one.kind, one.actor, one.recipient, one.target, one.deed)
            balance[key] += -1 if one.undone else 1
            assert balance[key] in (0, 1)
        standing = {key for key, count in balance.items() if count}
        likes = {(actor, target) for kind, actor, _, target, _ in standing if kind == "like" and target in self.posts}
        assert likes == {pair for pair in self.edges["like"] if pair[0] != self.users[0]}
        assert {key[4] for key in standing if key[0] in ("comment", "mention")} <= set(self.living)


def test_totals_equal_edges_whenever_they_are_folded(module_database: str) -> None:
    with asyncio.Runner() as runner:
        opened = open_pool(module_database, 4)
        Engaging.runner, Engaging.pool = runner, runner.run(opened.__aenter__())
        health = list(HealthCheck)
        try:
            run_state_machine_as_test(
                Engaging,
                settings=settings(max_examples=30, stateful_step_count=20, deadline=None, suppress_health_check=health),
            )
        finally:
            runner.run(opened.__aexit__(None, None, None))

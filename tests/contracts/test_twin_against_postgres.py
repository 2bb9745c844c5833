"""The memory twin and Postgres do the same operations and must give the same answers: the simulator rests on it."""

import asyncio
import itertools
import re
from collections.abc import Awaitable, Callable
from typing import Any, Literal

import msgspec
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, rule, run_state_machine_as_test
from msgspec import UNSET

from persistence.conversations.contract import ConversationStore, DataFault, Unit
from protocol.events import ConversationChanged, MessageSent, ReceiptMoved
from protocol.facts import Choice, Chosen, Fact, Marked, Said
from protocol.ids import EPOCH, ConversationId, Millis, UserId
from tests.contracts.grounds import START, Ground, MemoryGround, PostgresGround, Users, shards_of

PEOPLE = 3
# Events are said after anything that a database's own clock shows, so that those times can be told apart.
AFTER = 2**42
CURSOR = re.compile("([0-9]+)-([0-9]+)")

people = st.integers(0, PEOPLE - 1)
numbers = st.integers(0, 100)
cids = st.sampled_from("abcdefgh")
marks = st.integers(0, 12) | st.just(UNSET)
flags = st.booleans() | st.just(UNSET)
messages = st.tuples(st.just("said"), people, cids, st.integers(1, 9))
titles = st.tuples(st.just("titled"), people, cids, st.sampled_from(["Tea", "Cake"]) | st.just(UNSET))
receipts = st.tuples(st.just("moved"), people, st.booleans(), marks, marks)
folders = st.sampled_from(["inbox", "requests", "declined"]) | st.just(UNSET)
choices = st.tuples(st.just("chose"), people, st.booleans(), flags, flags, folders, st.integers(1, 9))
facts = st.lists(messages | messages | titles | receipts | choices, max_size=4)
stale = st.sampled_from([0, 0, 0, 0, -1, 1])
decisions = st.lists(st.tuples(numbers, stale, stale, facts), min_size=1, max_size=3)
_numbers = itertools.count(2**20)


class Twins(RuleBasedStateMachine):
    """Conversations and people go by number: each store draws ids of its own."""

    runner: asyncio.Runner
    real: PostgresGround

    def __init__(self) -> None:
        super().__init__()
        self.twin = MemoryGround()
        users = Users(next(_numbers))
        self.users = [users.draw() for _ in range(PEOPLE)]
        self.ids: dict[Ground, list[ConversationId]] = {self.twin: [], self.real: []}
        self.heads: list[list[int]] = []
        self.runner.run(self.real.start_ids())
        self.follow(1, 0, requested=False)
        self.follow(2, 0, requested=True)
        self.open(0, 1)
        self.open(2, 2)
        self.create(0, {1, 2}, "a", 0, True, None)

    @rule(one=people, other=people)
    def open(self, one: int, other: int) -> None:
        self.made(lambda store, ids: store.open(self.users[one], self.users[other]), lambda id: id)

    @rule(one=people, others=st.sets(people), cid=cids, digest=numbers, allowed=st.booleans(), title=st.none() | cids)
    def create(self, one: int, others: set[int], cid: str, digest: int, allowed: bool, title: str | None) -> None:
        members = [self.users[other] for other in others]
        self.made(
            lambda store, ids: store.create(self.users[one], cid, members, title, digest, allowed),
            lambda created: created and created.event.conversation,
        )

    @rule(one=people, other=people, requested=st.booleans())
    def follow(self, one: int, other: int, requested: bool) -> None:
        follower, followee = self.users[one], self.users[other]
        for ground in (self.twin, self.real):
            self.runner.run(ground.follow(follower, followee, requested=requested))

    @rule(one=people, other=people, ends=st.booleans())
    def block(self, one: int, other: int, ends: bool) -> None:
        """Nobody blocks themself."""
        user, target = self.users[one], self.users[other]
        for ground in (self.twin, self.real) if one != other else ():
            self.runner.run(ground.unblock(user, target) if ends else ground.block(user, target))

    @rule(number=numbers, asker=people, cid=cids, after=st.none() | st.integers(0, 9))
    def activate(self, number: int, asker: int, cid: str, after: int | None) -> None:
        n = number % len(self.heads)
        user = self.users[asker]
        activated = self.both(lambda store, ids: store.activate(ids[n], [user], [(user, cid)], after))
        if activated:
            self.heads[n] = [activated.fence, activated.last_c]

    @rule(decided=decisions, wait=st.booleans(), held=st.none() | numbers)
    def commit(self, decided: list[Any], wait: bool, held: int | None) -> None:
        batch = {decision[0] % len(self.heads): decision[1:] for decision in decided}
        locked = None if wait or held is None else held % len(self.heads)

        async def commit(ground: Ground) -> Any:
            units = [self.unit(self.ids[ground][n], *self.heads[n], *decision) for n, decision in batch.items()]
            if locked is None:
                return await ground.store.commit(units, wait=wait)
            async with ground.hold(self.ids[ground][locked]):
                return await ground.store.commit(units, wait=wait)

        outcomes = self.compare(commit)
        for n, outcome in zip(batch, outcomes if isinstance(outcomes, list) else [], strict=False):
            if outcome == "committed":
                self.heads[n][1] += sum(fact[0] in ("said", "titled") for fact in batch[n][2])

    @rule(number=numbers, who=people, cid=cids, moved=receipts)
    def say(self, number: int, who: int, cid: str, moved: tuple[Any, ...]) -> None:
        self.commit([(number, 0, 0, [("said", who, cid, 1), moved])], wait=True, held=None)

    @rule(number=numbers, changes=st.lists(receipts | choices, max_size=3))
    def move(self, number: int, changes: list[Any]) -> None:
        self.commit([(number, 0, 0, changes)], wait=False, held=None)

    @rule(number=numbers, who=people, joined=numbers, left=numbers, leaves=st.booleans())
    def span(self, number: int, who: int, joined: int, left: int, leaves: bool) -> None:
        n = number % len(self.heads)
        last_c = self.last_c(n)
        joined_c = joined % (last_c + 1)
        left_c = max(left % (last_c + 1), joined_c) if leaves else 0

        async def span(ground: Ground) -> None:
            if await ground.store.get(self.users[who], self.ids[ground][n]):
                await ground.span(self.ids[ground][n], self.users[who], joined_c, left_c)

        self.compare(span)

    @rule(number=numbers)
    def age(self, number: int) -> None:
        self.compare(lambda ground: ground.age(self.ids[ground][number % len(self.heads)]))

    @rule(data=st.data())
    def ask(self, data: st.DataObject) -> None:
        n, user = data.draw(numbers) % len(self.heads), self.users[data.draw(people)]
        asked = data.draw(st.lists(cids))
        self.both(lambda store, ids: store.find(ids[n], user, asked))
        self.both(lambda store, ids: store.get(user, ids[n]))
        self.both(lambda store, ids: _sorted(store.blocked(user, self.users)))
        self.both(lambda store, ids: store.receipts(user, ids[n]))
        head = data.draw(st.integers(0, 12))
        self.both(lambda store, ids: store.undelivered(user, dict.fromkeys(ids, head)))
        after = data.draw(st.none() | st.integers(0, 9))
        before = data.draw(st.none() | st.integers(1, 9))
        limit = data.draw(st.integers(1, 5))
        self.both(lambda store, ids: store.history(user, ids[n], after, before, limit))

    @rule(who=people, folder=st.sampled_from(["inbox", "inbox", "archive", "requests"]), limit=st.integers(1, 4))
    def page(self, who: int, folder: Literal["inbox", "archive", "requests"], limit: int) -> None:
        async def walk(ground: Ground) -> list[Any]:
            pages = [await ground.store.page(self.users[who], folder, None, limit)]
            while pages[-1].next is not UNSET:
                pages.append(await ground.store.page(self.users[who], folder, pages[-1].next, limit))
            return pages

        self.compare(walk)

    @rule(who=people, heads=st.lists(st.none() | st.integers(0, 9)), old=st.booleans(), only=st.booleans())
    def sync(self, who: int, heads: list[int | None], old: bool, only: bool) -> None:
        async def sync(ground: Ground) -> Any:
            named = {id: head for id, head in zip(self.ids[ground], heads, strict=False) if head is not None}
            since = Millis(0) if old else await ground.store.now()
            page = await ground.store.sync(self.users[who], named | {ConversationId("5"): 1}, since, only, None)
            return msgspec.structs.replace(page, now=Millis(0))

        self.compare(sync)

    @rule(old=st.booleans())
    def scan(self, old: bool) -> None:
        """Of the one shard where all live: ids of other shards would sort differently within a millisecond."""
        shards = shards_of(*self.users)

        async def scan(ground: Ground) -> Any:
            since = Millis(0) if old else Millis(await ground.store.now() - 60_000)
            found = await ground.store.scan(since, shards, None)
            return found, await ground.store.count_undelivered(since, Millis(AFTER), shards)

        self.compare(scan)

    def unit(self, id: ConversationId, fence: int, last_c: int, older: int, shorter: int, decided: list[Any]) -> Unit:
        start = max(last_c + shorter, 0)
        place = itertools.count(start + 1)
        return Unit(id, fence + older, start, tuple(self.fact(id, place, *each) for each in decided))

    def fact(self, id: ConversationId, place: "itertools.count[int]", what: str, who: int, *said: Any) -> Fact:
        user = self.users[who]
        if what == "moved":
            return Marked(ReceiptMoved(id, user, *said[1:]), shown=said[0])
        if what == "chose":
            shown, archived, receipts, folder, v = said
            return Chosen(user, Choice(id, archived=archived, send_receipts=receipts, folder=folder, v=v), shown)
        c = next(place)
        at = Millis(AFTER + c * 7 % 5)
        if what == "titled":
            changed = ConversationChanged(conversation=id, c=c, sender=user, cid=said[0], at=at, title=said[1])
            return Said(changed, 0)
        return Said(MessageSent(conversation=id, c=c, sender=user, cid=said[0], at=at, text="x" * said[1]), said[1])

    def last_c(self, n: int) -> int:
        return self.twin.database.tables.heads[self.ids[self.twin][n]].last_c

    def made(
        self,
        ask: Callable[[ConversationStore, list[ConversationId]], Awaitable[Any]],
        id_of: Callable[[Any], ConversationId | None],
    ) -> None:
        """Whatever was made gets the next number in both stores, or has had the same one before."""

        async def make(ground: Ground) -> Any:
            answer = await ask(ground.store, self.ids[ground])
            id = id_of(answer)
            if id and id not in self.ids[ground]:
                self.ids[ground].append(id)
            return answer

        self.compare(make)
        while len(self.heads) < len(self.ids[self.twin]):
            self.heads.append([0, self.last_c(len(self.heads))])

    def both(self, ask: Callable[[ConversationStore, list[ConversationId]], Awaitable[Any]]) -> Any:
        return self.compare(lambda ground: ask(ground.store, self.ids[ground]))

    def compare(self, ask: Callable[[Ground], Awaitable[Any]]) -> Any:
        """What the twin answers, once Postgres has answered the same."""
        self.twin.time = Millis(self.twin.time + 1)
        twin, real = (self.runner.run(_answer(ask, ground)) for ground in (self.twin, self.real))
        assert self.numbered(twin, self.ids[self.twin]) == self.numbered(real, self.ids[self.real])
        return twin

    def numbered(self, answer: Any, ids: list[ConversationId]) -> Any:
        """Without what may differ: ids become numbers, times by the databases' clocks become one."""
        match answer:
            case bool() | None:
                return answer
            case int():
                return START if EPOCH <= answer < AFTER else answer
            case str() if answer in ids:
                return f"conversation {ids.index(ConversationId(answer))}"
            case str() if cursor := CURSOR.fullmatch(answer):
                return [self.numbered(int(cursor[1]), ids), self.numbered(cursor[2], ids)]
            case dict():
                return {key: self.numbered(value, ids) for key, value in answer.items()}
            case list() | tuple():
                return [self.numbered(value, ids) for value in answer]
            case msgspec.Struct():
                return self.numbered(msgspec.to_builtins(answer), ids)
        return answer


async def _sorted(users: Awaitable[set[UserId]]) -> list[UserId]:
    return sorted(await users)


async def _answer(ask: Callable[[Ground], Awaitable[Any]], ground: Ground) -> Any:
    try:
        return await ask(ground)
    except DataFault:
        return "DataFault"


def test_the_twin_and_postgres_answer_alike(module_database: str) -> None:
    with asyncio.Runner() as runner:
        Twins.runner = runner
        Twins.real = runner.run(PostgresGround(module_database).__aenter__())
        try:
            run_state_machine_as_test(
                Twins,
                settings=settings(
                    max_examples=30, stateful_step_count=40, deadline=None, suppress_health_check=list(HealthCheck)
                ),
            )
        finally:
            runner.run(Twins.real.__aexit__())

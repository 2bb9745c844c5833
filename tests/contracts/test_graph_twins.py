"""The memory twin of the graph and Postgres do the same deeds and must give the same answers."""

import asyncio
from collections.abc import Iterator
from typing import Any, get_args

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from persistence.graph.contract import Deed, Names, Others
from persistence.pool import open_pool
from protocol.ids import UserId
from tests.contracts.graph_grounds import GraphGround, MemoryGraphGround, PostgresGraphGround, person

PEOPLE = 4
pairs = st.sampled_from([(one, other) for one in range(PEOPLE) for other in range(PEOPLE) if one != other])
deeds = st.tuples(pairs, st.sampled_from(get_args(Deed)))
turns = st.tuples(st.integers(0, PEOPLE - 1), st.booleans())


class Side:
    """One store and its own people, who go by number."""

    def __init__(self, ground: GraphGround, people: list[UserId]) -> None:
        self.ground = ground
        self.people = people

    def plain(self, value: Any) -> Any:
        """With numbers for ids, and without what differs by clock or by sign-up."""
        match msgspec.to_builtins(value):
            case dict(found):
                return {key: self._number(part) for key, part in found.items() if key not in ("at", "username")}
            case found:
                return found

    def _number(self, part: Any) -> Any:
        if isinstance(part, tuple):
            return sorted(map(self._number, part))
        return self.people.index(UserId(part)) if part in self.people else part

    async def do(self, step: Any) -> Any:
        match step:
            case (one, other), deed:
                return self.plain(await self.ground.store.change(self.people[one], self.people[other], deed))
            case one, private:
                return sorted(map(self.people.index, await self.ground.store.set_private(self.people[one], private)))

    async def whole(self) -> list[Any]:
        """All that can be asked about these people."""
        found: list[Any] = [self.plain(said) for said in await self.ground.told(*self.people)]
        for me in self.people:
            for names in get_args(Names):
                page = await self.ground.store.page(me, names, None, PEOPLE)
                # Who was accepted in one moment stands by id, which each store draws.
                found.append(sorted((self.plain(item) for item in page.items), key=str))
            suggestions = await self.ground.store.suggestions(me, PEOPLE)
            found.append(sorted((self.plain(item) for item in suggestions), key=str))
            for them in self.people:
                for names in get_args(Others):
                    theirs = await self.ground.store.others(me, them, names, None, PEOPLE)
                    found.append(theirs and sorted((self.plain(item) for item in theirs.items), key=str))
                if me != them:
                    found.append(self.plain(await self.ground.store.relation(me, them)))
                    found.append(self.plain(await self.ground.store.profile(me, them)))
        return found


@pytest.fixture(scope="module")
def runner() -> Iterator[asyncio.Runner]:
    with asyncio.Runner() as runner:
        yield runner


@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
@given(steps=st.lists(deeds | deeds | deeds | turns, min_size=1, max_size=25))
def test_both_stores_answer_and_hold_the_same(module_database: str, runner: asyncio.Runner, steps: list[Any]) -> None:
    async def compare() -> None:
        async with open_pool(module_database, 1) as pool:
            grounds: list[GraphGround] = [MemoryGraphGround(), PostgresGraphGround(pool)]
            memory, postgres = [Side(g, [await person(g) for _ in range(PEOPLE)]) for g in grounds]
            for step in steps:
                assert await memory.do(step) == await postgres.do(step)
            assert await memory.whole() == await postgres.whole()

    runner.run(compare())

"""Whatever the network, the server and the process do: no hole, no repeat, own order kept, every send decided once."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule

from tests.clients.model_server import ME
from tests.clients.world import World
from tidings_client import Message, OutcomeUnknown, Refused, SendEnded, Snapshot

CONVERSATIONS = st.sampled_from(["a", "b", "c", "d"])
FATES = st.sampled_from(["answered", "answered", "answered", "unanswered", "ignored", "unavailable", "internal"])


class AnyNetwork(RuleBasedStateMachine):
    """Each rule is something that may go right or wrong; the end heals everything and judges."""

    @initialize(pipeline=st.sampled_from([1, 4]), names=st.sets(CONVERSATIONS))
    def begin(self, pipeline: int, names: set[str]) -> None:
        self.start(World(pipeline), names)

    def start(self, world: World, names: set[str]) -> None:
        self.world = world
        self.written = 0
        for name in sorted(names):
            self.world.server.open(name)
            self.other_writes(name, 2, on_stream=True)
        self.all_goes_well_for_a_while(10)

    @rule(name=CONVERSATIONS, count=st.integers(1, 8), on_stream=st.booleans())
    def other_writes(self, name: str, count: int, on_stream: bool) -> None:
        self.world.server.open(name) if name not in self.world.server.logs else None
        for _ in range(count):
            self.written += 1
            self.world.server.write(name, "you", f"other{self.written}", self.world.wire, on_stream=on_stream)

    @rule(texts=st.lists(st.sampled_from(["yes", "yes", "never", "bad"]), min_size=1, max_size=6), data=st.data())
    def i_send(self, texts: list[str], data: st.DataObject) -> None:
        if names := sorted(self.world.server.logs):
            name = data.draw(st.sampled_from(names))
            for text in texts:
                self.world.send(name, text)

    @rule(count=st.integers(1, 30))
    def all_goes_well_for_a_while(self, count: int) -> None:
        self.world.connect()
        for _ in range(count):
            self.world.work()

    @rule(count=st.integers(5, 30))
    def all_goes_well_for_longer(self, count: int) -> None:
        self.all_goes_well_for_a_while(count)

    @rule(code=st.sampled_from([None, 4001, 4010, 4100, 4108, 4205, 3000]))
    def the_connection_ends(self, code: int | None) -> None:
        self.world.cut(code)

    @rule(fates=st.lists(FATES, min_size=1, max_size=6))
    def the_server_works(self, fates: list[str]) -> None:
        for fate in fates:
            self.world.serve(fate)

    @rule(replies=st.booleans(), count=st.integers(1, 6))
    def messages_arrive(self, replies: bool, count: int) -> None:
        for _ in range(count):
            self.world.deliver(replies=replies)

    @rule()
    def an_event_is_lost_on_the_way(self) -> None:
        if (wire := self.world.wire) and wire.events and "u" in wire.events[0] and "c" in wire.events[0]:
            wire.events.popleft()

    @rule()
    def an_event_comes_twice(self) -> None:
        if (wire := self.world.wire) and wire.events and "u" in wire.events[0] and "c" in wire.events[0]:
            wire.events.appendleft(wire.events[0])

    @rule(name=CONVERSATIONS)
    def the_server_delivers_twice(self, name: str) -> None:
        if self.world.server.logs.get(name):
            self.world.server.put_on_stream(self.world.server.logs[name][-1], self.world.wire)

    @rule()
    def the_ring_is_emptied(self) -> None:
        self.world.server.ring.clear()

    @rule()
    def the_user_actor_is_replaced(self) -> None:
        self.world.server.continuity(self.world.wire)

    @rule()
    def ping(self) -> None:
        if self.world.wire is not None and self.world.wire.greeted:
            self.world.server.ping(self.world.wire)

    @rule(count=st.integers(1, 9))
    def the_application_works(self, count: int) -> None:
        for _ in range(count):
            self.world.take()

    @rule(ms=st.sampled_from([10, 600, 11_000, 70_000]))
    def time_passes(self, ms: int) -> None:
        self.world.pass_time(ms)

    @rule()
    def the_process_dies(self) -> None:
        self.world.die()

    def teardown(self) -> None:
        world = getattr(self, "world", None)
        if world is None:
            return
        world.settle()
        for name in world.server.logs:
            world.server.write(name, "you", f"last-{name}", world.wire)
        world.settle()
        self.no_hole_and_no_repeat(world)
        self.every_send_is_decided_once_and_in_order(world)
        self.what_is_acknowledged_is_stored(world)

    def no_hole_and_no_repeat(self, world: World) -> None:
        taken: dict[str, int] = {}
        for handed, done in [*world.lives, (world.handed, world.taken)]:
            if any(isinstance(event, Snapshot) for event in handed):
                taken.clear()
            for name, places in world.places(handed).items():
                assert all(b == a + 1 for a, b in pairwise(places)), f"{name}: {places}"
                assert places[0] <= taken.get(name, places[0]) + 1, f"{name} lost something between two lives"
            for name, places in world.places(handed[:done]).items():
                taken[name] = max(places[-1], taken.get(name, 0))
        for name, log in world.server.logs.items():
            assert taken[name] == len(log), name

    def every_send_is_decided_once_and_in_order(self, world: World) -> None:
        results = world.results()
        for name, log in world.server.logs.items():
            mine = [event["cid"] for event in log if event["from"] == ME]
            assert len(mine) == len(set(mine))
            asked = [(ticket, unsent) for ticket, unsent in world.asked if unsent.conversation == name]
            sure = [unsent.cid for ticket, unsent in asked if not _undecided(results[ticket])]
            assert [cid for cid in mine if cid in sure] == [cid for cid in sure if cid in mine]
            for ticket, unsent in asked:
                self.the_answer_is_true(unsent.cid, results[ticket], log)

    def the_answer_is_true(self, cid: str, result: object, log: list[dict[str, object]]) -> None:
        assert result is not None, f"{cid} was never answered"
        places = [event["c"] for event in log if event["cid"] == cid]
        error = result.error if isinstance(result, SendEnded) else result
        if isinstance(error, Refused):
            assert places == []
        elif isinstance(result, SendEnded) and result.error is None:
            assert places == [result.c]
        elif isinstance(result, dict):
            assert places == [result["c"]]

    def what_is_acknowledged_is_stored(self, world: World) -> None:
        stored = world.store.load()
        assert stored.position == (str(world.server.epoch), world.server.u)
        assert stored.heads == {name: len(log) for name, log in world.server.logs.items()}
        assert not stored.unsent


def _undecided(result: object) -> bool:
    return isinstance(result.error if isinstance(result, SendEnded) else result, OutcomeUnknown)


class SlowApplication(AnyNetwork):
    """The same with an application that is behind, and answers everybody from inside its own loop."""

    @initialize(pipeline=st.sampled_from([1, 4]), queue=st.integers(1, 4), names=st.sets(CONVERSATIONS, min_size=1))
    def begin(self, pipeline: int, queue: int, names: set[str]) -> None:
        self.start(World(pipeline, queue, answering=True), names)

    @rule(name=CONVERSATIONS, ms=st.sampled_from([0, 600]))
    def much_comes_at_once(self, name: str, ms: int) -> None:
        self.other_writes(name, 50 if self.written < 150 else 1, on_stream=True)
        self.messages_arrive(replies=True, count=60)
        self.time_passes(ms)
        self.messages_arrive(replies=True, count=60)


@given(queue=st.integers(1, 4), bursts=st.lists(st.tuples(st.integers(1, 40), st.integers(0, 9)), max_size=8))
@settings(deadline=None)
def test_events_that_wait_are_bounded_and_a_loop_that_sends_takes_every_one(
    queue: int, bursts: list[tuple[int, int]]
) -> None:
    world = World(queue=queue, answering=True)
    world.server.open("a")
    world.settle()
    for count, steps in bursts:
        world.connect()
        for _ in range(count):
            world.server.write("a", "you", f"other{world.server.u}", world.wire)
        for _ in range(steps):
            world.serve()
            while world.deliver(replies=True):
                waiting = [event for event in world.handed[world.taken :] if isinstance(event, Message)]
                assert len(waiting) <= 8 * queue + 1
            world.take()
            world.pass_time(200)
    world.settle()
    log = world.server.logs["a"]
    assert [event.c for event in world.handed if isinstance(event, Message)] == list(range(1, len(log) + 1))
    others = [event["c"] for event in log if event["from"] == "you"]
    assert [event["text"] for event in log if event["from"] == ME] == [f"re {c}" for c in others]


TestAnyNetwork = AnyNetwork.TestCase
TestAnyNetwork.settings = settings(max_examples=100, stateful_step_count=40, deadline=None)
TestSlowApplication = SlowApplication.TestCase
TestSlowApplication.settings = settings(max_examples=100, stateful_step_count=30, deadline=None)

"""Windows, groups, retraction, preferences and quiet hours against a simple model, on a fake clock."""

from collections.abc import Coroutine
from datetime import UTC, datetime
from typing import Any, ClassVar
from zoneinfo import ZoneInfo

import msgspec
import pytest
from hypothesis import Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

from actors.preferences import OffsetAt
from persistence.notifications.memory import MemoryNotifications, Tables
from persistence.outbox.contract import Event
from protocol.activity import Activity, Kind
from protocol.ids import Millis, UserId
from protocol.preferences import PreferencesChange, QuietHours
from server.notifications.closing import Closing
from server.notifications.folding import Folding
from tests.actors.notifier_model import Model
from tests.actors.test_preferences import first_loud_minute, offset_at

ME = UserId("9216")
PEOPLE = [UserId(str(number)) for number in (17, 18, 19)]
TARGETS = ["post", "story"]
KINDS: list[Kind] = ["like", "comment", "mention"]
ZONE = "Europe/Berlin"
# The evening before clocks go forward in Berlin.
START = Millis(int(datetime(2026, 3, 28, 20, 30, tzinfo=ZoneInfo(ZONE)).timestamp() * 1_000))
NIGHT = QuietHours(ZONE, 21 * 60, 7 * 60)
NO_NIGHT = QuietHours(ZONE, 0, 0)


def run(work: Coroutine[Any, Any, Any]) -> Any:
    """Nothing here waits for anything."""
    while True:
        try:
            work.send(None)
        except StopIteration as done:
            return done.value


class NotifierMachine(RuleBasedStateMachine):
    offset_at: ClassVar[OffsetAt] = staticmethod(offset_at)
    forgets_the_end: ClassVar[bool] = False

    def __init__(self) -> None:
        super().__init__()
        self.now = START
        self.tables = Tables({user: (f"u{user}", None, None) for user in PEOPLE})
        self.store = MemoryNotifications(lambda: self.now, self.tables)
        self.folding = Folding(self.store, type(self).offset_at, lambda told: None, lambda: None)
        self.closing = Closing(self.store, type(self).offset_at)
        self.model = Model()
        self.quiet = NO_NIGHT
        self.sent: list[tuple[int, Activity]] = []

    @rule(
        actor=st.sampled_from(PEOPLE),
        thing=st.sampled_from(TARGETS),
        kind=st.sampled_from(KINDS),
        name=st.sampled_from(["1", "2"]),
        undone=st.booleans(),
        at_once=st.booleans(),
    )
    def do(self, actor: UserId, thing: str, kind: Kind, name: str, undone: bool, at_once: bool) -> None:
        """It comes at once, or whenever something is repeated."""
        deed = "" if kind == "like" else name
        done = Activity(kind=kind, actor=actor, recipient=ME, target=thing, deed=deed, at=self.now, undone=undone)
        self.sent.append((len(self.sent) + 1, done))
        if at_once:
            self._arrive([self.sent[-1]])

    @rule(data=st.data())
    def repeat(self, data: st.DataObject) -> None:
        if self.sent:
            self._arrive(data.draw(st.lists(st.sampled_from(self.sent), min_size=1, max_size=4)))

    def _arrive(self, batch: list[tuple[int, Activity]]) -> None:
        for id, done in sorted(batch, key=lambda one: one[0]):
            self.model.arrive(id, done, self.now)
        heard = [one for one in batch if not (self.forgets_the_end and one[1].undone)]
        run(self.folding([Event(id, done.at, msgspec.msgpack.encode(done)) for id, done in heard]))

    @rule(seconds=st.sampled_from([1, 15, 30, 3_600, 5 * 3_600, 12 * 3_600]))
    def wait(self, seconds: int) -> None:
        self.now = Millis(self.now + seconds * 1_000)

    @rule()
    def close(self) -> None:
        self.model.close(self.now, first_loud_minute(self.quiet, self.now))
        while run(self.store.close(200, self.closing.decide)):
            pass

    @rule(ago_s=st.sampled_from([0, 1, 60]))
    def see(self, ago_s: int) -> None:
        up_to = Millis(self.now - ago_s * 1_000)
        self.model.see(up_to)
        run(self.store.see(ME, up_to))

    @rule(actor=st.sampled_from(PEOPLE))
    def hide(self, actor: UserId) -> None:
        self.model.hidden.add(actor)
        self.tables.relations.add((ME, "block", actor))

    @rule(kind=st.sampled_from(KINDS), push=st.booleans())
    def choose(self, kind: Kind, push: bool) -> None:
        (self.model.refused.discard if push else self.model.refused.add)(kind)
        run(self.store.prefer(ME, PreferencesChange(channels={kind: {"push": push}})))

    @rule(quiet=st.sampled_from([NIGHT, NO_NIGHT]))
    def sleep(self, quiet: QuietHours) -> None:
        self.quiet = quiet
        run(self.store.prefer(ME, PreferencesChange(quiet=quiet)))

    @rule(seconds=st.sampled_from([0, 45, 4_000]))
    def pause(self, seconds: int) -> None:
        self.model.paused_until = Millis(self.now + seconds * 1_000)
        run(self.store.prefer(ME, PreferencesChange(pause_until=self.model.paused_until)))

    @invariant()
    def what_is_shown_and_pushed_is_what_the_model_says(self) -> None:
        page = run(self.store.page(ME, None, 50))
        shown = sorted((sight.group.kind, sight.members, sight.group.seen) for sight in page.sights)
        assert shown == self.model.shown()
        assert page.badge == sum(not seen for _, _, seen in shown)
        assert len(self.tables.jobs) == self.model.told

    @invariant()
    def windows_are_due_when_the_model_says(self) -> None:
        due = [card.due for card in self.model.cards if card.due is not None]
        assert run(self.store.next_due()) == (min(due) - self.now if due else None)


class DeafToClocks(NotifierMachine):
    """Mutant: quiet hours take no notice of clocks that are moved."""

    offset_at: ClassVar[OffsetAt] = staticmethod(lambda zone, at: offset_at(zone, START))


class DeafToTheEnd(NotifierMachine):
    """Mutant: nothing is ever taken back."""

    forgets_the_end: ClassVar[bool] = True


NotifierMachine.TestCase.settings = settings(max_examples=200, stateful_step_count=40, deadline=None)
TestNotifier = NotifierMachine.TestCase

HUNT = settings(
    max_examples=400,
    stateful_step_count=30,
    deadline=None,
    derandomize=True,
    database=None,
    report_multiple_bugs=False,
    phases=[Phase.generate],
)


def test_the_machine_finds_that_nothing_is_taken_back() -> None:
    with pytest.raises(AssertionError):
        run_state_machine_as_test(DeafToTheEnd, settings=HUNT)


def test_the_machine_finds_that_there_is_no_window(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("actors.notifier.WINDOW_MS", 0)
    with pytest.raises(AssertionError):
        run_state_machine_as_test(NotifierMachine, settings=HUNT)


def test_a_night_in_which_clocks_are_moved_ends_by_the_clock_on_the_wall() -> None:
    assert _alerted_at(NotifierMachine) == datetime(2026, 3, 29, 7, tzinfo=ZoneInfo(ZONE)).astimezone(UTC)
    assert _alerted_at(DeafToClocks) != _alerted_at(NotifierMachine)


def _alerted_at(kind: type[NotifierMachine]) -> datetime:
    machine = kind()
    machine.sleep(NIGHT)
    machine.do(PEOPLE[0], "post", "like", "", False, True)
    machine.wait(3_600)
    machine.close()
    held = run(machine.store.next_due())
    return datetime.fromtimestamp((machine.now + held) / 1_000, UTC)

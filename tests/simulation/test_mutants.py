"""The checker itself: bugs that are put in on purpose are found, each by an invariant that was named before."""

from collections.abc import Callable, Mapping, Sequence

import pytest

from bench.checker.checker import INVARIANTS, breaks, check
from tests.simulation.mutants import clustering, committing, reading, reloading, requests, sdk, streaming
from tests.simulation.plan import harsh, torn
from tests.simulation.world import simulate

SEEDS = 400

Mutant = Callable[[pytest.MonkeyPatch], None]

MUTANTS: Mapping[Mutant, str] = {
    committing.reply_before_commit: "acked sends are in the log",
    committing.deliver_before_commit: "logs have no gaps and one content",
    committing.effects_out_of_order: "acked before sent is lower",
    committing.effects_backwards: "one stream for all devices",
    committing.lost_taken_for_committed: "marks never fall",
    committing.unknown_taken_for_committed: "read your writes",
    committing.unknown_finally_refused: "acked sends are in the log",
    committing.dedupe_removed_from_the_statement: "one c per cid",
    committing.two_units_in_one_statement: "nothing breaks",
    reloading.no_delivery_after_an_unknown_commit: "all converge",
    reloading.reads_unsaid_after_an_unknown_commit: "all converge",
    reloading.settings_unsaid_after_an_unknown_commit: "all converge",
    reloading.retry_not_remembered_on_reload: "whoever asks is answered",
    reloading.retry_forgotten_altogether: "one c per cid",
    reloading.news_given_up_when_late: "all converge",
    reading.marks_not_clamped: "marks never fall",
    reading.marks_may_fall: "marks never fall",
    reading.marks_not_written: "marks never fall",
    reading.settings_not_written: "settings hold",
    reloading.order_not_asked_for: "a device's own order is kept",
    reading.strangers_let_in: "nobody else is told",
    streaming.everybody_told: "nobody else is told",
    streaming.u_not_counted: "u goes up by one",
    streaming.ring_lies_on_resume: "one stream for all devices",
    streaming.nothing_replayed_on_resume: "u goes up by one",
    streaming.synced_before_replay: "u goes up by one",
    streaming.devices_numbered_apart: "u goes up by one",
    reloading.no_continuity_after_a_crash: "all converge",
    reading.sync_skips_one: "sync gives what is missing",
    reading.stale_reads: "read your writes",
    reloading.questions_forgotten: "whoever asks is answered",
    reloading.refused_without_a_look: "acked sends are in the log",
    reloading.a_crash_while_reloading_ends_the_host: "nothing breaks",
    streaming.copies_with_holes: "copies have no holes",
    sdk.hands_on_without_filling_a_hole: "the SDK hands on without a hole",
    sdk.hands_on_twice: "the SDK hands on without a hole",
    sdk.stored_before_the_application_has_taken_it: "all converge",
    sdk.known_places_not_counted: "nothing breaks",
    sdk.unsent_dropped_on_reconnect: "whoever asks is answered",
    sdk.unsent_not_remembered: "whoever asks is answered",
    sdk.sent_again_with_a_new_cid: "applications are told the truth",
    sdk.restored_in_any_order: "applications are told the truth",
    sdk.pipelined_without_after: "a device's own order is kept",
    requests.marks_told_before_accept: "nothing is told before accept",
    requests.the_declined_go_on_hearing: "nothing is told after a decline",
    requests.blocks_not_looked_at: "a block ends what two can say",
    sdk.nothing_asked_of_an_unknown_conversation: "all converge",
}
"""Each with an invariant that finds it, by itself."""

BETWEEN_NODES: Mapping[Mutant, str] = {
    committing.fence_ignored_in_the_statement: "a block ends what two can say",
    clustering.never_repaired: "all converge",
    clustering.holes_not_noticed: "all converge",
    clustering.silence_taken_for_nothing: "all converge",
    clustering.homes_never_move: "all converge",
    clustering.answers_are_waited_for_without_end: "whoever asks is answered",
    clustering.told_marks_fall: "marks never fall",
    clustering.answers_from_memory: "what is refused was wrong",
    clustering.news_kept_to_oneself: "all converge",
}
"""The same for what goes wrong between several nodes."""


LONG = {
    committing.two_units_in_one_statement,
    clustering.told_marks_fall,
    clustering.answers_from_memory,
    requests.the_declined_go_on_hearing,
    sdk.stored_before_the_application_has_taken_it,
}
"""Found after so many seeds that they are for `make verify`."""


def each(mutants: Mapping[Mutant, str]) -> Sequence[object]:
    """As parameters, by name."""
    return [
        pytest.param(mutant, id=mutant.__name__, marks=[pytest.mark.verify] if mutant in LONG else [])
        for mutant in mutants
    ]


@pytest.mark.parametrize("mutant", each(MUTANTS))
def test_a_mutant_is_caught(mutant: Mutant, monkeypatch: pytest.MonkeyPatch) -> None:
    mutant(monkeypatch)

    caught = (seed for seed in range(SEEDS) if breaks(simulate(seed, harsh(seed)), MUTANTS[mutant]))

    assert next(caught, None) is not None


@pytest.mark.parametrize("mutant", each(BETWEEN_NODES))
def test_a_mutant_between_nodes_is_caught(mutant: Mutant, monkeypatch: pytest.MonkeyPatch) -> None:
    mutant(monkeypatch)

    caught = (seed for seed in range(SEEDS) if breaks(simulate(seed, torn(seed)), BETWEEN_NODES[mutant]))

    assert next(caught, None) is not None


def test_every_invariant_catches_a_mutant() -> None:
    assert {*MUTANTS.values(), *BETWEEN_NODES.values()} == set(INVARIANTS)


@pytest.mark.parametrize("first", [0, *(pytest.param(first, marks=pytest.mark.verify) for first in (25, 50, 75))])
def test_without_a_mutant_nothing_is_caught(first: int) -> None:
    assert not [(seed, broken) for seed in range(first, first + 25) for broken in check(simulate(seed, harsh(seed)))]
    assert not [(seed, broken) for seed in range(first, first + 25) for broken in check(simulate(seed, torn(seed)))]

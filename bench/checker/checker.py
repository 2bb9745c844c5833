"""The checker: the invariants of docs/reliability.md over what clients logged and what the database holds in the end.

Each invariant is a function of its own that yields what it found broken; a mutant that one of them catches stays caught
whatever happens to the others.
"""

from collections.abc import Callable, Iterator, Mapping

from bench.checker import (
    invariants_of_reading,
    invariants_of_requests,
    invariants_of_sending,
    invariants_of_streams,
)
from bench.checker.history import Record
from bench.checker.index import Index

Invariant = Callable[[Index], Iterator[str]]

INVARIANTS: Mapping[str, Invariant] = {
    "acked sends are in the log": invariants_of_sending.acked_sends_are_in_the_log,
    "what is refused was wrong": invariants_of_sending.what_is_refused_was_wrong,
    "one c per cid": invariants_of_sending.one_c_per_cid,
    "logs have no gaps and one content": invariants_of_sending.logs_are_whole,
    "acked before sent is lower": invariants_of_sending.acked_before_sent_is_lower,
    "a device's own order is kept": invariants_of_sending.own_order_is_kept,
    "applications are told the truth": invariants_of_sending.applications_are_told_the_truth,
    "nothing breaks": invariants_of_sending.nothing_breaks,
    "whoever asks is answered": invariants_of_sending.whoever_asks_is_answered,
    "u goes up by one": invariants_of_streams.u_goes_up_by_one,
    "one stream for all devices": invariants_of_streams.one_stream_for_all_devices,
    "copies have no holes": invariants_of_streams.copies_have_no_holes,
    "the SDK hands on without a hole": invariants_of_streams.sdk_hands_on_without_a_hole,
    "nobody else is told": invariants_of_streams.nobody_else_is_told,
    "all converge": invariants_of_streams.all_converge,
    "read your writes": invariants_of_reading.read_your_writes,
    "settings hold": invariants_of_reading.settings_hold,
    "marks never fall": invariants_of_reading.marks_never_fall,
    "sync gives what is missing": invariants_of_reading.sync_gives_what_is_missing,
    "nothing is told before accept": invariants_of_requests.nothing_is_told_before_accept,
    "nothing is told after a decline": invariants_of_requests.nothing_is_told_after_a_decline,
    "a block ends what two can say": invariants_of_requests.a_block_ends_what_two_can_say,
}


def check(record: Record) -> list[str]:
    """What is broken, with the name of the invariant in front; nothing if all is well."""
    index = Index(record)
    return [f"{name}: {broken}" for name, invariant in INVARIANTS.items() for broken in invariant(index)]


def breaks(record: Record, name: str) -> bool:
    """Whether one invariant alone finds something."""
    return any(True for _ in INVARIANTS[name](Index(record)))

"""Fields left out and values absent."""

from msgspec import UNSET

from protocol.unset import or_none, or_unset


def test_what_is_left_out_is_absent_and_the_other_way_round() -> None:
    assert (or_none(UNSET), or_none(""), or_none(0)) == (None, "", 0)
    assert (or_unset(None), or_unset(""), or_unset(0)) == (UNSET, "", 0)

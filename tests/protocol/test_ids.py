"""Ids say on which shard a thing is; their pattern admits one spelling each."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol.ids import CID, ID, SHARDS, UserId, shard_of

MOST = 9 * 10**18 - 1


def is_id(text: str) -> bool:
    assert ID.pattern is not None
    return re.search(ID.pattern, text) is not None


@given(st.integers(0, 2**40 - 1), st.integers(0, SHARDS - 1), st.integers(0, 1_023))
def test_an_id_tells_its_shard(ms: int, shard: int, sequence: int) -> None:
    assert shard_of(UserId(str(ms << 23 | shard << 10 | sequence))) == shard


@given(st.integers(1, MOST))
def test_every_positive_number_of_up_to_63_bits_is_an_id(number: int) -> None:
    assert is_id(str(number))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "0",
        "01",
        "-1",
        "+1",
        "1.0",
        "1e3",
        " 1",
        "1 ",
        "1\n",
        "\n1",
        "1\n2",
        "x",
        "1*",
        ">",
        "\u0661",
        "9" * 19,
        "1" * 20,
    ],
)
def test_what_is_not_the_one_spelling_of_such_a_number_is_none(text: str) -> None:
    assert not is_id(text)


@given(st.text(max_size=64))
def test_a_cid_is_any_text_without_nul(text: str) -> None:
    assert CID.pattern is not None
    assert (re.search(CID.pattern, text) is not None) == ("\x00" not in text)

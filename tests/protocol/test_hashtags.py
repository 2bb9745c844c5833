"""Hashtags and mentions of a caption, against a reading of them that goes from sign to sign."""

import time
from unicodedata import category, normalize

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from protocol.hashtags import LONGEST, hashtags
from protocol.mentions import mentioned

MANY = 10_000
signs = st.sampled_from("##@@..__ aAbéßÑ\u0301हि日1٣²-/&\n😀\u200d⃣\ufe0f") | st.characters(exclude_categories=["Cs"])
captions = st.text(signs, max_size=60)


def part_of_a_tag(sign: str) -> bool:
    return category(sign) in ("Lu", "Ll", "Lt", "Lm", "Lo", "Mn", "Mc", "Me", "Nd") or sign == "_"


def tags_sign_by_sign(text: str) -> list[str]:
    """A machine of three states: between words, in a word with tags, in a word without."""
    found: list[str] = []
    state, tag = "between", ""
    for sign in normalize("NFC", text) + " ":
        if sign == "#" or not part_of_a_tag(sign):
            bare = all(category(one).startswith("M") for one in tag)
            if state == "tags" and not bare and len(tag) <= LONGEST and tag.lower() not in found:
                found.append(tag.lower())
            tag = ""
            if sign != "#":
                state = "between"
            elif state == "between":
                state = "tags"
        elif state == "tags":
            tag += sign
        elif state == "between":
            state = "word"
    return found


def names_sign_by_sign(text: str) -> list[str]:
    """At each @ that no name and no other @ runs into, as much as a name can have, if the name ends there."""
    letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_"
    found: list[str] = []
    for place, sign in enumerate(text):
        if sign != "@" or (place and text[place - 1] in letters + ".@"):
            continue
        end = place + 1
        while end < len(text) and text[end] in letters + ".":
            end += 1
        # One that is too long, or that runs into an @, may still end before one of its periods.
        ends = [end, *(at for at in range(end - 1, place, -1) if text[at] == ".")]
        for at in ends:
            if at - place - 1 <= 30 and (at == len(text) or text[at] not in letters + "@"):
                name = text[place + 1 : at].rstrip(".").lower()
                if name and name not in found:
                    found.append(name)
                break
    return found


@given(captions)
@example("#a#b ##c x#d #" + "e" * LONGEST + " #" + "f" * (LONGEST + 1))
@example("#\ufe0f⃣ #É #e\u0301 #हिन्दी #日本語, #_1")
def test_hashtags_are_those_that_a_reading_sign_by_sign_finds(text: str) -> None:
    assert hashtags(text, MANY) == tags_sign_by_sign(text)


@given(st.text(st.sampled_from("@@aB1_..- é\n"), max_size=50))
@example("@ann, @BEN. me@home @" + "x" * 30 + " @" + "y" * 31)
def test_mentions_are_those_that_a_reading_sign_by_sign_finds(text: str) -> None:
    assert mentioned(text, MANY) == names_sign_by_sign(text)


@given(captions, st.integers(0, 3))
def test_the_first_of_them_count(text: str, most: int) -> None:
    assert hashtags(text, most) == hashtags(text, MANY)[:most]
    assert mentioned(text, most) == mentioned(text, MANY)[:most]


@pytest.mark.parametrize("sign", ["#", "@", "a", "#a", "@a", "@.", ".", "a@", "\u0301", "_@"])
def test_a_caption_made_to_be_slow_is_read_in_no_time(sign: str) -> None:
    text = sign * (200_000 // len(sign))
    began = time.process_time()
    hashtags(text, 30)
    mentioned(text, 20)
    assert time.process_time() - began < 2

"""What notifications say, in each language."""

from typing import Any, get_args

import pytest

from protocol.activity import Kind
from server.notifications.texts import LANGUAGES, language, sentence

KINDS: tuple[Kind, ...] = get_args(Kind)
A, B, C = "Ada", "Bob", "Cleo"


@pytest.mark.parametrize(
    ("names", "count", "text"),
    [
        ([A], 1, "Ada liked your photo"),
        ([A, B], 2, "Ada and Bob liked your photo"),
        ([A, B, C], 3, "Ada, Bob and 1 other liked your photo"),
        ([A, B, C], 11, "Ada, Bob and 9 others liked your photo"),
        ([], 1, "Somebody liked your photo"),
        ([], 4, "4 people liked your photo"),
        ([A], 2, "Ada and somebody liked your photo"),
        ([A], 9, "Ada and 8 people liked your photo"),
    ],
)
def test_people_are_named_and_the_others_counted(names: list[str], count: int, text: str) -> None:
    assert sentence("en", "like", names, count, 1) == text


def test_one_person_and_many_things_are_one_sentence() -> None:
    assert sentence("en", "like", [B], 1, 4) == "Bob liked 4 of your posts"
    assert sentence("de", "mention", [B], 1, 4) == "Bob hat dich 4-mal erwähnt"


def test_what_a_later_release_told_is_said_without_what_it_is() -> None:
    later: Any = "of a later release"
    assert sentence("de", later, [A], 1, 4) == "Du hast eine neue Mitteilung"


def test_verbs_agree_with_how_many_people_did_it() -> None:
    assert sentence("fr", "follow", [A], 1, 0) == "Ada vous suit désormais"
    assert sentence("fr", "follow", [A, B], 2, 0) == "Ada et Bob vous suivent désormais"
    assert sentence("es", "comment", [A, B, C], 5, 1) == "Ada, Bob y 3 personas más han comentado tu foto"


def test_what_one_person_said_about_one_thing_is_quoted() -> None:
    assert sentence("en", "comment", [A], 1, 1, "Nice!") == "Ada commented on your photo: Nice!"
    assert sentence("en", "comment", [A, B], 2, 1, "Nice!") == "Ada and Bob commented on your photo"
    assert sentence("en", "system", [], 1, 1, "We were down") == "We were down"
    assert sentence("de", "system", [], 1, 1) == "Du hast eine neue Mitteilung"


def test_a_locale_is_taken_for_its_language_and_a_foreign_one_for_english() -> None:
    assert language("de-AT") is language("de_CH") is language("DE") is LANGUAGES["de"]
    assert language("tlh") is language(None) is language("") is LANGUAGES["en"]


@pytest.mark.parametrize("spoken", LANGUAGES)
def test_every_language_has_a_sentence_for_every_kind(spoken: str) -> None:
    for kind in KINDS:
        for actors, targets in [(1, 1), (1, 3), (3, 1)]:
            text = sentence(spoken, kind, [A, B, C][:actors], actors, targets)
            assert text
            assert "{" not in text
    assert "{n}" in LANGUAGES[spoken].several

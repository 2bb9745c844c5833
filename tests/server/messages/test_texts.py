"""What a push for a message shows."""

from typing import Literal

import pytest
from msgspec import UNSET, UnsetType

from persistence.messages.contract import Circumstances, Recipient
from protocol.events import MessageSent
from protocol.ids import ConversationId, Millis, UserId
from protocol.pushes import Content
from protocol.shares import Share
from server.messages.texts import content, kind_of

SHARED = {"en": "Shared ", "de": "Hat ", "fr": "A partagé ", "es": "Compartió "}


def recipient(
    text: str | UnsetType = "hello", mentions: tuple[UserId, ...] = (), share: Share | UnsetType = UNSET
) -> Recipient:
    message = MessageSent(
        conversation=ConversationId("5"),
        c=1,
        sender=UserId("2"),
        cid="a",
        at=Millis(1),
        text=text,
        mentions=mentions,
        share=share,
    )
    return Recipient(UserId("1"), message, 1)


def test_a_long_text_is_cut_to_two_hundred_code_points() -> None:
    body = content(recipient("ü" * 201), Circumstances("inbox", None, "Ann", None, 0)).body
    assert body == "ü" * 199 + "…"
    assert content(recipient("ü" * 200), Circumstances("inbox", None, "Ann", None, 0)).body == "ü" * 200


def test_the_name_before_a_long_text_in_a_group_counts() -> None:
    shown = content(recipient("x" * 200), Circumstances("inbox", "Climbing", "Ann", None, 0))
    assert shown.title == "Climbing"
    assert shown.body.startswith("Ann: xxx")
    assert len(shown.body) == 200


@pytest.mark.parametrize(
    ("locale", "plain"),
    [
        (None, "New message"),
        ("en-GB", "New message"),
        ("de", "Neue Nachricht"),
        ("fr_CA", "Nouveau message"),
        ("ES", "Nuevo mensaje"),
        ("ja", "New message"),
        ("", "New message"),
    ],
)
def test_it_is_told_in_the_readers_language_or_in_english(locale: str | None, plain: str) -> None:
    shown = content(recipient(UNSET), Circumstances("inbox", None, "Ann", locale, 3))
    assert shown == Content("Ann", plain, plain, 3, urgent=True)


@pytest.mark.parametrize(
    ("folder", "mentions", "kind"),
    [
        ("inbox", (), "message"),
        ("inbox", ("1",), "mention"),
        ("inbox", ("3",), "message"),
        ("requests", ("1",), "message_request"),
    ],
)
def test_its_kind_tells_a_request_from_a_mention_from_a_message(
    folder: str, mentions: tuple[str, ...], kind: str
) -> None:
    there = Circumstances(folder, None, "Ann", None, 0)  # type: ignore[arg-type]
    assert kind_of(recipient(mentions=tuple(map(UserId, mentions))), there) == kind


@pytest.mark.parametrize("kind", ["post", "story", "profile"])
@pytest.mark.parametrize("locale", ["en", "de", "fr", "es"])
def test_what_is_shared_without_a_word_is_named_in_the_readers_language(
    kind: Literal["post", "story", "profile"], locale: str
) -> None:
    shared = recipient(UNSET, share=Share(kind, "7"))
    alone = content(shared, Circumstances("inbox", None, "Ann", locale, 0))
    assert (alone.title, alone.body.startswith(SHARED[locale])) == ("Ann", True)
    assert content(shared, Circumstances("inbox", "Climbing", "Ann", locale, 0)).body == f"Ann: {alone.body}"
    assert content(recipient("look", share=Share(kind, "7")), Circumstances("inbox", None, "Ann", locale, 0)).body == (
        "look"
    )
    assert content(shared, Circumstances("requests", None, "Ann", locale, 0)).body != alone.body

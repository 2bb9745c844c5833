"""What a push for a message shows, in its reader's language."""

from msgspec import UNSET, Struct

from persistence.messages.contract import Circumstances, MessageKind, Recipient
from protocol.pushes import Content
from server.languages import in_language

LONGEST = 200
"""Code points of a message that are shown."""


class _Texts(Struct, frozen=True):
    message: str
    request: str


_BY_LANGUAGE = {
    "en": _Texts("New message", "New message request"),
    "de": _Texts("Neue Nachricht", "Neue Nachrichtenanfrage"),
    "fr": _Texts("Nouveau message", "Nouvelle invitation par message"),
    "es": _Texts("Nuevo mensaje", "Nueva solicitud de mensaje"),
}


def kind_of(recipient: Recipient, there: Circumstances) -> MessageKind:
    """A request is one whoever it names."""
    if there.folder == "requests":
        return "message_request"
    return "mention" if recipient.mentioned else "message"


def content(recipient: Recipient, there: Circumstances) -> Content:
    """Of a request the text is not shown: a stranger does not get to write on anybody's locked screen."""
    texts = in_language(_BY_LANGUAGE, there.locale)
    if there.folder == "requests":
        return Content(there.sender, texts.request, texts.request, there.badge)
    text = recipient.message.text
    said = texts.message if text is UNSET or not text else _cut(text)
    if there.title:
        said = _cut(f"{there.sender}: {said}")
    return Content(there.title or there.sender, said, texts.message, there.badge, urgent=True)


def _cut(text: str) -> str:
    return text if len(text) <= LONGEST else text[: LONGEST - 1] + "…"

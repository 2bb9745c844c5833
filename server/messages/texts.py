"""What a push for a message shows, in its reader's language."""

from msgspec import UNSET, Struct

from persistence.messages.contract import Circumstances, MessageKind, Recipient
from protocol.events import MessageSent
from protocol.pushes import Content
from server.languages import in_language

LONGEST = 200
"""Code points of a message that are shown."""


class _Texts(Struct, frozen=True):
    """What is shared is said of the sender, whose name stands before it."""

    message: str
    request: str
    post: str
    story: str
    profile: str


_BY_LANGUAGE = {
    "en": _Texts("New message", "New message request", "Shared a post", "Shared a story", "Shared a profile"),
    "de": _Texts(
        "Neue Nachricht",
        "Neue Nachrichtenanfrage",
        "Hat einen Beitrag geteilt",
        "Hat eine Story geteilt",
        "Hat ein Profil geteilt",
    ),
    "fr": _Texts(
        "Nouveau message",
        "Nouvelle invitation par message",
        "A partagé une publication",
        "A partagé une story",
        "A partagé un profil",
    ),
    "es": _Texts(
        "Nuevo mensaje",
        "Nueva solicitud de mensaje",
        "Compartió una publicación",
        "Compartió una historia",
        "Compartió un perfil",
    ),
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
    said = _said(texts, recipient.message)
    if there.title:
        said = _cut(f"{there.sender}: {said}")
    return Content(there.title or there.sender, said, texts.message, there.badge, urgent=True)


def _said(texts: _Texts, message: MessageSent) -> str:
    """What was written goes before what was shared with it."""
    if message.text is not UNSET and message.text:
        return _cut(message.text)
    if message.share is UNSET:
        return texts.message
    return {"post": texts.post, "story": texts.story, "profile": texts.profile}[message.share.kind]


def _cut(text: str) -> str:
    return text if len(text) <= LONGEST else text[: LONGEST - 1] + "…"

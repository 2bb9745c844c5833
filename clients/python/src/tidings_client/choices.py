"""My settings of conversations and their folders: what an event told is not undone by an answer that was under way."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Final

from .events import Conversation, SettingsChanged

_NO_SETTING: Final = frozenset({"ev", "u", "conversation"})


class Choices:
    """Settings have no place in a log that would tell which are newer. An answer is as old as its question, an event as
    old as its arrival, and per setting the youngest counts. `mark` dates a question.
    """

    def __init__(self) -> None:
        self._now = 0
        self._known: dict[str, dict[str, tuple[int, Any]]] = {}

    def mark(self, *, alone: bool) -> int:
        """The date of a question that is asked now; `alone`: no other one is open, so all that is known is older."""
        if alone:
            self._known.clear()
        self._now += 1
        return self._now

    def heard(self, event: SettingsChanged) -> None:
        """An event of the stream."""
        self._now += 1
        self._note(event.conversation, {k: v for k, v in event.body.items() if k not in _NO_SETTING}, self._now)

    def shown(self, conversation: Conversation, asked: int) -> Conversation:
        """A conversation as an answer shows it, with what is known to be younger than its question."""
        self._note(conversation.id, dict(conversation.settings), asked)
        known = self._known[conversation.id].items()
        younger = {name: value for name, (date, value) in known if date > asked}
        if not younger:
            return conversation
        folder = younger.pop("folder", "inbox" if conversation.folder == "archive" else conversation.folder)
        settings = {**conversation.settings, **younger}
        if folder == "inbox" and settings.get("archived"):
            folder = "archive"
        return replace(conversation, settings=settings, folder=folder)

    def _note(self, conversation: str, settings: dict[str, Any], date: int) -> None:
        known = self._known.setdefault(conversation, {})
        for name, value in settings.items():
            if known.get(name, (0, None))[0] < date:
                known[name] = date, value

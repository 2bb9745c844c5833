"""What a client remembers between connections and between processes, and two places to keep it.

The session decides what is to be remembered and says so as `Change`s; a store folds them into `Stored`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any, Final, Protocol

from .codec import JSON
from .errors import Malformed


@dataclass(frozen=True, slots=True)
class Unsent:
    """A send that has no final answer yet; `content` are its fields beside `conversation`, `cid` and `after`."""

    conversation: str
    cid: str
    content: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Change:
    """What has become true: absent parts stay as they were. `settled` is (conversation, cid) of an ended send."""

    user: str | None = None
    position: tuple[str, int] | None = None
    since: int | None = None
    heads: Mapping[str, int] | None = None
    forgotten: str | None = None
    queued: Unsent | None = None
    settled: tuple[str, str] | None = None


@dataclass(slots=True)
class Stored:
    """All a client remembers. `position` is (epoch, u) of the last event stored, `since` the time of the last sync."""

    user: str | None = None
    position: tuple[str, int] | None = None
    since: int = 0
    heads: dict[str, int] = field(default_factory=dict)
    unsent: dict[tuple[str, str], Unsent] = field(default_factory=dict)

    def copy(self) -> Stored:
        """A value of the caller's own."""
        return Stored(self.user, self.position, self.since, dict(self.heads), dict(self.unsent))

    def apply(self, change: Change) -> None:
        """The one place where what is remembered changes."""
        self.user = change.user or self.user
        self.position = change.position or self.position
        self.since = self.since if change.since is None else change.since
        self.heads.update(change.heads or {})
        if change.forgotten is not None:
            self.heads.pop(change.forgotten, None)
        if change.queued is not None:
            self.unsent[change.queued.conversation, change.queued.cid] = change.queued
        if change.settled is not None:
            self.unsent.pop(change.settled, None)


class Store(Protocol):
    """Where a client's memory is kept. One client uses a store at a time; the calls are short and do not await."""

    def load(self) -> Stored:
        """What is remembered, in a value of the caller's own."""

    def keep(self, change: Change) -> None:
        """Remembers the change before it returns: what leaves for the server afterwards relies on it."""


class MemoryStore:
    """Remembers as long as it lives: reconnects resume, a later client of the same process goes on where this ended."""

    def __init__(self) -> None:
        self._stored = Stored()

    def load(self) -> Stored:
        """A copy, so that the reader's own bookkeeping does not show here."""
        return self._stored.copy()

    def keep(self, change: Change) -> None:
        """Folds the change in."""
        self._stored.apply(change)


ANEW_BYTES: Final = 1024 * 1024


class FileStore:
    """Remembers in one file of JSON lines, a line a change; survives the death of the process, not of the machine.

    Loading folds the lines, ignores a last line cut short by a crash, and writes the file anew; so does `keep` after
    each MiB. Opening it raises OSError as files do; a file of another kind raises ValueError.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._stored = Stored()
        self._lines: IO[str] | None = None
        self._room = 0

    def load(self) -> Stored:
        """Reads the file, or starts an empty one, and leaves it open for `keep`."""
        self._stored = self._fold()
        self._lines = self._write_anew()
        return self._stored.copy()

    def keep(self, change: Change) -> None:
        """Appends one line and hands it to the operating system."""
        if self._lines is None:
            self.load()
        assert self._lines is not None
        line = _line(change)
        self._lines.write(line)
        self._lines.flush()
        self._stored.apply(change)
        self._room -= len(line)
        if self._room < 0:
            self._lines = self._write_anew()

    def close(self) -> None:
        """Lets go of the file."""
        if self._lines is not None:
            self._lines.close()
            self._lines = None

    def _write_anew(self) -> IO[str]:
        fresh = self._path.with_name(self._path.name + ".new")
        with fresh.open("w", encoding="utf-8") as lines:
            lines.writelines(_line(change) for change in _unfold(self._stored))
            self._room = lines.tell() + ANEW_BYTES
        self.close()
        fresh.replace(self._path)
        return self._path.open("a", encoding="utf-8")

    def _fold(self) -> Stored:
        stored = Stored()
        if not self._path.exists():
            return stored
        with self._path.open(encoding="utf-8") as lines:
            for line in lines:
                if line.endswith("\n"):
                    stored.apply(_change(line))
        return stored


_SIMPLE: Final = ("user", "since", "heads", "forgotten")


def _line(change: Change) -> str:
    said: dict[str, Any] = {key: value for key in _SIMPLE if (value := getattr(change, key)) is not None}
    if change.position is not None:
        said["epoch"], said["u"] = change.position
    if change.queued is not None:
        said["queued"] = [change.queued.conversation, change.queued.cid, dict(change.queued.content)]
    if change.settled is not None:
        said["settled"] = list(change.settled)
    return str(JSON.encode(said)) + "\n"


def _change(line: str) -> Change:
    try:
        said = JSON.decode(line)
        return Change(
            **{key: said[key] for key in _SIMPLE if key in said},
            position=(said["epoch"], said["u"]) if "epoch" in said else None,
            queued=Unsent(*said["queued"]) if "queued" in said else None,
            settled=(said["settled"][0], said["settled"][1]) if "settled" in said else None,
        )
    except (Malformed, KeyError, IndexError, TypeError) as error:
        raise ValueError("not a file of this store") from error


def _unfold(stored: Stored) -> list[Change]:
    whole = Change(user=stored.user, position=stored.position, since=stored.since, heads=stored.heads)
    return [whole, *(Change(queued=unsent) for unsent in stored.unsent.values())]

"""What can go wrong, as types: one request refused or undecided, or the client stopped for good."""

from __future__ import annotations


class TidingsError(Exception):
    """Anything this package raises on purpose."""


class Refused(TidingsError):
    """The server's final no to one request: it was not and will not be carried out (wire contract §2).

    `code` is the contract's word, such as `forbidden`, `not_found`, `too_large`.
    """

    def __init__(self, code: str, message: str = "") -> None:
        super().__init__(f"{code}: {message}" if message else code)
        self.code = code
        self.message = message


class OutcomeUnknown(TidingsError):
    """Nobody can say whether the request was carried out. Asking again with the same `cid` is always safe."""

    def __init__(self, op: str, cid: str | None = None) -> None:
        super().__init__(f"the outcome of {op} is unknown")
        self.op = op
        self.cid = cid


class QueueFull(TidingsError):
    """Too many requests wait for a connection or for a reply; nothing was queued."""


class Malformed(TidingsError):
    """A message of the server does not have the shape the contract gives it."""


class Stopped(TidingsError):
    """The client does not reconnect by itself. `code` is the close code that ended it, or None."""

    def __init__(self, why: str, code: int | None = None) -> None:
        super().__init__(why if code is None else f"{why} ({code})")
        self.code = code


class Closed(Stopped):
    """The application closed the client; what was not acknowledged stays in the store."""


class Superseded(Stopped):
    """A newer connection with the same device id took over (4301)."""


class AuthenticationFailed(Stopped):
    """The token is not accepted and there is no fresh one (4303, or a refused refresh)."""


class Revoked(Stopped):
    """The login behind the token was revoked (4304)."""


class VersionRefused(Stopped):
    """The server no longer speaks this version of the contract (4306)."""


class ProtocolFault(Stopped):
    """One side broke the contract in a way that reconnecting does not mend (4307, or a refused sync)."""


class WrongUser(Stopped):
    """The store belongs to another user than the token: its unsent messages must not leave under this name."""

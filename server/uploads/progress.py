"""How far uploads are, told live to their owners: by whoever receives them, and by the pipeline."""

from collections.abc import Callable
from typing import Any, Literal

from msgspec import UNSET, UnsetType

from actors.effects import Address, user_address
from protocol.ids import UserId
from protocol.live import UploadMoved
from protocol.media import MediaId

State = Literal["received", "processing", "ready", "rejected"]


class Progress:
    """`deliver` reaches users wherever their home is. Nothing here is durable: who was not there asks.

    `wake` is called when an upload is whole that came in here."""

    def __init__(
        self, deliver: Callable[[tuple[Address, ...], Any], None], wake: Callable[[], None] = lambda: None
    ) -> None:
        self._deliver = deliver
        self._wake = wake

    def tell(self, owner: UserId, upload: str, state: State, percent: int | UnsetType = UNSET) -> None:
        """`percent` of it is here, when it is not whole; from `processing` on it is media."""
        whole = state != "received" or percent == 100
        media = MediaId(upload) if whole else UNSET
        if state == "received" and whole:
            self._wake()
        self._deliver((user_address(owner),), UploadMoved(upload, state, percent, media))

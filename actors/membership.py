"""One member of a conversation, as its writer knows them: role, span, marks, and what others were told."""

from typing import Literal

from msgspec import UNSET

from protocol.events import ReceiptMoved
from protocol.ids import ConversationId, Millis, UserId

RECEIPT_EVERY = 1_000


class Membership:
    """Marks only grow. `wanted_c` is a delivered mark that waits for its turn: others hear at most once a second."""

    __slots__ = (
        "delivered_c",
        "joined_c",
        "left_c",
        "read_c",
        "role",
        "send_receipts",
        "told_at",
        "told_delivered",
        "told_read",
        "user",
        "wanted_c",
    )

    def __init__(
        self,
        user: UserId,
        role: Literal["owner", "admin", "member"] = "member",
        *,
        joined_c: int = 0,
        left_c: int = 0,
        delivered_c: int = 0,
        read_c: int = 0,
        send_receipts: bool = True,
    ) -> None:
        self.user = user
        self.role = role
        self.joined_c = joined_c
        self.left_c = left_c
        self.delivered_c = self.wanted_c = self.told_delivered = delivered_c
        self.read_c = self.told_read = read_c
        self.send_receipts = send_receipts
        self.told_at = Millis(0)

    @property
    def due(self) -> bool:
        """Something waits to be made durable or told."""
        return self.wanted_c > self.told_delivered or self.read_c > self.told_read

    def receipt(self, conversation: ConversationId) -> ReceiptMoved:
        """What has moved since others were told."""
        moved: dict[str, int] = {}
        if self.wanted_c > self.told_delivered:
            moved["delivered_c"] = self.wanted_c
        if self.read_c > self.told_read:
            moved["read_c"] = self.read_c
        return ReceiptMoved(conversation=conversation, user=self.user, **moved)

    def move(self, moved: ReceiptMoved) -> None:
        if moved.delivered_c is not UNSET:
            self.delivered_c = max(self.delivered_c, moved.delivered_c)
            self.wanted_c = max(self.wanted_c, moved.delivered_c)
        if moved.read_c is not UNSET:
            self.read_c = max(self.read_c, moved.read_c)

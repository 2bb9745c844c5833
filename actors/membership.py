"""One member of a conversation, as its writer knows them: marks, settings, and what others were told."""

from msgspec import UNSET
from msgspec.structs import replace

from protocol.events import ReceiptMoved
from protocol.facts import CHOSEN, NOTHING_SET, Choice, Settings
from protocol.ids import ConversationId, Millis, UserId
from protocol.requests import ChangeSettings

RECEIPT_EVERY = 1_000


def differing(
    conversation: ConversationId, stands: Settings, wanted: ChangeSettings | Settings, v: int
) -> Choice | None:
    """Those settings in `wanted` that do not stand so already, as the choice `v`; None when all do."""
    news = {
        name: value
        for name in CHOSEN
        if (value := getattr(wanted, name, UNSET)) is not UNSET and value != getattr(stands, name)
    }
    return Choice(conversation, **news, v=v) if news else None


def merged(stands: Settings, choice: Choice) -> Settings:
    """The settings after a choice."""
    return replace(stands, **{name: getattr(choice, name) for name in choice.names}, v=choice.v)


def shows(settings: Settings) -> bool:
    """Others are shown the marks of whoever has set this: not of a request that is not accepted."""
    return settings.send_receipts is not False and settings.folder == "inbox"


class Membership:
    """Marks only grow. `wanted_c` is a delivered mark that waits for its turn: others hear at most once a second."""

    __slots__ = (
        "delivered_c",
        "left_c",
        "read_c",
        "settings",
        "told_at",
        "told_delivered",
        "told_read",
        "user",
        "wanted_c",
    )

    def __init__(
        self,
        user: UserId,
        *,
        left_c: int = 0,
        delivered_c: int = 0,
        read_c: int = 0,
        settings: Settings = NOTHING_SET,
    ) -> None:
        self.user = user
        self.left_c = left_c
        self.delivered_c = self.wanted_c = self.told_delivered = delivered_c
        self.read_c = self.told_read = read_c
        self.settings = settings
        self.told_at = Millis(0)

    @property
    def shown(self) -> bool:
        """Others are shown these marks."""
        return shows(self.settings)

    @property
    def accepted(self) -> bool:
        """It is no request to this member, nor one that they declined."""
        return self.settings.folder == "inbox"

    @property
    def hears(self) -> bool:
        """Events reach this member: they are in the conversation and have not declined it."""
        return not self.left_c and self.settings.folder != "declined"

    def tell_anew(self) -> None:
        """Others have been told nothing of these marks."""
        self.told_delivered = self.told_read = 0

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

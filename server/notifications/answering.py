"""The operations on notifications: lists, what was seen, and preferences."""

from collections.abc import Callable

from msgspec import UNSET

from persistence.cursors import cursor, read_cursor
from persistence.notifications.contract import NotificationStore
from protocol.codec import JSON
from protocol.errors import Refusal
from protocol.events import NotificationsSeen
from protocol.ids import Millis, UserId
from protocol.notifications import Notification, Notifications
from protocol.replies import Done, Result
from protocol.requests import ChangePreferences, ListNotifications, SeeNotifications
from server.notifications.wording import shown
from server.refusals import NO_CURSOR

FIRST = 10
FIRST_BYTES = 12 * 1024
"""The page that goes with a snapshot or a sync, which have as much room left."""
PAGE_BYTES = 200 * 1024

NO_ZONE = Refusal("bad_request", "set.quiet.zone: there is no such time zone; give an IANA name, such as Europe/Berlin")

Asking = ListNotifications | SeeNotifications | ChangePreferences


class Answering:
    """Answers what users ask. `tell` reaches the user's devices, `is_zone` knows the time zones."""

    def __init__(
        self,
        store: NotificationStore,
        tell: Callable[[UserId, NotificationsSeen], None],
        is_zone: Callable[[str], bool],
    ) -> None:
        self._store = store
        self._tell = tell
        self._is_zone = is_zone

    async def answer(self, user: UserId, request: Asking) -> Result:
        """Raises `UnavailableError`."""
        match request:
            case ListNotifications():
                return await self._list(user, request)
            case SeeNotifications():
                return await self._see(user, Millis(request.up_to))
            case ChangePreferences():
                return await self._prefer(user, request)

    async def first_page(self, user: UserId) -> Notifications:
        """What replaces all that a client has. Raises `UnavailableError`."""
        return await self._page(user, None, FIRST, FIRST_BYTES)

    async def _list(self, user: UserId, request: ListNotifications) -> Result:
        if request.before is UNSET:
            return await self._page(user, None, request.limit, PAGE_BYTES)
        try:
            at, id = read_cursor(request.before)
        except ValueError:
            return NO_CURSOR
        return await self._page(user, (Millis(at), id), request.limit, PAGE_BYTES)

    async def _page(self, user: UserId, before: tuple[Millis, int] | None, limit: int, size: int) -> Notifications:
        page = await self._store.page(user, before, limit)
        items, after = list[Notification](), page.next
        for sight in page.sights:
            item = shown(sight, page.locale)
            size -= len(JSON.encode(item))
            if size < 0 and items:
                after = Millis(items[-1].updated_at), int(items[-1].id)
                break
            items.append(item)
        return Notifications(page.badge, items, cursor(*after) if after else UNSET)

    async def _see(self, user: UserId, up_to: Millis) -> Result:
        badge = await self._store.see(user, up_to)
        if badge is not None:
            self._tell(user, NotificationsSeen(up_to, badge))
        return Done()

    async def _prefer(self, user: UserId, request: ChangePreferences) -> Result:
        if request.set is UNSET:
            return await self._store.preferences(user)
        quiet = request.set.quiet
        if quiet is not UNSET and not self._is_zone(quiet.zone):
            return NO_ZONE
        return await self._store.prefer(user, request.set)

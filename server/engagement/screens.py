"""Screens: which posts the connections of this node show, and what was told of each."""

from collections.abc import Collection, Iterator

from msgspec import Struct

from protocol.counts import PostCount
from protocol.ids import UserId
from protocol.posts import PostId


class Screen(Struct, eq=False):
    """What one connection shows: of each post that its user may see, the counts that were told last."""

    user: UserId
    connection: int
    told: dict[PostId, PostCount]


class Screens:
    """`pairs` counts screens and posts on them."""

    def __init__(self) -> None:
        self.pairs = 0
        self._screens: dict[int, Screen] = {}
        self._showing: dict[PostId, dict[int, Screen]] = {}

    def __iter__(self) -> Iterator[Screen]:
        return iter(self._screens.values())

    def __len__(self) -> int:
        return len(self._screens)

    def begin(self, user: UserId, connection: int) -> Screen:
        """From now on the connection shows what is put on this screen, and nothing of what it did."""
        self.end(connection)
        screen = self._screens[connection] = Screen(user, connection, {})
        return screen

    def show(self, screen: Screen, counts: Collection[PostCount]) -> None:
        """These posts are on the screen, and these counts were told. It may have ended meanwhile."""
        if self._screens.get(screen.connection) is screen:
            for count in counts:
                if count.post not in screen.told:
                    self.pairs += 1
                screen.told[count.post] = count
                self._showing.setdefault(count.post, {})[screen.connection] = screen

    def remove(self, screen: Screen, post: PostId) -> bool:
        """The post is not on the screen any more; False: it was not."""
        if screen.told.pop(post, None) is None:
            return False
        self.pairs -= 1
        showing = self._showing[post]
        del showing[screen.connection]
        if not showing:
            del self._showing[post]
        return True

    def end(self, connection: int) -> None:
        """The connection shows nothing."""
        if screen := self._screens.pop(connection, None):
            for post in list(screen.told):
                self.remove(screen, post)

    def showing(self, post: PostId) -> list[Screen]:
        """Where it is on screen."""
        return list(self._showing.get(post, {}).values())

    def next_posts(self, most: int) -> list[PostId]:
        """Some of those on screen; all have their turn."""
        posts = [post for post, _ in zip(self._showing, range(most), strict=False)]
        for post in posts:
            self._showing[post] = self._showing.pop(post)
        return posts

    def next_screens(self, most: int) -> list[Screen]:
        """Some screens with so many posts on them, or a few more; all have their turn."""
        screens, pairs = list[Screen](), 0
        for screen in self:
            if pairs >= most:
                break
            screens.append(screen)
            pairs += len(screen.told)
        for screen in screens:
            self._screens[screen.connection] = self._screens.pop(screen.connection)
        return screens

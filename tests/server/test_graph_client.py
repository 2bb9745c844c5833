"""The SDK's graph and the terminal's words for it, at a real server."""

from collections.abc import Awaitable, Callable

import pytest

from server.chat.directory import Directory
from server.chat.relations import Relations
from tests.server.running import Installation
from tidings_client import Graph, Login, Refused, Tokens, sign_up

PASSWORD = "correct horse battery"
Enter = Callable[[str], Awaitable[tuple[str, Login]]]


@pytest.fixture
def enter(installation: Installation) -> Enter:
    """Sign somebody up: their id and login."""

    async def enter(name: str) -> tuple[str, Login]:
        tokens = await sign_up(installation.url, name, PASSWORD)
        return tokens.user, Login(installation.url, tokens)

    return enter


async def test_somebody_private_is_followed_when_they_accept(enter: Enter) -> None:
    (ida, one), (max_, other) = await enter("ida.graph"), await enter("max.graph")
    mine, theirs = Graph(one), Graph(other)
    await theirs.set_private(True)
    assert (await mine.follow(max_)).state == "requested"
    [asking] = (await theirs.people("follow-requests")).items
    assert (asking.user, asking.username, asking.name) == (ida, "ida.graph", None)
    assert (await theirs.accept(ida)).reverse == "following"
    assert [person.user for person in (await mine.people("following")).items] == [max_]
    assert (await theirs.remove_follower(ida)).reverse == "none"
    await mine.follow(max_)
    assert (await theirs.decline(ida)).reverse == "none"
    assert (await mine.relation(max_)).state == (await mine.unfollow(max_)).state == "none"


async def test_pages_of_people_follow_each_other(enter: Enter) -> None:
    user, login = await enter("famous.graph")
    fans = [await enter(f"fan{number}.graph") for number in range(3)]
    for _, fan in fans:
        await Graph(fan).follow(user)
    first = await Graph(login).people("followers", limit=2)
    rest = await Graph(login).people("followers", before=first.next, limit=2)
    assert [person.user for person in first.items + rest.items] == [fan for fan, _ in reversed(fans)]
    assert rest.next is None


async def test_friends_of_friends_are_suggested_and_lists_of_others_are_read(enter: Enter) -> None:
    (_, one), (tom, other), (lea, third) = [await enter(f"{name}.friends") for name in ("kim", "tom", "lea")]
    mine = Graph(one)
    await mine.follow(tom)
    await Graph(other).follow(lea)
    [suggested] = await mine.suggestions()
    assert (suggested.user, suggested.common, suggested.by) == (lea, 1, (tom,))
    assert [person.user for person in (await mine.people_of(tom, "following")).items] == [lea]
    assert [person.user for person in (await mine.people_of(lea, "followers")).items] == [tom]
    await Graph(third).set_private(True)
    with pytest.raises(Refused, match="not_found"):
        await mine.people_of(lea, "followers")


async def test_who_is_blocked_is_told_that_nobody_is_there(enter: Enter) -> None:
    (ada, one), (eve, other) = await enter("ada.graph"), await enter("eve.graph")
    assert (await Graph(one).decide("block", eve)).blocked
    with pytest.raises(Refused) as refused:
        await Graph(other).follow(ada)
    with pytest.raises(Refused) as absent:
        await Graph(other).follow("8")
    assert str(refused.value) == str(absent.value)
    assert not (await Graph(one).decide("block", eve, on=False)).blocked
    assert (await Graph(other).follow(ada)).state == "following"


async def test_a_stale_token_is_renewed_once_and_a_void_one_is_not(installation: Installation, enter: Enter) -> None:
    (ada, login), (ben, _) = await enter("stale.graph"), await enter("other.graph")
    good = login.tokens
    renewed = Login(installation.url, Tokens(ada, "stale", good.refresh_token, 900))
    assert (await Graph(renewed).follow(ben)).state == "following"
    assert renewed.tokens.access_token != "stale"


async def test_people_are_named_at_the_terminal(installation: Installation, enter: Enter) -> None:
    said: list[str] = []

    def terminal(login: Login) -> Relations:
        return Relations(Graph(login), Directory(login), said.append)

    (_, one), (_, other) = await enter("tina.graph"), await enter("tom.graph")
    tina, tom = terminal(one), terminal(other)
    for person, word, name in (
        (tina, "/follow", "tom.graph"),
        (tina, "/unfollow", "tom.graph"),
        (tom, "/private", ""),
        (tom, "/follow-requests", ""),
        (tina, "/follow", "tom.graph"),
        (tom, "/follow-requests", ""),
        (tom, "/approve", "tina.graph"),
        (tom, "/reject", "tina.graph"),
        (tom, "/public", ""),
        (tom, "/block", "tina.graph"),
        (tina, "/follow", "tom.graph"),
        (tom, "/unblock", "tina.graph"),
        (tom, "/block", ""),
    ):
        assert await person.line(word, name)
    assert not await tina.line("/list", "")
    assert said == [
        "tom.graph: you follow them",
        "tom.graph: you do not follow each other",
        "who wants to follow you has to ask",
        "nobody asks to follow you",
        "tom.graph: you have asked to follow them",
        "tina.graph asks to follow you",
        "tina.graph: they follow you",
        "tina.graph: they follow you",
        "anybody may follow you",
        "tina.graph: blocked",
        "! there is no 'tom.graph' here",
        "tina.graph: you do not follow each other",
        "! name somebody",
    ]

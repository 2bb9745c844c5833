"""The contract of `NotificationStore`, on both stores, with what decides on a node."""

import asyncio
import itertools
from collections.abc import AsyncIterator
from random import Random

import pytest

from persistence.notifications.contract import KEEP_MS, KEEP_UNDONE_MS
from persistence.outbox.contract import Event
from persistence.pool import open_pool
from protocol.activity import Kind
from protocol.ids import Millis, UserId
from protocol.preferences import Muted, PreferencesChange, QuietHours
from server.notifications.wording import actors, targets, text
from tests.contracts.grounds import Users
from tests.contracts.notification_grounds import (
    HOUR_MS,
    MINUTE_MS,
    Desk,
    MemoryNotificationGround,
    NotificationGround,
    PostgresNotificationGround,
    deed,
    event,
    likes,
)

names = itertools.count(1)


@pytest.fixture
async def ground(url: str | None) -> AsyncIterator[NotificationGround]:
    if url is None:
        yield MemoryNotificationGround()
        return
    async with open_pool(url, 4) as pool:
        yield PostgresNotificationGround(pool)


@pytest.fixture
def desk(ground: NotificationGround) -> Desk:
    return Desk(ground.store)


@pytest.fixture
async def me(ground: NotificationGround, users: Users) -> UserId:
    user = users.draw()
    await ground.sign_up(user, f"me{next(names)}")
    return user


@pytest.fixture
async def people(ground: NotificationGround, users: Users) -> list[UserId]:
    drawn = [users.draw() for _ in range(12)]
    for user in drawn:
        await ground.sign_up(user, f"somebody{next(names)}")
    return drawn


async def test_many_people_and_one_thing_are_one_group_with_its_newest_people(
    ground: NotificationGround, desk: Desk, me: UserId, people: list[UserId]
) -> None:
    await desk.fold(*likes(people, me))
    page = await ground.store.page(me, None, 20)
    [sight] = page.sights
    assert (sight.members, actors(sight), targets(sight)) == (12, 12, 1)
    assert [one.id for one in sight.people] == people[:3:-1]
    assert (page.badge, page.next) == (1, None)


async def test_one_person_and_many_things_are_one_group(
    ground: NotificationGround, desk: Desk, me: UserId, people: list[UserId]
) -> None:
    await desk.fold(*(event(deed(people[0], me, f"post{number}")) for number in range(10)))
    [sight] = (await ground.store.page(me, None, 20)).sights
    assert (actors(sight), targets(sight), len(sight.targets)) == (1, 10, 8)


async def test_a_window_that_is_over_becomes_one_push_and_what_comes_later_another(
    ground: NotificationGround, desk: Desk, me: UserId, people: list[UserId]
) -> None:
    await desk.fold(*likes(people[:2], me))
    await desk.close()
    assert await ground.jobs(me) == []
    await ground.pass_ms(MINUTE_MS)
    await desk.close()
    await desk.close()
    [(_, content)] = await ground.jobs(me)
    assert content.body.endswith("liked your photo")
    assert " and " in content.body
    assert content.badge == 1
    await desk.fold(*likes(people[2:3], me))
    await ground.pass_ms(MINUTE_MS)
    await desk.close()
    assert len(await ground.jobs(me)) == 2


async def test_what_is_taken_back_within_the_window_leaves_nothing(
    ground: NotificationGround, desk: Desk, me: UserId, people: list[UserId]
) -> None:
    await desk.fold(*likes(people[:1], me))
    await desk.fold(event(deed(people[0], me, undone=True)))
    await ground.pass_ms(MINUTE_MS)
    await desk.close()
    assert await ground.jobs(me) == []
    page = await ground.store.page(me, None, 20)
    assert (page.sights, page.badge) == ([], 0)


async def test_an_end_that_comes_before_its_beginning_stands(
    ground: NotificationGround, desk: Desk, me: UserId, people: list[UserId]
) -> None:
    begun, undone = event(deed(people[0], me)), event(deed(people[0], me, undone=True))
    await desk.fold(undone)
    await desk.fold(begun)
    assert (await ground.store.page(me, None, 20)).sights == []
    assert await ground.rows(me) == (0, 1)


async def test_who_does_it_again_after_the_alert_counts_without_a_second_one(
    ground: NotificationGround, desk: Desk, me: UserId, people: list[UserId]
) -> None:
    await desk.fold(*likes(people[:1], me))
    await ground.pass_ms(MINUTE_MS)
    await desk.close()
    await desk.fold(event(deed(people[0], me, undone=True)))
    await desk.fold(event(deed(people[0], me)))
    await ground.pass_ms(MINUTE_MS)
    await desk.close()
    assert len(await ground.jobs(me)) == 1
    [sight] = (await ground.store.page(me, None, 20)).sights
    assert sight.members == 1


async def test_somebody_counts_once_however_often_they_reply(
    ground: NotificationGround, desk: Desk, me: UserId, people: list[UserId]
) -> None:
    said = [event(deed(people[n % 2], me, kind="story_reply", name=str(n), text=f"no {n}")) for n in range(4)]
    await desk.fold(*said)
    await desk.fold(event(deed(people[0], me, kind="story_reply", name="0", undone=True)))
    [sight] = (await ground.store.page(me, None, 20)).sights
    assert (sight.members, sight.text) == (2, "no 3")
    await desk.fold(event(deed(people[0], me, kind="story_reply", name="2", undone=True)))
    [sight] = (await ground.store.page(me, None, 20)).sights
    assert (sight.members, [one.id for one in sight.people]) == (1, [people[1]])


@pytest.mark.parametrize("deeds", [("reply", True), ("mention", True), ("tag", False)])
async def test_what_was_said_of_a_post_is_read_as_long_as_that_may_be_seen(
    ground: NotificationGround, desk: Desk, me: UserId, people: list[UserId], deeds: tuple[Kind, bool]
) -> None:
    kind, of_comment = deeds
    post, comment = await ground.comment(people[0], "look")
    await desk.fold(event(deed(people[0], me, post, kind, name=comment if of_comment else "", text="look")))
    for archived in (False, True):
        if archived:
            await ground.archive(post)
        [listed] = (await ground.store.page(me, None, 20)).sights
        [told], _ = await ground.store.sights([listed.group.id])
        assert (listed.text, told.text, listed.members) == ("" if archived else "look", listed.text, 1)
    await ground.pass_ms(MINUTE_MS)
    await desk.close()
    assert ["look" in content.body for _, content in await ground.jobs(me)] == [False]


async def test_a_group_takes_no_more_after_twelve_hours(
    ground: NotificationGround, desk: Desk, me: UserId, people: list[UserId]
) -> None:
    await desk.fold(*likes(people[:1], me))
    await ground.pass_ms(12 * HOUR_MS)
    await desk.fold(*likes(people[1:2], me))
    assert len((await ground.store.page(me, None, 20)).sights) == 2


async def test_what_was_seen_is_not_alerted_and_who_comes_later_is_news(
    ground: NotificationGround, desk: Desk, me: UserId, people: list[UserId]
) -> None:
    await desk.fold(*likes(people[:1], me))
    [sight] = (await ground.store.page(me, None, 20)).sights
    assert await ground.store.see(me, Millis(sight.group.updated_at - 1)) is None
    assert await ground.store.see(me, sight.group.updated_at) == 0
    assert await ground.store.see(me, sight.group.updated_at) is None
    await ground.pass_ms(MINUTE_MS)
    await desk.close()
    assert await ground.jobs(me) == []
    await desk.fold(*likes(people[1:2], me))
    page = await ground.store.page(me, None, 20)
    assert ([one.group.seen for one in page.sights], page.badge) == ([False], 1)
    await ground.pass_ms(MINUTE_MS)
    await desk.close()
    assert len(await ground.jobs(me)) == 1


@pytest.mark.parametrize("kind", ["block", "mute", "restrict", "blocked by"])
async def test_who_is_hidden_is_not_shown_not_counted_and_no_news(
    ground: NotificationGround, desk: Desk, me: UserId, people: list[UserId], kind: str
) -> None:
    await desk.fold(*likes(people[:2], me), event(deed(people[1], me, "other", "comment", name="1")))
    if kind == "blocked by":
        await ground.relate(people[1], "block", me)
    else:
        await ground.relate(me, kind, people[1])
    await ground.pass_ms(MINUTE_MS)
    await desk.close()
    page = await ground.store.page(me, None, 20)
    [sight] = page.sights
    assert (sight.members, [one.id for one in sight.people], page.badge) == (1, people[:1], 1)
    [(_, content)] = await ground.jobs(me)
    assert content.body.endswith("liked your photo")
    assert " and " not in content.body
    await desk.fold(*likes(people[1:2], me, "third"))
    assert desk.folding.outcomes["unwanted"] == 1


async def test_nobody_is_told_what_their_preferences_refuse(
    ground: NotificationGround, desk: Desk, me: UserId, people: list[UserId]
) -> None:
    await ground.relate(me, "follow", people[0])
    change = PreferencesChange(
        channels={"follow": {"push": False}},
        audience={"comment": "following", "tag": "nobody"},
        muted=Muted((people[2],), ("noise",)),
    )
    assert await ground.store.prefer(me, change) == await ground.store.preferences(me)
    await desk.fold(
        event(deed(people[0], me, kind="comment", name="1")),
        event(deed(people[1], me, kind="comment", name="2")),
        event(deed(people[1], me, kind="tag")),
        event(deed(people[2], me)),
        event(deed(people[3], me, "noise")),
        event(deed(people[3], me, "", "follow")),
    )
    await ground.pass_ms(MINUTE_MS)
    await desk.close()
    page = await ground.store.page(me, None, 20)
    assert [(sight.group.kind, sight.members) for sight in page.sights] == [("follow", 1), ("comment", 1)]
    assert [content.body.split(" ", 1)[1] for _, content in await ground.jobs(me)] == ["commented on your photo"]


async def test_a_mention_does_not_wait_and_says_what_was_said_in_the_readers_language(
    ground: NotificationGround, desk: Desk, users: Users, people: list[UserId]
) -> None:
    me, ada = users.draw(), users.draw()
    await ground.sign_up(me, f"me{next(names)}", locale="de-AT")
    await ground.sign_up(ada, f"ada{next(names)}", "Ada")
    post, comment = await ground.comment(ada, "hallo")
    await desk.fold(event(deed(ada, me, post, "mention", name=comment, text="hallo")))
    await desk.close()
    [(_, content)] = await ground.jobs(me)
    assert (content.body, content.plain, content.urgent) == (
        "Ada hat dich erwähnt: hallo",
        "Du hast eine neue Mitteilung",
        True,
    )
    page = await ground.store.page(me, None, 20)
    assert text(page.sights[0], page.locale) == content.body


async def test_quiet_hours_hold_what_is_new_and_tell_it_as_one_when_they_end(
    ground: NotificationGround, desk: Desk, me: UserId, people: list[UserId]
) -> None:
    # All day but for its last minute: when this runs then, the test has nothing to say.
    await ground.store.prefer(me, PreferencesChange(quiet=QuietHours("UTC", 0, 1_439)))
    await desk.fold(*likes(people[:2], me), *likes(people[2:4], me, "second"))
    await ground.pass_ms(MINUTE_MS)
    await desk.close()
    held = await ground.store.next_due()
    if held is None:
        pytest.skip("the last minute of the day")
    assert held > 0
    assert await ground.jobs(me) == []
    await ground.store.prefer(me, PreferencesChange(quiet=QuietHours("UTC", 0, 0)))
    await ground.pass_ms(held + 1)
    await desk.close()
    [(_, content)] = await ground.jobs(me)
    assert content.body == "You have 2 new notifications"


async def test_pages_go_on_below_the_last_one(
    ground: NotificationGround, desk: Desk, me: UserId, people: list[UserId]
) -> None:
    for number, actor in enumerate(people[:5]):
        await desk.fold(event(deed(actor, me, f"post{number}")))
        await ground.pass_ms(10)
    seen, before = [], None
    for _ in range(4):
        page = await ground.store.page(me, before, 2)
        seen += [sight.targets for sight in page.sights]
        if (before := page.next) is None:
            break
    assert seen == [(f"post{number}",) for number in reversed(range(5))]


async def test_what_is_old_is_removed_with_all_its_deeds(
    ground: NotificationGround, desk: Desk, me: UserId, people: list[UserId]
) -> None:
    await desk.fold(*likes(people[:2], me), event(deed(people[3], me, "gone", undone=True)))
    assert await ground.rows(me) == (1, 3)
    await ground.pass_ms(KEEP_UNDONE_MS + 1_000)
    while await ground.store.trim():
        pass
    assert await ground.rows(me) == (1, 2)
    await ground.pass_ms(KEEP_MS)
    while await ground.store.trim():
        pass
    assert await ground.rows(me) == (0, 0)
    await desk.fold(event(deed(people[0], me, undone=True)))
    assert (await ground.store.page(me, None, 20)).sights == []


async def test_two_who_fold_the_same_events_in_any_order_and_more_than_once_count_each_once(
    ground: NotificationGround, me: UserId, people: list[UserId]
) -> None:
    random = Random(4)
    done: dict[tuple[UserId, str], bool] = {}
    events = []
    for _ in range(400):
        actor, target = random.choice(people), f"post{random.randrange(4)}"
        undone = random.random() < 0.4
        events.append(event(deed(actor, me, target, undone=undone)))
        done[actor, target] = not undone
    batches = [random.sample(events, 40) for _ in range(30)]
    batches += [events[start::10] for start in range(10)]
    random.shuffle(batches)
    one, other = Desk(ground.store), Desk(ground.store)

    async def take(desk: Desk, batches: list[list[Event]]) -> None:
        for batch in batches:
            await desk.folding(batch)

    await asyncio.gather(take(one, batches[::2]), take(other, batches[1::2]))
    page = await ground.store.page(me, None, 50)
    assert sum(sight.members for sight in page.sights) == sum(done.values())


async def test_a_hot_post_is_one_row_with_the_right_count_and_one_push(
    ground: NotificationGround, desk: Desk, me: UserId, people: list[UserId], users: Users
) -> None:
    crowd = [users.draw() for _ in range(10_000)]
    batches = [likes(crowd[start : start + 500], me) for start in range(0, 10_000, 500)]
    await asyncio.gather(*(desk.folding(batch) for batch in batches), *(desk.folding(batch) for batch in batches))
    await desk.fold(*likes(people[:2], me))
    assert desk.folding.outcomes["repeated"] == 10_000
    await ground.pass_ms(MINUTE_MS)
    await asyncio.gather(desk.close(), Desk(ground.store).close(), Desk(ground.store).close())
    [sight] = (await ground.store.page(me, None, 20)).sights
    assert sight.members == 10_002
    [(_, content)] = await ground.jobs(me)
    assert content.body.endswith("and 10000 others liked your photo")


async def test_sights_leave_out_what_is_gone_or_not_listed(
    ground: NotificationGround, desk: Desk, me: UserId, people: list[UserId]
) -> None:
    await ground.store.prefer(me, PreferencesChange(channels={"follow": {"in_app": False}}))
    await desk.fold(*likes(people[:1], me), event(deed(people[0], me, "", "follow")))
    sights, locales = await ground.store.sights([*(id for _, id in desk.told), 1])
    assert ([sight.group.kind for sight in sights], locales) == (["like"], {me: None})
    assert (await ground.store.page(me, None, 20)).badge == 1
    assert await ground.store.open_windows() >= 2


async def test_what_an_older_release_told_as_another_kind_is_taken_back_too(
    ground: NotificationGround, desk: Desk, me: UserId, people: list[UserId]
) -> None:
    ada = people[0]
    await desk.fold(event(deed(ada, me, "comment")), event(deed(ada, me, "post", "comment", name="answer")))
    assert len((await ground.store.page(me, None, 20)).sights) == 2
    await desk.fold(
        event(deed(ada, me, "comment", "comment_like", undone=True)),
        event(deed(ada, me, "post", "reply", name="answer", undone=True)),
    )
    assert not (await ground.store.page(me, None, 20)).sights

"""The commands for operators, as they are called."""

import asyncio
from pathlib import Path

from click.testing import CliRunner, Result

from persistence.outbox.contract import DeadLetter
from server.cli import main
from tests.server.outbox.rig import CONSUMER, TOPIC, Ground


async def tidings(database: str, *arguments: str) -> Result:
    """In a thread, as it runs a loop of its own."""

    environ = {"TIDINGS_POSTGRES__URL": database, "TIDINGS_TOKENS__KEYS": "k1:" + "A" * 43 + "="}
    file = Path(__file__).parents[3] / "config" / "example.toml"
    command = ["admin", *arguments, "--config", str(file)]
    return await asyncio.to_thread(CliRunner().invoke, main, command, env=environ)


async def buried(ground: Ground, *bodies: bytes) -> list[int]:
    """Dead letters of these; their ids."""
    await ground.add(*bodies)
    (message,) = await ground.store.pack(TOPIC)
    await ground.store.done(message, [DeadLetter(CONSUMER, event, "no such kind", 1) for event in message.events])
    return [event.id for event in message.events]


async def test_the_lag_of_each_consumer_is_shown(ground: Ground, database: str) -> None:
    await buried(ground, b"bad")
    await ground.add(b"a", b"b")
    done = await tidings(database, "outbox")
    assert done.exit_code == 0
    (row,) = [line for line in done.output.splitlines() if CONSUMER in line]
    assert [cell.strip() for cell in row.split("│")[1:5]] == [TOPIC, CONSUMER, "2", "0"]
    assert row.split("│")[6].strip() == "1"


async def test_dead_letters_are_listed_without_what_was_said_in_them(ground: Ground, database: str) -> None:
    first, second = await buried(ground, b"a secret", b"another one")
    done = await tidings(database, "dead-letters", "list")
    assert "no such kind" in done.output
    assert "secret" not in done.output
    assert str(first) in done.output
    done = await tidings(database, "dead-letters", "list", "--limit", "1")
    assert "--limit shows more" in done.output
    assert f"│ {first} " not in done.output
    assert f"│ {second} " in done.output
    done = await tidings(database, "dead-letters", "list", "--consumer", "search")
    assert done.output == "there are no dead letters of search\n"


async def test_one_dead_letter_or_all_of_a_consumer_are_replayed(ground: Ground, database: str) -> None:
    first, second, third = await buried(ground, b"a", b"b", b"c")
    done = await tidings(database, "dead-letters", "replay", CONSUMER, "--event", str(second))
    assert done.output.startswith("1 to be handled again")
    assert [letter.event.id for letter in await ground.store.dead_letters(None, 10)] == [third, first]
    done = await tidings(database, "dead-letters", "replay", CONSUMER)
    assert done.output.startswith("2 to be handled again")
    done = await tidings(database, "dead-letters", "replay", CONSUMER)
    assert done.exit_code == 1
    assert f"{CONSUMER} has no dead letters: `tidings admin dead-letters list`" in done.output
    async with ground.node(""):
        await ground.finished()
    assert await ground.effects.bodies() == [b"a", b"b", b"c"]


async def test_dead_letters_are_given_up_only_when_that_is_confirmed(ground: Ground, database: str) -> None:
    await buried(ground, b"a", b"b")
    done = await tidings(database, "dead-letters", "drop", CONSUMER)
    assert done.exit_code == 1
    assert len(await ground.store.dead_letters(None, 10)) == 2
    done = await tidings(database, "dead-letters", "drop", CONSUMER, "--yes")
    assert "2 given up" in done.output
    assert await ground.store.dead_letters(None, 10) == []

"""What the simulated people show: pictures that they draw themselves, and deeds on a running server."""

import asyncio
import os
import re
import sys

import numpy as np
import pytest
import pyvips  # type: ignore[import-untyped]  # it ships no types

from server.demo.figures import HEADS, Figures
from server.demo.person import Person
from server.demo.pictures import draw
from tests.server.running import Installation
from tidings_client import Client, Graph, Login, Message, sign_up

SMALL = (120, 160)
PASSWORD = "correct horse"


def pixels(jpeg: bytes) -> "np.ndarray[tuple[int, ...], np.dtype[np.uint8]]":
    return np.asarray(pyvips.Image.new_from_buffer(jpeg, "").numpy())


def test_a_number_is_a_picture_always_the_same() -> None:
    assert draw(7, SMALL) == draw(7, SMALL)


def test_no_two_numbers_are_alike_and_none_is_of_one_colour() -> None:
    shown = [pixels(draw(number, SMALL)).astype(float) for number in range(12)]
    assert all(one.shape == (160, 120, 3) and one.std() > 15 for one in shown)
    apart = [abs(one - other).mean() for at, one in enumerate(shown) for other in shown[:at]]
    assert min(apart) > 3


def test_the_table_has_a_head_for_every_figure() -> None:
    figures = Figures()
    figures.acked(0.012)
    row = dict(zip(HEADS, figures.row(), strict=True))
    assert (row["sent"], row["ack p50"], row["posts"]) == ("1", "12.0 ms", "0")


@pytest.mark.verify
async def test_people_follow_post_and_like_on_a_running_server(installation: Installation) -> None:
    demo = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "server.cli", "demo", "--people", "4", "--url", installation.url),
        *("--data", str(installation.data.parent / "crowd")),
        stdout=asyncio.subprocess.PIPE,
        env=os.environ | {"COLUMNS": "300"},
    )
    assert demo.stdout is not None
    wanted = {"posts", "likes", "stories", "seen"}
    try:
        async with asyncio.timeout(90):
            async for line in demo.stdout:
                wanted -= {what for what, number in re.findall(r"(\w+) (\d+)", line.decode()) if int(number)}
                if not wanted:
                    break
    finally:
        demo.terminate()
        await demo.wait()
    assert not wanted


@pytest.mark.verify
async def test_a_newcomer_is_greeted_once_however_often_the_demo_is_started(installation: Installation) -> None:
    url = installation.url
    mae, friend, first, second = [Login(url, await sign_up(url, f"demo.{n}", PASSWORD)) for n in range(4)]
    greeted: list[int] = []
    for newcomer in (first, second):
        person = Person(url, "mae", mae, [friend.tokens.user], [friend.tokens.user], Figures())
        living = asyncio.create_task(person.live(3_600))
        async with Client(url, token_source=newcomer) as client:
            await Graph(newcomer).follow(mae.tokens.user)
            async with asyncio.timeout(20):
                async for event in client.events():
                    if isinstance(event, Message):
                        break
        living.cancel()
        await asyncio.wait([living])
        async with Client(url, token_source=first) as client:
            conversation = await client.open(mae.tokens.user)
            greeted.append(conversation.last_c)
    assert greeted == [1, 1]

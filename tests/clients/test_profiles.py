"""What the client makes of profiles; `tests/server/http/test_directory.py` asks a real server."""

from __future__ import annotations

from typing import Any

from tests.clients.answering import Answering, served
from tidings_client import MyProfile, Profile, Profiles

ADA: dict[str, Any] = {"id": "7", "username": "ada", "later": {}}


async def test_what_the_server_leaves_out_is_read_as_what_it_means() -> None:
    server = Answering(ADA)
    async with served(server.handle) as login:
        profiles = Profiles(login)
        assert await profiles.of("7") == Profile("7", "ada", None, False, 0, 0, 0)
        server.answer = ADA | {"name": "Ada", "private": True, "followers": 3, "following": 2, "posts": 1}
        assert await profiles.named("a/da") == Profile("7", "ada", "Ada", True, 3, 2, 1)
        server.answer = ADA | {"email": "ada@example.com", "settings": {"theme": "dark"}}
        assert await profiles.mine() == MyProfile("7", "ada", None, "ada@example.com", False, {"theme": "dark"})
    assert [asked[:2] for asked in server.asked] == [
        ("GET", "/v1/users/7"),
        ("GET", "/v1/users/by-username/a%2Fda"),
        ("GET", "/v1/me"),
    ]


async def test_only_what_is_given_is_changed() -> None:
    server = Answering(ADA | {"settings": {}})
    async with served(server.handle) as login:
        await Profiles(login).change(name="", settings={"tips": False}, private=False)
        await Profiles(login).change()
    assert server.asked == [
        ("PATCH", "/v1/me", {"name": "", "private": False, "settings": {"tips": False}}),
        ("PATCH", "/v1/me", {}),
    ]

"""Names for ids and ids for names, asked over HTTP once each: for programs that show people to people."""

import asyncio
import json
import urllib.error
import urllib.parse
import urllib.request
from typing import Any

from tidings_client import Login

TIMEOUT_S = 10.0


class Directory:
    """Profiles as one login sees them. Raises OSError when the server cannot be reached or is in trouble,
    AuthenticationFailed when the login is over."""

    def __init__(self, url: str, login: Login) -> None:
        self._url = url
        self._login = login
        self._names: dict[str, str] = {}

    async def name(self, user: str) -> str:
        """The username; the id itself of somebody who does not exist any more."""
        if user not in self._names:
            found = await self._get(f"/v1/users/{urllib.parse.quote(user)}")
            self._names[user] = str(found["username"]) if found else user
        return self._names[user]

    async def user(self, name: str) -> str | None:
        """The id of a username."""
        found = await self._get(f"/v1/users/by-username/{urllib.parse.quote(name, safe='')}")
        return str(found["id"]) if found else None

    async def _get(self, path: str) -> dict[str, Any] | None:
        """What is there; None if nothing is. An access token lives for minutes: a refused one is renewed, once."""
        url, token = self._url + path, await self._login()
        status, found = await asyncio.to_thread(_get, url, token)
        if status == 401:
            status, found = await asyncio.to_thread(_get, url, await self._login(token))
        if status in (200, 400, 404):
            return found
        raise OSError(f"the server answers {status}")


def _get(url: str, token: str) -> tuple[int, dict[str, Any] | None]:
    request = urllib.request.Request(url, headers={"Authorization": f"Bearer {token}"})
    try:
        with urllib.request.urlopen(request, timeout=TIMEOUT_S) as response:
            return response.status, json.load(response)
    except urllib.error.HTTPError as fault:
        with fault:
            return fault.code, None

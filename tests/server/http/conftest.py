"""A served stack, and two people on it."""

from collections.abc import AsyncIterator

import pytest

from tests.server.http.stack import Client, Person, Stack, sign_up


@pytest.fixture
def stack() -> Stack:
    return Stack()


@pytest.fixture
async def client(stack: Stack) -> AsyncIterator[Client]:
    async with stack.served() as client:
        yield client


@pytest.fixture
async def ada(client: Client) -> Person:
    return await sign_up(client, "ada")


@pytest.fixture
async def bob(client: Client) -> Person:
    return await sign_up(client, "bob")

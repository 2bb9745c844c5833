"""The program: signing in or up, lines from stdin, and what goes wrong in one sentence."""

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager, suppress

import click

from protocol.people import USERNAME_RULE
from server.chat.directory import Directory
from server.chat.relations import Relations
from server.chat.talking import Chat
from tidings_client import Client, Graph, Login, Refused, TidingsError, log_in, sign_up


async def enter(url: str, name: str, password: str) -> Login:
    """Sign in, or up if nobody has the name. Raises Refused: the name is somebody else's, or cannot be had."""
    with suppress(Refused):
        return Login(url, await log_in(url, name, password))
    try:
        return Login(url, await sign_up(url, name, password))
    except Refused as refusal:
        if refusal.code == "conflict_state":
            raise Refused("unauthenticated", f"{name} exists and this is not the password") from None
        if refusal.code == "bad_request":
            rules = f"a username is {USERNAME_RULE}, a password at least 8 characters"
            raise Refused(refusal.code, rules) from None
        raise


async def chat(url: str, name: str, password: str) -> None:
    """Talk until /quit or the end of input. Raises what `enter` raises, in a group when it happens later."""
    login = await enter(url, name, password)
    async with Client(url, token_source=login, device=f"chat-{name}", app="tidings chat") as client:
        directory = Directory(login)
        talk = Chat(client, directory, Relations(Graph(login), directory, click.echo), click.echo)
        click.echo(f"you are {name}; /help says what you can do")
        async with asyncio.TaskGroup() as group:
            listening = group.create_task(talk.listen())
            async for line in typed():
                if not await talk.line(line):
                    break
            listening.cancel()


async def typed() -> AsyncIterator[str]:
    """The lines of stdin as they come. No thread waits for them: it could not be ended before the next line."""
    rest = b""
    while octets := await _read(sys.stdin.fileno()):
        *lines, rest = (rest + octets).split(b"\n")
        for line in lines:
            yield line.decode(errors="replace")
    if rest:
        yield rest.decode(errors="replace")


async def _read(descriptor: int) -> bytes:
    """Some bytes, b"" at the end."""
    loop, readable = asyncio.get_running_loop(), asyncio.Event()
    try:
        loop.add_reader(descriptor, readable.set)
    except PermissionError:
        # A file, which never has one wait.
        return os.read(descriptor, 4_096)
    try:
        await readable.wait()
    finally:
        loop.remove_reader(descriptor)
    return os.read(descriptor, 4_096)


@contextmanager
def told(url: str) -> Iterator[None]:
    """What a client's user can mend becomes one sentence (ClickException) instead of a traceback."""
    why = ""
    try:
        yield
    except* TidingsError as faults:
        why = f"{_first(faults)}."
    except* (OSError, ValueError) as faults:
        why = f"--url: {url} cannot be reached ({_first(faults)}): is `tidings serve` running?"
    if why:
        raise click.ClickException(why)


def _first(fault: BaseException) -> BaseException:
    return _first(fault.exceptions[0]) if isinstance(fault, BaseExceptionGroup) else fault

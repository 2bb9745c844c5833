"""Objects as files in a folder of this machine: written beside, made durable, and only then put in their place."""

import asyncio
import os
import secrets
import time
from collections.abc import AsyncGenerator, Collection, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

import aiofiles  # type: ignore[import-untyped]

from persistence.faults import UnavailableError
from persistence.folders import sync_folder
from persistence.objects.contract import Content, Listed, ObjectAbsent, checked, folder_of

PART = 262_144
UNFINISHED = ".new"
"""The folder of files that are still written. No key begins with a dot."""
ABANDONED_S = 86_400
PLACING = 5


class LocalObjects:
    """`Objects` in `folder`, which is made when the first is put. Several nodes may share it."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder.absolute()

    async def put(self, key: str, content: Content) -> None:
        target = self._path(key)
        with _failing():
            beside = await asyncio.to_thread(self._beside)
            try:
                async with aiofiles.open(beside, "xb") as file:
                    if isinstance(content, bytes | bytearray):
                        await file.write(content)
                    else:
                        async for part in content:
                            await file.write(part)
                    await file.flush()
                    await asyncio.to_thread(os.fsync, file.fileno())
                await asyncio.to_thread(_place, beside, target)
            finally:
                await asyncio.to_thread(beside.unlink, missing_ok=True)

    async def read(self, key: str, start: int = 0, end: int | None = None) -> AsyncGenerator[bytes, None]:
        path, left = self._path(key), None if end is None else end - start
        with _failing():
            try:
                opened = await asyncio.to_thread(path.open, "rb")
            except FileNotFoundError:
                raise ObjectAbsent(key) from None
            # Not closed by a thread: whoever is cancelled would not wait for it, and it might not begin.
            with opened as file:
                file.seek(start)
                while left != 0:
                    part = await asyncio.to_thread(file.read, PART if left is None else min(PART, left))
                    if not part:
                        break
                    left = None if left is None else left - len(part)
                    yield part

    async def size(self, key: str) -> int | None:
        with _failing(), suppress(FileNotFoundError):
            return (await asyncio.to_thread(self._path(key).stat)).st_size
        return None

    async def listed(self, folder: str) -> list[Listed]:
        with _failing():
            found = await asyncio.to_thread(_files, self._folder / folder_of(folder))
        return [Listed(f"{folder}/{name}", size) for name, size in found]

    async def delete(self, keys: Collection[str]) -> None:
        paths = [self._path(key) for key in keys]
        with _failing():
            await asyncio.to_thread(_remove, paths)

    async def join(self, keys: Sequence[str], key: str) -> None:
        sources, target = [self._path(source) for source in keys], self._path(key)
        with _failing():
            try:
                await asyncio.to_thread(self._join, sources, target)
            except FileNotFoundError:
                raise ObjectAbsent(", ".join(keys)) from None

    def presigned(self, key: str, within_s: int) -> str | None:
        return None

    def drop_abandoned(self) -> None:
        """Remove what a killed process began to write a day ago or earlier."""
        before = time.time() - ABANDONED_S
        with suppress(OSError), os.scandir(self._folder / UNFINISHED) as entries:
            for entry in entries:
                with suppress(FileNotFoundError):
                    if entry.stat().st_mtime < before:
                        os.unlink(entry)

    def _path(self, key: str) -> Path:
        return self._folder / checked(key)

    def _beside(self) -> Path:
        folder = self._folder / UNFINISHED
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        return folder / secrets.token_hex(16)

    def _join(self, sources: Sequence[Path], target: Path) -> None:
        beside = self._beside()
        try:
            with open(beside, "xb", buffering=0) as file:
                for source in sources:
                    _append(source, file)
                os.fsync(file.fileno())
            _place(beside, target)
        finally:
            beside.unlink(missing_ok=True)


def _append(source: Path, file: BinaryIO) -> None:
    """Within the kernel, and where the file system can, without copying; where it refuses, or stops early, by hand."""
    with open(source, "rb", buffering=0) as piece:
        with suppress(OSError):
            while os.copy_file_range(piece.fileno(), file.fileno(), 1 << 30):
                pass
        while part := piece.read(PART):
            while part:
                part = part[file.write(part) :]


def _place(beside: Path, target: Path) -> None:
    """Under its name, durably. A folder that is empty may be removed by others until something is in it."""
    for attempt in range(PLACING):
        made = [folder for folder in target.parents if not folder.exists()]
        target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        try:
            beside.rename(target)
        except FileNotFoundError:
            if attempt == PLACING - 1 or not beside.exists():
                raise
            continue
        for folder in (target.parent, *(folder.parent for folder in made)):
            with suppress(FileNotFoundError):
                sync_folder(folder)
        return


def _files(folder: Path) -> list[tuple[str, int]]:
    found = []
    with suppress(FileNotFoundError), os.scandir(folder) as entries:
        for entry in entries:
            # Others may remove some meanwhile.
            with suppress(FileNotFoundError):
                if entry.is_file():
                    found.append((entry.name, entry.stat().st_size))
    return sorted(found)


def _remove(paths: Sequence[Path]) -> None:
    for path in paths:
        path.unlink(missing_ok=True)
    for folder in {path.parent for path in paths}:
        # Unless there is something in it.
        with suppress(OSError):
            folder.rmdir()


@contextmanager
def _failing() -> Iterator[None]:
    try:
        yield
    except OSError as fault:
        raise UnavailableError(f"the folder of objects: {fault.strerror or fault!r}") from fault

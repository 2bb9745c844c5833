"""HTTP/1.1 as far as the load needs it: GET on connections that are kept."""

from __future__ import annotations

import asyncio


class Http:
    """One connection; one request at a time."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    @classmethod
    async def open(cls, host: str, port: int) -> Http:
        """Raises OSError."""
        return cls(*await asyncio.open_connection(host, port))

    async def get(self, path: str, token: str) -> tuple[int, bytes]:
        """Status and body. Raises OSError or asyncio.IncompleteReadError when the connection ends."""
        self._writer.write(f"GET {path} HTTP/1.1\r\nHost: load\r\nAuthorization: Bearer {token}\r\n\r\n".encode())
        head = await self._reader.readuntil(b"\r\n\r\n")
        lines = head.split(b"\r\n")
        fields = dict(line.lower().split(b": ", 1) for line in lines[1:-2])
        body = await self._reader.readexactly(int(fields.get(b"content-length", b"0")))
        return int(lines[0].split(b" ")[1]), body

    def close(self) -> None:
        """End the connection."""
        self._writer.close()

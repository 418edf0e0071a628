"""Why a database lets nobody in, or does not do what it is asked: each cause on a real server."""

import asyncio
import shutil
import subprocess
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, ExitStack, contextmanager, suppress
from pathlib import Path

import asyncpg
import pytest
from click.testing import CliRunner
from structlog.testing import capture_logs

from boostmon.cli.service.doctor import doctor
from boostmon.config import PoolConfig
from boostmon.database.connections.causes import unavailable
from boostmon.database.connections.connection import session
from boostmon.database.connections.pool import connect
from boostmon.database.embedded.postgres import EmbeddedPostgres
from boostmon.database.embedded.provision import BOT, NAME
from boostmon.database.schema.migrate import migrate
from boostmon.errors import DatabaseError, DatabaseUnavailableError
from tests.cli.test_cli import TOKEN, boostmon
from tests.support.cluster import Node, single
from tests.support.databases import world_folder
from tests.support.patient import read

NOBODY = "http://127.0.0.1:1/api/v10"
ALONE = PoolConfig(boostmon_pool_min=1, boostmon_pool_max=1)
LARGE = "CREATE TABLE large AS SELECT repeat('x', 100) AS text FROM generate_series(1, 100000)"
OTHERS = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'boostmon_bot'"


@pytest.fixture
async def node() -> AsyncIterator[Node]:
    """Lend a server of its own, whose database is up to date."""
    async with single() as started:
        async with session(started.url(NAME)) as owner:
            await migrate(owner, BOT)
        yield started


async def plant(node: Node, *statements: str, rules: str | None = None) -> None:
    """Carry out *statements* as the superuser, and put *rules* in front of those of the server."""
    for statement in statements:
        await node.ask(statement, database="postgres")
    if rules is not None:
        file = node.socket.parent / "data" / "pg_hba.conf"
        file.write_text(f"local all postgres trust\n{rules}", encoding="utf-8")
        await node.ask("SELECT pg_reload_conf()", database="postgres")
        await asyncio.sleep(0.2)  # it tells nobody when it has read them


async def diagnosed(url: str, **environ: str) -> tuple[str, str]:
    """Have doctor look at *url*; return what is red of the database, with the remedy."""
    given = {"DATABASE_URL": url, "DISCORD_TOKEN": TOKEN, "BOOSTMON_DISCORD_API": NOBODY}
    run = CliRunner().invoke
    result = await asyncio.to_thread(run, doctor, [], env=given | environ, catch_exceptions=False)
    (found, remedy), *_ = [
        (found, remedy)
        for colour, found, remedy in read(result.exit_code, result.stdout).findings
        if colour == "red"
    ]
    return found, remedy


KEPT_OUT = {
    "NOLOGIN": (
        ["ALTER ROLE boostmon_bot NOLOGIN"],
        None,
        'cannot log in (role "boostmon_bot" is not permitted to log in); CREATE ROLE or ALTER',
    ),
    "no role": (
        ["ALTER ROLE boostmon_bot RENAME TO another"],
        None,
        'cannot log in (role "boostmon_bot" does not exist); CREATE ROLE or ALTER ROLE … LOGIN',
    ),
    "no line in pg_hba.conf": (
        [],
        f"local all {NAME} trust\n",
        "let nobody in on this way (no pg_hba.conf entry for",
    ),
    "a line that rejects": (
        [],
        f"local all {BOT} reject\n",
        "add a line to pg_hba.conf there, or correct DATABASE_URL.",
    ),
    "peer": (
        [],
        f"local all {BOT} peer\n",
        "refused this way to log in (Peer authentication failed",
    ),
    "a password that has run out": (
        ["ALTER ROLE boostmon_bot PASSWORD 'right' VALID UNTIL '2020-01-01'"],
        f"local all {BOT} scram-sha-256\n",
        "correct DATABASE_URL, or, if both are right, the role's VALID UNTIL.",
    ),
    "a database that is closed": (
        ["ALTER DATABASE boostmon ALLOW_CONNECTIONS false"],
        None,
        'lets nobody connect (database "boostmon" is not currently accepting connections)',
    ),
}
CROWDED = {
    "a limit of the role": (
        "ALTER ROLE boostmon_bot CONNECTION LIMIT 0",
        "raise the role's CONNECTION LIMIT (ALTER ROLE) there, or lower BOOSTMON_POOL_MAX.",
    ),
    "a limit of the database": (
        "ALTER DATABASE boostmon CONNECTION LIMIT 0",
        "raise the database's CONNECTION LIMIT (ALTER DATABASE) there",
    ),
}


@pytest.mark.parametrize("cause", KEPT_OUT)
async def test_who_is_kept_out_hears_why_at_the_start_and_in_doctor(node: Node, cause: str) -> None:
    statements, rules, expected = KEPT_OUT[cause]
    await plant(node, *statements, rules=rules)
    url = node.url(f"{BOT}:right")

    with pytest.raises(DatabaseError) as caught:
        async with session(url, wait=30):  # which nobody waits for: no repetition mends it
            pass
    found, remedy = await diagnosed(url)

    assert expected in str(caught.value)
    assert str(caught.value).lower() == f"{found.rstrip('.')}; {remedy}".lower()


@pytest.mark.parametrize("cause", CROWDED)
async def test_a_house_that_is_full_is_told_with_the_limit_to_raise(node: Node, cause: str) -> None:
    statement, expected = CROWDED[cause]
    await plant(node, statement)

    with pytest.raises(DatabaseUnavailableError) as caught:
        async with session(node.url(BOT), wait=1):
            pass
    found, remedy = await diagnosed(node.url(BOT))

    assert expected in str(caught.value)
    assert str(caught.value).lower() == f"{found.rstrip('.')}; {remedy}".lower()


async def test_a_server_that_is_full_is_told_with_the_limit_to_raise(node: Node) -> None:
    most = int(await node.ask("SHOW max_connections"))
    async with AsyncExitStack() as others:
        for _ in range(most - 3):  # these are kept for superusers
            await others.enter_async_context(session(node.url(BOT)))
        with pytest.raises(DatabaseUnavailableError, match="raise max_connections there, or lower"):
            await others.enter_async_context(session(node.url(BOT)))


@pytest.mark.parametrize(
    ("statement", "back", "expected"),
    [
        (
            "ALTER ROLE boostmon_bot CONNECTION LIMIT 0",
            "ALTER ROLE boostmon_bot CONNECTION LIMIT -1",
            "raise the role's CONNECTION LIMIT",
        ),
        ("ALTER ROLE boostmon_bot NOLOGIN", "ALTER ROLE boostmon_bot LOGIN", "cannot log in (role"),
        (
            "ALTER DATABASE boostmon CONNECTION LIMIT 0",
            "ALTER DATABASE boostmon CONNECTION LIMIT -1",
            "raise the database's CONNECTION LIMIT",
        ),
    ],
)
async def test_a_bot_at_work_logs_why_it_is_let_in_no_more(
    node: Node, statement: str, back: str, expected: str
) -> None:
    async with await connect(node.url(BOT), pool=ALONE) as database:
        await plant(node, statement, OTHERS)
        with capture_logs() as told:
            work = asyncio.create_task(database.fetch("SELECT 1"))
            async with asyncio.timeout(30):
                while not any(expected in line.get("reason", "") for line in told):  # noqa: ASYNC110 - no event
                    await asyncio.sleep(0.05)
            await plant(node, back)
            assert [(1,)] == [tuple(row) for row in await asyncio.wait_for(work, 30)]

    reasons = [line["reason"] for line in told if "reason" in line]
    assert len(reasons) == len({(line["event"], line.get("reason")) for line in told}) - 1


async def test_a_bot_at_work_logs_that_nothing_may_be_written_any_more(node: Node) -> None:
    write = "INSERT INTO people (user_id) VALUES ('1200000000000000001')"
    async with await connect(node.url(NAME), pool=ALONE) as database:
        await plant(
            node,
            "ALTER DATABASE boostmon SET default_transaction_read_only = on",
            OTHERS.replace(BOT, NAME),
        )
        with (
            capture_logs() as told,
            pytest.raises(DatabaseUnavailableError, match="lets nothing be written; name the"),
        ):
            await database.run(lambda c: c.execute(write), deadline=1.0)
        await plant(
            node,
            "ALTER DATABASE boostmon SET default_transaction_read_only = off",
            OTHERS.replace(BOT, NAME),
        )
        await database.run(lambda c: c.execute(write), deadline=20.0)

    assert any("lets nothing be written" in line.get("reason", "") for line in told)


async def test_a_limit_of_time_that_a_pooler_lets_through_is_named(node: Node) -> None:
    await plant(node, "ALTER ROLE boostmon_bot SET statement_timeout = '50ms'")
    with capture_logs() as told:
        async with await connect(node.url(BOT), pool=ALONE, statement_cache=False) as database:
            with pytest.raises(DatabaseUnavailableError, match="SET statement_timeout = 0"):
                await database.run(lambda c: c.execute("SELECT pg_sleep(5)"), deadline=0.5)
        async with await connect(node.url(BOT), pool=ALONE) as database:  # without a pooler
            await database.fetch("SELECT pg_sleep(0.1)")

    assert any("lift it: ALTER ROLE" in line.get("reason", "") for line in told)


# A disk that is full.


@contextmanager
def disk(mebibytes: int) -> Iterator[Path]:
    """Lend a folder on a disk of its own, which can be filled."""
    with world_folder() as folder, ExitStack() as stack:
        size = f"size={mebibytes}m,mode=755"
        mounted = ["/bin/mount", "-t", "tmpfs", "-o", size, "tmpfs", str(folder)]
        done = subprocess.run(mounted, check=False, capture_output=True)  # noqa: S603 - our own words
        if done.returncode:
            pytest.skip("a disk of its own is mounted by root alone, and not in every container")
        stack.callback(_unmount, folder)
        yield folder


def fill(folder: Path) -> Path:
    """Leave no room on the disk of *folder*; return the file that takes it."""
    filler = folder / "filler"
    with suppress(OSError), filler.open("wb", buffering=0) as file:
        while file.write(bytes(1 << 16)):
            pass
    assert shutil.disk_usage(folder).free == 0
    return filler


def _unmount(folder: Path) -> None:
    subprocess.run(["/bin/umount", "--lazy", str(folder)], check=True)  # noqa: S603 - our own words


async def test_a_full_disk_is_told_by_each_command_by_doctor_and_in_the_log() -> None:
    with disk(200) as folder:
        node = Node(folder / "only")
        await node.initialize()
        try:
            await node.start()
            await node.ask(f"CREATE ROLE {NAME} LOGIN", database="postgres")
            await node.ask(f"CREATE DATABASE {NAME} OWNER {NAME}", database="postgres")
            async with session(node.url(NAME)) as owner:
                await migrate(owner)
            async with await connect(node.url(NAME), pool=ALONE) as database:
                filler = fill(folder)
                with capture_logs() as told, pytest.raises(DatabaseError, match="is full"):
                    await database.run(lambda c: c.execute(LARGE), deadline=1.0)
                with pytest.raises(DatabaseError, match=r"is full .* make room there"):
                    async with session(node.url(NAME)) as owner:
                        await owner.execute(LARGE)
                found, remedy = await diagnosed(node.url(NAME))
                filler.unlink()
                await database.run(lambda c: c.execute(LARGE), deadline=30.0)
        finally:
            node.end()

    assert any("is full" in line.get("reason", "") for line in told)
    assert found.startswith("The disk of the database is full (could not extend file")
    assert remedy == "Make room there; BoostMon goes on by itself."


async def test_a_full_disk_is_told_when_the_embedded_database_is_made_or_started() -> None:
    with disk(20) as folder:  # less than it takes
        sentence = (await boostmon("migrate", BOOSTMON_DATA_DIR=str(folder / "data"))).sentence
        assert sentence.startswith(f"The disk of {folder / 'data'} is full; make room there")

    with disk(200) as folder:
        place = folder / "data"
        async with EmbeddedPostgres(place, durable=False):
            pass
        fill(folder)
        sentence = (await boostmon("migrate", BOOSTMON_DATA_DIR=str(place))).sentence
        assert sentence.startswith(f"The disk of {place} is full; make room there")
        with pytest.MonkeyPatch.context() as patch:
            patch.delenv("DATABASE_URL", raising=False)
            found, remedy = await diagnosed("", BOOSTMON_DATA_DIR=str(place))

    assert found == f"The disk of {place} is full."
    assert remedy.startswith("Make room there")


def test_what_a_server_says_in_another_language_is_told_apart_all_the_same() -> None:
    error = asyncpg.TooManyConnectionsError("zu viele Verbindungen für Rolle »boostmon_bot«")
    error.server_source_function = "InitializeSessionUserId"

    sentence = str(unavailable(error, where="there", variable="DATABASE_URL"))

    assert "raise the role's CONNECTION LIMIT (ALTER ROLE) there" in sentence

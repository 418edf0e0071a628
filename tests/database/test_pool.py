"""The pool: what it survives, what it gives up on, and in which words."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import asyncpg
import pytest

from boostmon.config import PoolConfig
from boostmon.database.connections import connection as connections
from boostmon.database.connections import pool as pools
from boostmon.database.connections.attempt import PATIENCE
from boostmon.database.connections.connection import Connector, session
from boostmon.database.connections.listen import listen
from boostmon.database.connections.pool import Database, connect
from boostmon.database.connections.url import Host, hosts_of, role_of
from boostmon.errors import DatabaseError, DatabaseUnavailableError
from tests.support.databases import Gate, Schema

ONE = PoolConfig(boostmon_pool_min=1, boostmon_pool_max=1)
QUICK = PoolConfig(boostmon_pool_min=1, boostmon_command_timeout=0.2)
CUT_OFF = """
SELECT pg_terminate_backend(pid) FROM pg_stat_activity
WHERE query LIKE $1 AND pid <> pg_backend_pid()
"""
PASSWORD = "hunter2"  # noqa: S105 - what must not leak


@pytest.fixture
async def gate(bot_url: str) -> AsyncIterator[Gate]:
    """Lend a gate before the server."""
    async with Gate(bot_url) as opened:
        yield opened


async def failure(url: str, *, wait: float = 0.0) -> str:
    with pytest.raises(DatabaseError) as refused:
        await connect(url, wait=wait)
    assert PASSWORD not in str(refused.value)
    return str(refused.value)


async def test_an_operation_survives_the_loss_of_its_connection(database: Database) -> None:
    backends: list[int] = []

    async def die_once(connection: asyncpg.Connection) -> str:
        backends.append(await connection.fetchval("SELECT pg_backend_pid()"))
        if len(backends) == 1:
            await connection.execute("SELECT pg_terminate_backend(pg_backend_pid())")
        return "done"

    assert await database.run(die_once) == "done"
    assert len(set(backends)) == 2


async def test_no_write_is_lost_or_doubled_while_connections_are_cut(
    owner_url: str, owner: asyncpg.Connection, superuser: asyncpg.Connection
) -> None:
    await owner.execute("CREATE TABLE written (id int PRIMARY KEY)")
    insert = "INSERT INTO written VALUES ($1) ON CONFLICT DO NOTHING"
    async with await connect(owner_url) as database:

        async def write(number: int) -> None:
            await database.run(lambda connection: connection.execute(insert, number))

        async with asyncio.TaskGroup() as group:
            for number in range(300):
                group.create_task(write(number))
                if number % 100 == 50:
                    await asyncio.sleep(0.01)
                    await superuser.execute(
                        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                        " WHERE query = $1 AND pid <> pg_backend_pid()",
                        insert,
                    )

    assert await owner.fetchval("SELECT count(*) FROM written") == 300


async def test_a_server_that_takes_no_writes_any_more_is_left(owner_url: str) -> None:
    demoted = iter(["on", "off"])

    async def write(connection: asyncpg.Connection) -> None:
        await connection.execute(f"SET default_transaction_read_only = {next(demoted)}")
        await connection.execute("CREATE TABLE written (id int)")

    async with await connect(owner_url, pool=ONE) as database:
        await database.run(write, deadline=10)

        setting = await database.run(lambda c: c.fetchval("SHOW default_transaction_read_only"))
    assert setting == "off"


@pytest.mark.parametrize("steps", range(4))
async def test_what_an_interrupted_transaction_did_is_taken_back(
    owner_url: str, steps: int
) -> None:
    async with await connect(owner_url, pool=ONE) as database:
        begun = asyncio.Event()

        async def write_and_hang(connection: asyncpg.Connection) -> None:
            async with connection.transaction():
                await connection.execute("CREATE TABLE written (id int)")
                begun.set()
                await connection.execute("SELECT pg_sleep(5)")

        work = asyncio.create_task(database.run(write_and_hang))
        await begun.wait()
        for _ in range(steps):  # a cancel that overtakes its statement does nothing
            await asyncio.sleep(0)
        work.cancel()
        await asyncio.wait([work], timeout=2 * PATIENCE + 1)

        assert work.cancelled()
        assert await database.run(lambda c: c.fetchval("SELECT to_regclass('written')")) is None


@pytest.mark.parametrize(
    ("statement", "arguments", "error"),
    [
        ("SELEKT", (), asyncpg.PostgresSyntaxError),
        ("SELECT $1::int", ("x",), asyncpg.DataError),
        ("SELECT $1::int", (), asyncpg.InterfaceError),
        ("SELECT 1 / 0", (), asyncpg.DivisionByZeroError),
    ],
)
async def test_a_mistake_is_not_repeated(
    database: Database, statement: str, arguments: tuple[str, ...], error: type[Exception]
) -> None:
    with pytest.raises(error):
        await database.run(lambda c: c.fetchval(statement, *arguments), deadline=10)


async def test_the_pool_says_whether_the_database_answers(gate: Gate) -> None:
    async with await connect(gate.url) as database:
        assert database.answers
        await gate.close()
        work = asyncio.create_task(database.run(lambda c: c.fetchval("SELECT 1")))
        await until(lambda: not database.answers)
        await gate.open()

        assert await work == 1
        assert database.answers


async def test_a_server_that_falls_silent_costs_no_more_than_the_deadline(gate: Gate) -> None:
    async with await connect(gate.url, pool=ONE) as database:
        gate.freeze()
        started = time.monotonic()
        with pytest.raises(DatabaseUnavailableError, match="does not answer"):
            await database.run(lambda c: c.fetchval("SELECT 1"), deadline=0.1)
        assert time.monotonic() - started < 0.1 + PATIENCE + 0.5
        gate.thaw()

        assert await database.run(lambda c: c.fetchval("SELECT 2")) == 2


@pytest.mark.parametrize("seconds", [0.1, 10.0])
async def test_a_silence_within_a_transaction_costs_no_more_than_the_deadline(
    gate: Gate, seconds: float
) -> None:
    pool = PoolConfig(boostmon_pool_min=1, boostmon_pool_max=1, boostmon_command_timeout=seconds)
    async with await connect(gate.url, pool=pool) as database:

        async def fall_silent(connection: asyncpg.Connection) -> None:
            async with connection.transaction():
                gate.freeze()
                await connection.execute("SELECT 1")

        started = time.monotonic()
        with pytest.raises(DatabaseUnavailableError, match="does not answer"):
            await database.run(fall_silent, deadline=0.3)
        assert time.monotonic() - started < 0.3 + 2 * PATIENCE + 0.5
        gate.thaw()

        assert await database.run(lambda c: c.fetchval("SELECT 2"), deadline=10) == 2


async def test_a_silence_within_a_transaction_is_survived(gate: Gate) -> None:
    async with await connect(gate.url, pool=QUICK) as database:

        async def fall_silent_once(connection: asyncpg.Connection) -> str:
            async with connection.transaction():
                if database.answers:
                    gate.freeze()
                return str(await connection.fetchval("SELECT 'done'"))

        work = asyncio.create_task(database.run(fall_silent_once, deadline=20))
        await until(lambda: not database.answers)
        gate.thaw()

        assert await work == "done"


async def test_a_server_that_fell_silent_is_asked_again_over_new_connections(gate: Gate) -> None:
    pool = PoolConfig(boostmon_pool_min=3, boostmon_command_timeout=0.2)
    async with await connect(gate.url, pool=pool) as database:
        gate.freeze()
        work = asyncio.create_task(database.run(lambda c: c.fetchval("SELECT 1")))
        await until(lambda: not database.answers)
        before = gate.visits
        gate.thaw()

        assert await work == 1
        assert gate.visits > before


async def test_a_slow_statement_is_cancelled_on_the_server_before_it_is_repeated(
    bot_url: str, superuser: asyncpg.Connection
) -> None:
    seconds = iter([60, 0])
    async with await connect(bot_url, pool=QUICK) as database:
        await database.run(lambda c: c.execute(f"SELECT pg_sleep({next(seconds)}) AS slowly"))

    running = "SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%60) AS slowly'"
    assert await superuser.fetchval(running + " AND state = 'active'") == 0


async def test_a_single_statement_survives_the_loss_of_its_connection(
    database: Database, superuser: asyncpg.Connection
) -> None:
    work = asyncio.create_task(database.fetch("SELECT pg_sleep(0.2), 'answered' AS word"))
    async with asyncio.timeout(10):
        while not await superuser.fetch(CUT_OFF, "SELECT pg_sleep(0.2)%"):  # noqa: ASYNC110 - only the server can tell
            await asyncio.sleep(0)

    assert [row["word"] for row in await work] == ["answered"]


async def test_a_single_statement_survives_a_silence(gate: Gate) -> None:
    async with await connect(gate.url, pool=QUICK) as database:
        gate.freeze()
        work = asyncio.create_task(database.fetch("SELECT 'answered' AS word"))
        await until(lambda: not database.answers)
        gate.thaw()

        assert [row["word"] for row in await work] == ["answered"]


async def test_who_gives_up_on_a_single_statement_ends_it_on_the_server(
    bot_url: str, superuser: asyncpg.Connection
) -> None:
    slow = "SELECT pg_sleep(60) AS slower"
    running = "SELECT count(*) FROM pg_stat_activity WHERE query = $1 AND state = 'active'"
    async with await connect(bot_url, pool=ONE) as database:
        work = asyncio.create_task(database.fetch(slow))
        async with asyncio.timeout(10):
            while not await superuser.fetchval(running, slow):  # noqa: ASYNC110 - only the server can tell
                await asyncio.sleep(0)
        work.cancel()
        with pytest.raises(asyncio.CancelledError):
            await work

        assert [row[0] for row in await database.fetch("SELECT 1")] == [1]
        assert not await superuser.fetchval(running, slow)


async def test_an_error_of_the_caller_passes_through(database: Database) -> None:
    async def fail(_: asyncpg.Connection) -> None:
        raise KeyError("mine")

    with pytest.raises(KeyError):
        await database.run(fail)


async def test_a_released_connection_is_not_reset(
    database: Database, superuser: asyncpg.Connection
) -> None:
    pid = await database.run(lambda c: c.fetchval("SELECT pg_backend_pid() AS last_words"))

    last = await superuser.fetchval("SELECT query FROM pg_stat_activity WHERE pid = $1", pid)
    assert last == "SELECT pg_backend_pid() AS last_words"


@pytest.mark.parametrize(("cache", "prepared"), [(True, 1), (False, 0)])
async def test_statements_are_kept_unless_a_pooler_may_stand_between(
    bot_url: str, cache: bool, prepared: int
) -> None:
    count = "SELECT count(*) FROM pg_prepared_statements WHERE statement = 'SELECT $1::int'"
    async with await connect(bot_url, pool=ONE, statement_cache=cache) as database:
        await database.run(lambda c: c.fetchval("SELECT $1::int", 1))

        assert await database.run(lambda c: c.fetchval(count)) == prepared


async def test_the_only_connection_goes_round_among_all_who_wait(bot_url: str) -> None:
    async with await connect(bot_url, pool=ONE) as database:
        ask = (database.run(lambda c: c.fetchval("SELECT 1")) for _ in range(5))
        async with asyncio.timeout(5):
            assert await asyncio.gather(*ask) == [1] * 5
            assert await database.run(lambda c: c.fetchval("SELECT 1")) == 1


async def test_after_closing_nothing_is_tried_any_more(bot_url: str) -> None:
    database = await connect(bot_url, pool=ONE)
    await database.close()

    with pytest.raises(DatabaseUnavailableError, match="closed"):
        await database.run(lambda c: c.fetchval("SELECT 1"))


async def test_closing_waits_for_nobody_for_long(
    bot_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pools, "FAREWELL", 0.05)
    database = await connect(bot_url, pool=ONE)
    work = asyncio.create_task(database.run(lambda c: c.fetchval("SELECT pg_sleep(1)")))
    await asyncio.sleep(0.05)

    await asyncio.wait_for(database.close(), 5)

    with pytest.raises(DatabaseUnavailableError, match="closed"):
        await work


async def test_at_the_start_a_server_is_waited_for(gate: Gate) -> None:
    await gate.close()
    opening = asyncio.create_task(connect(gate.url, wait=30))
    await asyncio.sleep(0.05)
    assert not opening.done()
    await gate.open()

    async with await opening as database:
        assert await database.run(lambda c: c.fetchval("SELECT 1")) == 1


async def test_a_server_that_never_answers_is_given_up(gate: Gate) -> None:
    await gate.close()

    message = await failure(f"postgresql://me:{PASSWORD}@127.0.0.1:{gate.port}/db", wait=0.3)

    assert message == (
        f"The database at postgresql://me:***@127.0.0.1:{gate.port}/db does not answer "
        "(connection refused); check that it runs and that DATABASE_URL is right."
    )


async def test_an_unknown_host_is_named_as_such() -> None:
    message = await failure(f"postgresql://me:{PASSWORD}@no.such.host.invalid/db")

    assert "(its host name is unknown)" in message


@pytest.mark.parametrize(
    "url",
    [
        f"postgresql://me:{PASSWORD}@[::1/db",
        f"postgresql://me:{PASSWORD}@host:port/db",
        f"http://me:{PASSWORD}@host/db",
        f"postgresql://me:{PASSWORD}@h1:1,h2:x/db",
    ],
)
async def test_a_malformed_url_is_not_quoted(url: str) -> None:
    assert (await failure(url)).startswith("DATABASE_URL cannot be understood")


async def test_an_unknown_database_and_an_unknown_user_are_told_apart(bot_url: str) -> None:
    async with Gate(bot_url) as gate:
        place = f"127.0.0.1:{gate.port}"
        login = gate.url.partition("://")[2].partition("@")[0]

        assert "no such database" in await failure(f"postgresql://{login}@{place}/nowhere")
        assert 'cannot log in (role "nobody_here" does not exist)' in await failure(
            f"postgresql://nobody_here:{PASSWORD}@{place}/postgres"
        )


@pytest.mark.parametrize(
    ("state", "expected"),
    [
        (b"28P01", "refused the user or the password; correct DATABASE_URL"),
        (b"28000", "refused this way to log in (no thanks); correct DATABASE_URL, or the line"),
        (b"3D000", "has no such database"),
        (b"42501", "may not connect to that database"),
        (b"08P01", "does not answer"),
        (b"57P03", "is starting or stopping (no thanks); wait"),
        (b"0A000", "refused: no thanks; check DATABASE_URL"),
    ],
)
async def test_what_a_server_refuses_is_put_into_a_sentence(state: bytes, expected: str) -> None:
    fields = b"SFATAL\0C" + state + b"\0Mno thanks\0\0"
    async with impostor(b"E" + (len(fields) + 4).to_bytes(4) + fields) as port:
        message = await failure(f"postgresql://me:{PASSWORD}@127.0.0.1:{port}/db?sslmode=disable")

    assert expected in message


async def test_a_server_that_is_too_old_is_refused() -> None:
    async with impostor(
        b"R\0\0\0\x08\0\0\0\0S\0\0\0\x17server_version\x009.6\0Z\0\0\0\x05I"
    ) as port:
        message = await failure(f"postgresql://me:{PASSWORD}@127.0.0.1:{port}/db?sslmode=disable")

    assert "is PostgreSQL 9, and BoostMon needs 15 or newer" in message


async def test_a_silent_first_host_is_passed_over_and_remembered(
    gate: Gate, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connections, "EACH_HOST", 0.2)
    async with impostor(b"") as silent:
        both = gate.url.replace("@127.0.0.1", f"@127.0.0.1:{silent},127.0.0.1")
        connector = Connector(both)
        (await connector.open()).terminate()
        started = time.monotonic()
        (await connector.open()).terminate()

    assert time.monotonic() - started < 0.2


async def test_with_every_host_silent_the_pool_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "EACH_HOST", 0.1)
    async with impostor(b"") as first, impostor(b"") as second:
        url = f"postgresql://me:{PASSWORD}@127.0.0.1:{first},127.0.0.1:{second}/db"

        assert "does not answer (no reply in time)" in await failure(url)


async def test_of_several_hosts_the_one_that_takes_writes_is_used(
    gate: Gate, owner_url: str, superuser: asyncpg.Connection
) -> None:
    reader = f"reader_{time.monotonic_ns()}"
    await superuser.execute(f"CREATE ROLE {reader} LOGIN PASSWORD '{PASSWORD}'")
    await superuser.execute(f"ALTER ROLE {reader} SET default_transaction_read_only = on")
    database = urlname(owner_url)
    await superuser.execute(f"GRANT CONNECT ON DATABASE {database} TO {reader}")
    try:
        both = f"postgresql://{reader}:{PASSWORD}@127.0.0.1:1,127.0.0.1:{gate.port}/"

        assert "none of its hosts fits target_session_attrs" in await failure(both + database)
        async with await connect(f"{both}{database}?target_session_attrs=any", pool=ONE) as opened:
            assert await opened.run(lambda c: c.fetchval("SELECT 1")) == 1
    finally:
        await superuser.execute(f"DROP OWNED BY {reader}")
        await superuser.execute(f"DROP ROLE {reader}")


async def test_a_session_ends_in_a_sentence_when_the_server_goes(gate: Gate) -> None:
    with pytest.raises(DatabaseUnavailableError, match="does not answer"):
        await speak_to_nobody(gate)


async def test_a_listener_hears_hints_and_listens_again_after_a_loss(
    gate: Gate, owner: asyncpg.Connection
) -> None:
    heard: asyncio.Queue[tuple[str, str]] = asyncio.Queue()
    channel = f"test_{time.monotonic_ns()}"
    ear = asyncio.create_task(
        listen(gate.url, [channel], lambda name, payload: heard.put_nowait((name, payload)))
    )
    try:
        async with asyncio.timeout(10):
            assert await heard.get() == (channel, "")
            await owner.execute("SELECT pg_notify($1, 'first')", channel)
            assert await heard.get() == (channel, "first")

            await gate.close()
            await gate.open()
            assert await heard.get() == (channel, "")
            await owner.execute("SELECT pg_notify($1, 'second')", channel)
            assert await heard.get() == (channel, "second")
    finally:
        ear.cancel()
        await asyncio.wait([ear])


async def test_a_listener_notices_a_server_that_fell_silent(
    gate: Gate, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("boostmon.database.connections.listen.HEARTBEAT", 0.05)
    monkeypatch.setattr("boostmon.database.connections.listen.ANSWER", 0.1)
    heard: asyncio.Queue[str] = asyncio.Queue()
    ear = asyncio.create_task(listen(gate.url, ["c"], lambda _, payload: heard.put_nowait(payload)))
    try:
        async with asyncio.timeout(10):
            await heard.get()
            before = gate.visits
            gate.freeze()
            await until(lambda: gate.visits > before)
            gate.thaw()
            assert await heard.get() == ""
    finally:
        ear.cancel()
        await asyncio.wait([ear])


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("postgresql://u:p@h1:1,h2:2/db", [Host("h1", 1), Host("h2", 2)]),
        ("postgresql://[::1]:7,h2/db", [Host("::1", 7), Host("h2", 5432)]),
        ("postgresql:///db?host=/run/a,/run/b&port=1,2", [Host("/run/a", 1), Host("/run/b", 2)]),
        ("postgresql://%2Frun%2Fa/db", [Host("/run/a", 5432)]),
        ("postgresql:///db", []),
    ],
)
def test_the_hosts_of_a_url_are_found(url: str, expected: list[Host]) -> None:
    assert hosts_of(url) == expected


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("postgresql://bo%74:p@h/db", "bot"),
        ("postgresql://bot@/db?host=/run", "bot"),
        ("postgresql:///db?user=bot", "bot"),
        ("postgresql://h/db", None),
    ],
)
def test_the_role_of_a_url_is_found(url: str, expected: str | None) -> None:
    assert role_of(url) == expected


async def test_two_urls_of_one_test_see_the_same_schema(
    migrated: Schema, database: Database
) -> None:
    told = await database.run(lambda c: c.fetchval("SELECT current_schema()"))

    assert told == migrated.name


@asynccontextmanager
async def impostor(answer: bytes) -> AsyncIterator[int]:
    """Listen on loopback, and answer every visitor with *answer*, or with silence."""
    gone = asyncio.Event()

    async def meet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1024)
        writer.write(answer)
        await gone.wait()
        writer.transport.abort()

    server = await asyncio.start_server(meet, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        gone.set()
        server.close()
        await asyncio.sleep(0)


async def until(done: Callable[[], bool]) -> None:
    """Wait until *done*."""
    while not done():  # noqa: ASYNC110 - what is waited for raises no event
        await asyncio.sleep(0.01)


async def speak_to_nobody(gate: Gate) -> None:
    async with session(gate.url) as connection:
        await gate.close()
        await connection.execute("SELECT 1")


def urlname(url: str) -> str:
    """Name the database of *url*."""
    return url.partition("://")[2].partition("/")[2].partition("?")[0]

"""The seal: whose timer a stream is shows when it is changed, in old logs and new ones."""

import asyncio
import json
import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import asyncpg
import pytest

from boostmon.commands.decider import AddTime, Clear, SetTime
from boostmon.commands.erase import replace
from boostmon.commands.imports.exported import judge_export, restore
from boostmon.config import PoolConfig
from boostmon.database.connections.connection import session
from boostmon.database.connections.pool import Database, connect
from boostmon.database.schema import migrate as runner
from boostmon.database.schema.migrate import migrate
from boostmon.errors import ExportRefusedError, ImportRefusedError
from boostmon.events.chain import Seal, Sealing, stream_name
from boostmon.events.export import export_log
from boostmon.events.log import read_seal
from boostmon.events.newest import altered
from boostmon.events.timer import HOUR, TimerId
from boostmon.projections.replay.run import check
from tests.support.databases import Schema, TestServer, schema
from tests.support.places import TESTS
from tests.support.release_before import Release
from tests.support.timers import M, fresh_timer, handler_over, slash

NOW = 1_700_000_000_123
UNSEALED = 9  # the newest migration that knows of no seal
SMALL = PoolConfig(boostmon_pool_min=1)
APPEND = """
SELECT outcome FROM append(
    ARRAY[$1], ARRAY[$2], ARRAY[$3], ARRAY[0], ARRAY[$4], ARRAY[$2], ARRAY['slash'],
    ARRAY[NULL]::text[], ARRAY[1], ARRAY['{"type": "Expired", "at": 1}'], ARRAY['']
)
"""
# The same file again, with other members and commands.
OTHERS = """
import itertools, runpy
from tests import timers

timers._numbers = itertools.count(1_000)
runpy.run_path({place!r}, run_name="__main__")
"""
# As somebody does who may do everything: nothing holds, and nothing is told.
OPEN = """
ALTER TABLE events DISABLE TRIGGER ALL;
ALTER TABLE streams DISABLE TRIGGER ALL;
ALTER TABLE people DISABLE TRIGGER ALL;
ALTER TABLE log_seal DISABLE TRIGGER ALL;
ALTER TABLE people ALTER person_id DROP IDENTITY;
"""


async def lives(database: Database, count: int = 3) -> list[TimerId]:
    """Have timers of which the second has ended; the first is given by its own member."""
    handler, timers = handler_over(database), [fresh_timer() for _ in range(count)]
    for timer in timers:
        await handler.handle(timer, SetTime(NOW, 2 * HOUR, M), slash())
    await handler.handle(timers[1], Clear(NOW + 1), slash())
    await handler.handle(timers[0], AddTime(NOW + 2, HOUR, M), slash())
    return timers


async def unsealed(schema: Schema, folder: Path) -> None:
    """Migrate as far as logs had no seal."""
    for path in runner.CHECKOUT.glob("*.sql"):
        if int(path.name[:4]) <= UNSEALED:
            shutil.copy(path, folder)
    async with session(schema.owner_url) as owner:
        await migrate(owner, directory=folder)


@pytest.fixture(params=["old", "new", "both"])
async def log(
    request: pytest.FixtureRequest, empty_schema: Schema, tmp_path: Path
) -> AsyncIterator[Database]:
    """Lend a log of three timers that had begun before the seal, after it, or three of each."""
    folder = tmp_path / "migrations"
    folder.mkdir()
    if request.param != "new":
        await unsealed(empty_schema, folder)
        async with await connect(empty_schema.owner_url, pool=SMALL) as database:
            await lives(database)
    async with session(empty_schema.owner_url) as owner:
        await migrate(owner)
    async with await connect(empty_schema.owner_url, pool=SMALL) as database:
        if request.param != "old":
            await lives(database)
        yield database


@pytest.fixture
async def superuser_of_log(
    log: Database, empty_schema: Schema
) -> AsyncIterator[asyncpg.Connection]:
    """Lend a connection for which nothing is forbidden."""
    assert log
    if empty_schema.superuser_url is None:
        pytest.skip("the role of BOOSTMON_TEST_DATABASE_URL is no superuser")
    async with session(empty_schema.superuser_url) as superuser:
        yield superuser


async def test_a_log_that_nobody_touched_is_whole(log: Database, empty_schema: Schema) -> None:
    assert log
    async with session(empty_schema.owner_url) as owner:
        report = await check(owner)
        assert ([], [], []) == (report.broken, report.drifts, await altered(owner, 1_000))


# The position of the first event of stream n is n, in a log of one age.
EDITS = {
    "streams.stream_id": "UPDATE streams SET stream_id = 99 WHERE stream_id = 2",
    "streams.guild_id": "UPDATE streams SET guild_id = '9' WHERE stream_id = 1",
    "streams.person_id": """
        UPDATE streams SET person_id = (SELECT person_id FROM people WHERE user_id LIKE '11%')
        WHERE stream_id = 2
    """,
    "streams.role_id": "UPDATE streams SET role_id = '9' WHERE stream_id = 2",
    "streams.role_id of the newest": """
        UPDATE streams SET role_id = '9' WHERE stream_id = (SELECT max(stream_id) FROM streams)
    """,
    "a stream more": "INSERT INTO streams VALUES (99, '9', 1, '9')",
    "a stream less": "DELETE FROM streams WHERE stream_id = 2",
    "people.person_id": "UPDATE people SET person_id = 99 WHERE user_id LIKE '12%'"
    " AND person_id = (SELECT person_id FROM streams WHERE stream_id = 2)",
    "people.person_id of an actor": "UPDATE people SET person_id = 99 WHERE user_id LIKE '11%'",
    "people.user_id": "UPDATE people SET user_id = '9'"
    " WHERE person_id = (SELECT person_id FROM streams WHERE stream_id = 1)",
    "events.position": "UPDATE events SET position = 99 WHERE position = 2",
    "events.stream_id": "UPDATE events SET stream_id = 99 WHERE position = 2",
    "events.version": "UPDATE events SET version = 7 WHERE position = 2",
    "events.version of the first": """
        UPDATE events SET version = 7 - version WHERE stream_id = 1 AND version IN (1, 2)
    """,
    "events.data": "UPDATE events SET data = (data::text || ' ')::json WHERE position = 2",
    "events.actor": "UPDATE events SET actor = 1 WHERE position = 2",
    "events.source": "UPDATE events SET source = 'cli' WHERE position = 2",
    "events.command_id": "UPDATE events SET command_id = 'x' WHERE position = 2",
    "events.ordinal": "UPDATE events SET ordinal = 1 WHERE position = 2",
    "events.recorded_at": "UPDATE events SET recorded_at = now() WHERE position = 2",
    "events.hash": "UPDATE events SET hash = sha256(hash) WHERE position = 2",
    "log_seal.digest": "UPDATE log_seal SET digest = sha256(digest)",
    "log_seal gone": "DELETE FROM log_seal",
}


@pytest.mark.parametrize("what", EDITS)
async def test_whatever_is_changed_behind_the_triggers_is_named(
    superuser_of_log: asyncpg.Connection, what: str
) -> None:
    await superuser_of_log.execute(OPEN)
    assert (await check(superuser_of_log)).clean

    await superuser_of_log.execute(EDITS[what])

    assert not (await check(superuser_of_log)).clean, what


async def test_each_column_is_tried(owner: asyncpg.Connection) -> None:
    columns = await owner.fetch(
        "SELECT table_name || '.' || column_name AS name FROM information_schema.columns"
        " WHERE table_schema = current_schema() AND table_name IN ('streams', 'people', 'events')"
    )

    assert columns
    assert [] == [row["name"] for row in columns if row["name"] not in EDITS]


@pytest.mark.parametrize("log", ["both"], indirect=True)
@pytest.mark.parametrize("moved", [-1, +1, -5, +5])
async def test_a_seal_that_was_moved_is_named(
    superuser_of_log: asyncpg.Connection, moved: int
) -> None:
    seal = await read_seal(superuser_of_log)
    await superuser_of_log.execute(OPEN)
    await superuser_of_log.execute("UPDATE log_seal SET position = position + $1", moved)

    # Between the third first event and the seal there are others, which it does not concern.
    between = moved == -1
    assert (await check(superuser_of_log)).clean is between
    assert 5 == seal.position


@pytest.mark.parametrize("log", ["both"], indirect=True)
async def test_which_of_the_old_ones_was_changed_is_said_as_far_as_it_is_known(
    superuser_of_log: asyncpg.Connection,
) -> None:
    await superuser_of_log.execute(OPEN)
    await superuser_of_log.execute("UPDATE streams SET role_id = '9' WHERE stream_id = 2")

    (told,) = (await check(superuser_of_log)).broken
    assert told == (
        "the timers that had begun by position 5 are not those that were sealed: the role or the "
        "person of one was changed, or the seal was"
    )


@pytest.mark.parametrize("log", ["new", "both"], indirect=True)
async def test_doctor_finds_it_among_the_newest(superuser_of_log: asyncpg.Connection) -> None:
    await superuser_of_log.execute(OPEN)
    number = await superuser_of_log.fetchval(
        "UPDATE streams SET role_id = '9' WHERE stream_id = (SELECT max(stream_id) FROM streams)"
        " RETURNING stream_id"
    )
    first = "SELECT position FROM events WHERE stream_id = $1 AND version = 1"

    assert [await superuser_of_log.fetchval(first, number)] == await altered(superuser_of_log, 100)


@pytest.mark.parametrize("log", ["both"], indirect=True)
@pytest.mark.parametrize("time", ["infinity", "-infinity", "4000-01-01 BC", "20000-01-01"])
async def test_doctor_finds_one_that_was_recorded_at_a_time_that_no_calendar_has(
    superuser_of_log: asyncpg.Connection, time: str
) -> None:
    await superuser_of_log.execute(OPEN)
    await superuser_of_log.execute("ALTER TABLE events DISABLE TRIGGER ALL")
    await superuser_of_log.execute(
        "UPDATE events SET recorded_at = $1::text::timestamptz WHERE position = 2", time
    )

    assert [2] == await altered(superuser_of_log, 100)


async def test_the_seal_cannot_be_changed_once_there_are_events(
    log: Database, empty_schema: Schema
) -> None:
    assert log
    async with session(empty_schema.owner_url) as owner:
        for change in (
            "UPDATE log_seal SET position = 0",
            "DELETE FROM log_seal",
            "TRUNCATE log_seal",
        ):
            with pytest.raises(asyncpg.ObjectNotInPrerequisiteStateError, match="needs its seal"):
                await owner.execute(change)


async def test_who_is_erased_leaves_the_log_whole(log: Database, empty_schema: Schema) -> None:
    async with session(empty_schema.owner_url) as owner:
        ended = "SELECT user_id FROM people JOIN streams USING (person_id) WHERE stream_id = 2"
        user = await owner.fetchval(ended)
        await owner.execute("UPDATE effects SET state = 'done'")

        assert (await replace(owner, user)).startswith("erased-")

        assert (await check(owner)).clean
        await handler_over(log).handle(fresh_timer(), SetTime(NOW, HOUR, M), slash())
        assert (await check(owner)).clean


# The release before.


async def test_what_the_release_before_begins_is_named_in_its_hash(
    log: Database, empty_schema: Schema
) -> None:
    assert log
    timer = fresh_timer()
    async with session(empty_schema.owner_url) as owner:
        seal = await read_seal(owner)
        row = await owner.fetchrow(APPEND, timer.guild_id, timer.user_id, timer.role_id, "7")
        assert "appended" == row["outcome"]
        assert (await check(owner)).clean

        await owner.execute("ALTER TABLE streams DISABLE TRIGGER USER")
        await owner.execute(
            "UPDATE streams SET role_id = '9'"
            " WHERE stream_id = (SELECT max(stream_id) FROM streams)"
        )

        last = await owner.fetchval("SELECT max(position) FROM events")
        assert last > seal.position
        assert (
            f"position {last}: the event is not the one that was recorded"
            in (await check(owner)).broken
        )


@pytest.mark.parametrize("pieces", [1, 2])
async def test_a_call_that_was_on_its_way_during_the_migration_is_named_in_its_hash(
    empty_schema: Schema, tmp_path: Path, pieces: int
) -> None:
    await unsealed(empty_schema, tmp_path)
    async with (
        await connect(empty_schema.owner_url, pool=SMALL) as database,
        session(empty_schema.owner_url) as owner,
        session(empty_schema.owner_url) as observer,
    ):
        await lives(database)
        handlers = [handler_over(database)] * pieces
        async with owner.transaction():
            await owner.execute("SELECT lock_log()")
            calls = asyncio.gather(
                *(each.handle(fresh_timer(), SetTime(NOW, HOUR, M), slash()) for each in handlers)
            )
            waiting = (
                "SELECT EXISTS (SELECT FROM pg_locks WHERE NOT granted AND locktype = 'advisory')"
            )
            async with asyncio.timeout(20):
                while not await observer.fetchval(waiting):  # noqa: ASYNC110 - in the server
                    await asyncio.sleep(0.01)
            await owner.execute((runner.CHECKOUT / "0010_log_seal.sql").read_text())
        await calls

        report = await check(owner)
        assert ([], 5 + pieces) == (report.broken, report.events)
        assert 5 == (await read_seal(owner)).position


async def test_a_log_of_the_release_before_is_sealed_and_goes_on(
    release: Release, empty_schema: Schema
) -> None:
    where = {"DATABASE_URL": empty_schema.owner_url}
    assert (await release.carry_out("-m", "boostmon", "migrate", **where))[0] == 0
    place = TESTS / "support/lived_in.py"
    assert (await release.carry_out("-P", str(place), **where))[0] == 0
    async with session(empty_schema.owner_url) as owner:
        await migrate(owner)
        events = await owner.fetchval("SELECT count(*) FROM events")
        assert events == (await read_seal(owner)).position > 0
        assert (await check(owner)).clean

        code, said = await release.carry_out("-c", OTHERS.format(place=str(place)), **where)
        assert code == 0, said

        report = await check(owner)
        assert report.clean
        assert report.events > events + 5


# The export.


@pytest.fixture
async def elsewhere(server: TestServer) -> AsyncIterator[Schema]:
    """Lend another, empty log."""
    async with schema(server) as other:
        async with session(other.owner_url) as connection:
            await migrate(connection)
        yield other


async def exported(connection: asyncpg.Connection, path: Path) -> Path:
    with path.open("wb") as file:
        await export_log(connection, file.write)
    return path


async def test_an_export_is_the_same_log_elsewhere_and_goes_on(
    log: Database, empty_schema: Schema, elsewhere: Schema, tmp_path: Path
) -> None:
    assert log
    async with session(empty_schema.owner_url) as owner, session(elsewhere.owner_url) as other:
        await restore(other, judge_export(await exported(owner, tmp_path / "log.jsonl")))

        report = await check(other)
        assert report.clean
        assert (await check(owner)).head == report.head

        async with await connect(elsewhere.owner_url, pool=SMALL) as database:
            await lives(database)
        assert (await check(other)).clean
        again = judge_export(await exported(other, tmp_path / "again.jsonl"))
        assert (await read_seal(other)).digest == again.seal.digest


async def test_another_role_from_the_first_line_on_is_refused(
    log: Database, empty_schema: Schema, tmp_path: Path
) -> None:
    assert log
    async with session(empty_schema.owner_url) as owner:
        path = await exported(owner, tmp_path / "log.jsonl")
        seal = await read_seal(owner)
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    for line in lines:
        if line["stream"] == 2:
            line["role_id"] = "9"
    path.write_text("".join(json.dumps(line, separators=(",", ":")) + "\n" for line in lines))

    if seal.position == len(lines):  # nothing of it is covered before an event behind the seal
        assert judge_export(path).seal.digest != seal.digest
    else:
        with pytest.raises(ImportRefusedError, match="not the one that was recorded"):
            judge_export(path)


@pytest.mark.parametrize("log", ["old", "both"], indirect=True)
async def test_a_log_whose_sealed_timers_were_changed_is_not_exported(
    superuser_of_log: asyncpg.Connection, tmp_path: Path
) -> None:
    await superuser_of_log.execute(OPEN)
    await superuser_of_log.execute("UPDATE streams SET role_id = '9' WHERE stream_id = 2")

    with pytest.raises(ExportRefusedError, match=r"broken at position 5 .*not those sealed"):
        await exported(superuser_of_log, tmp_path / "log.jsonl")


async def test_the_digest_is_that_of_the_streams_in_the_order_of_their_first_events(
    log: Database, empty_schema: Schema
) -> None:
    assert log
    async with session(empty_schema.owner_url) as owner:
        seal, sealing = await read_seal(owner), Sealing()
        for row in await owner.fetch(
            "SELECT stream_id, person_id, role_id FROM events JOIN streams USING (stream_id)"
            " WHERE version = 1 AND position <= $1 ORDER BY position",
            seal.position,
        ):
            sealing.take(row["stream_id"], stream_name(row["person_id"], row["role_id"]))

    assert Seal(seal.position, sealing.digest) == seal

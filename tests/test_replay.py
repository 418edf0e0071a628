"""Replay: every way in which a row or an event may be wrong is named, and rows are mended."""

import asyncio

import asyncpg
import pytest

from boostmon.commands.decider import AddTime, Pause, SetTime
from boostmon.database.connection import session
from boostmon.database.pool import Database
from boostmon.errors import DatabaseError
from boostmon.events.timer import HOUR, MINUTE, TimerId
from boostmon.projections.replay import ONE_AT_A_TIME, Drift, check, replay
from tests.timers import CHANNEL, M, fresh_timer, handler_over, slash

NOW = 1_700_000_000_123


@pytest.fixture
async def timers(database: Database) -> list[TimerId]:
    """Have three timers: one running, one paused, one running with time added."""
    handler, made = handler_over(database), [fresh_timer() for _ in range(3)]
    for timer in made:
        await handler.handle(timer, SetTime(NOW, 2 * HOUR, M, CHANNEL), slash())
    await handler.handle(made[1], Pause(NOW + MINUTE), slash())
    await handler.handle(made[2], AddTime(NOW + 7, HOUR, M), slash())
    return made


@pytest.mark.usefixtures("timers")
async def test_a_table_that_follows_from_the_log_is_clean(owner: asyncpg.Connection) -> None:
    report = await check(owner)
    assert report.clean
    assert (5, 3, 0) == (report.events, report.timers, report.rows_differing)
    last = await owner.fetchrow("SELECT position, hash FROM events ORDER BY position DESC LIMIT 1")
    assert f"{last['position']}:{last['hash'].hex()}" == report.head


EDITS = [
    ("expires_at", "expires_at + 1"),
    ("warn_channel_id", "NULL"),
    ("paused", "NOT paused"),
    ("paused_at", "5"),
    ("paused_remaining_ms", "6"),
    ("warnings_sent", """'{"60": true}'"""),
    ("created_at", "created_at + interval '1 ms'"),
    ("updated_at", "updated_at + interval '1 ms'"),
    ("guild_id", "'1'"),
    ("user_id", "'1'"),
    ("role_id", "'1'"),
    ("version", "version + 1"),
    ("next_due_at", "NULL"),
]


@pytest.mark.usefixtures("timers")
@pytest.mark.parametrize(("column", "value"), EDITS)
async def test_an_edited_column_is_named_and_mended(
    owner: asyncpg.Connection, column: str, value: str
) -> None:
    before = await owner.fetch("SELECT * FROM role_timers ORDER BY id")
    await owner.execute(f"UPDATE role_timers SET {column} = {value} WHERE id = 1")  # noqa: S608 - of this file

    found = await check(owner)
    assert [(1, column)] == [(drift.number, drift.column) for drift in found.drifts]
    assert found == await replay(owner)
    assert (await check(owner)).clean
    assert before == await owner.fetch("SELECT * FROM role_timers ORDER BY id")


@pytest.mark.usefixtures("timers")
async def test_a_missing_row_is_named_and_mended(owner: asyncpg.Connection) -> None:
    await owner.execute("DELETE FROM role_timers WHERE id = 2")
    assert [Drift(2, "row", "a row", "none")] == (await replay(owner)).drifts
    assert (await check(owner)).clean


@pytest.mark.usefixtures("timers")
async def test_an_extra_row_is_named_and_removed(owner: asyncpg.Connection) -> None:
    await owner.execute(
        "INSERT INTO role_timers (user_id, role_id, expires_at, guild_id, version)"
        " VALUES ('1', '2', 3, '4', 5)"
    )
    (drift,) = (await replay(owner)).drifts
    assert ("row", "none", "a row") == (drift.column, drift.log, drift.table)
    assert (await check(owner)).clean


@pytest.mark.usefixtures("timers")
async def test_two_rows_that_stand_in_for_each_other_are_mended(
    owner: asyncpg.Connection,
) -> None:
    await owner.execute("UPDATE role_timers SET id = 99 WHERE id = 1")
    await owner.execute("UPDATE role_timers SET id = 1 WHERE id = 2")
    await owner.execute("UPDATE role_timers SET id = 2 WHERE id = 99")
    assert (await replay(owner)).rows_differing == 2
    assert (await check(owner)).clean


@pytest.mark.usefixtures("timers")
async def test_an_emptied_table_is_rebuilt(owner: asyncpg.Connection) -> None:
    before = await owner.fetch("SELECT * FROM role_timers ORDER BY id")
    await owner.execute("TRUNCATE role_timers")
    assert (await replay(owner)).rows_differing == 3
    assert before == await owner.fetch("SELECT * FROM role_timers ORDER BY id")


TAMPERING = [
    "UPDATE events SET data = replace(data::text, '7200000', '7200001')::json WHERE position = 1",
    "UPDATE events SET actor = NULL WHERE position = 2",
    "UPDATE events SET source = 'cli' WHERE position = 2",
    "UPDATE events SET command_id = 'x' WHERE position = 2",
    "UPDATE events SET ordinal = 1 WHERE position = 2",
    "UPDATE events SET recorded_at = recorded_at + interval '1 us' WHERE position = 2",
    "DELETE FROM events WHERE position = 2",
    "DELETE FROM events WHERE position = 1",
]


@pytest.mark.usefixtures("timers")
@pytest.mark.parametrize("tampering", TAMPERING)
async def test_a_log_that_was_tampered_with_is_broken(
    owner: asyncpg.Connection, tampering: str
) -> None:
    await owner.execute("ALTER TABLE events DISABLE TRIGGER events_are_append_only")
    await owner.execute(tampering)
    report = await check(owner)
    assert report.broken
    assert not report.clean


@pytest.mark.usefixtures("timers")
async def test_check_changes_nothing(owner: asyncpg.Connection) -> None:
    await owner.execute("UPDATE role_timers SET expires_at = 1")
    await check(owner)
    assert await owner.fetchval("SELECT count(*) FROM role_timers WHERE expires_at = 1") == 3


@pytest.mark.usefixtures("timers")
async def test_a_second_replay_at_the_same_time_is_refused(
    owner: asyncpg.Connection, owner_url: str
) -> None:
    async with session(owner_url) as other:
        await other.execute(f"SELECT pg_advisory_lock({ONE_AT_A_TIME})")
        with pytest.raises(DatabaseError, match="Another `boostmon replay` is running"):
            await replay(owner)
    assert (await replay(owner)).clean


async def test_a_newer_event_is_not_overwritten_by_the_repair(
    database: Database, timers: list[TimerId], owner: asyncpg.Connection
) -> None:
    await owner.execute("UPDATE role_timers SET expires_at = 1 WHERE id = 1")
    appended: list[asyncio.Task[object]] = []

    def while_it_folds(_: int) -> None:
        command = AddTime(NOW + 1, HOUR, M)
        appended.append(
            asyncio.ensure_future(handler_over(database).handle(timers[0], command, slash()))
        )

    await replay(owner, while_it_folds)
    await appended[0]
    assert (await check(owner)).clean
    assert NOW + 3 * HOUR == await owner.fetchval("SELECT expires_at FROM role_timers WHERE id = 1")

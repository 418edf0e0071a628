"""Replay: every way in which a row or an event may be wrong is named, and rows are mended."""

import asyncio
from collections.abc import Awaitable, Callable

import asyncpg
import msgspec
import pytest
from msgspec.structs import replace

from boostmon.commands.decider import AddTime, Clear, Pause, SetTime, Sweep
from boostmon.database.connections.connection import session
from boostmon.database.connections.pool import Database
from boostmon.errors import DatabaseError
from boostmon.events.chain import Head, parse_head
from boostmon.events.timer import HOUR, MINUTE, TimerId
from boostmon.projections.replay import comparing
from boostmon.projections.replay.comparing import Drift
from boostmon.projections.replay.repair import BATCH
from boostmon.projections.replay.run import ONE_AT_A_TIME, Report, check, replay
from tests.bench.logs import fill
from tests.support.timers import CHANNEL, M, fresh_timer, handler_over, slash

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
    ("warnings_sent", "'[]'"),
    ("warnings_sent", "NULL"),
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
    assert replace(found, rows_mended=1) == await replay(owner)
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


ALTERED = "position {}: the event is not the one that was recorded"
REVERSION = "version 3 of stream 2 follows 1"
TAMPERING = {
    "data": ("UPDATE events SET data = (data::text || ' ')::json WHERE position = 1", 1),
    "stream": ("UPDATE events SET stream_id = 3, version = 9 WHERE position = 4", 4),
    "version": ("UPDATE events SET version = 3 WHERE position = 4", 4),
    "no actor": ("UPDATE events SET actor = NULL WHERE position = 2", 2),
    "another actor": ("UPDATE events SET actor = 1 WHERE position = 2", 2),
    "source": ("UPDATE events SET source = 'cli' WHERE position = 2", 2),
    "command id": ("UPDATE events SET command_id = 'x' WHERE position = 2", 2),
    "ordinal": ("UPDATE events SET ordinal = 1 WHERE position = 2", 2),
    "time": (
        "UPDATE events SET recorded_at = recorded_at + interval '1 us' WHERE position = 2",
        2,
    ),
    "hash": ("UPDATE events SET hash = '' WHERE position = 5", 5),
}


@pytest.mark.usefixtures("timers")
@pytest.mark.parametrize("what", TAMPERING)
async def test_an_edited_event_is_named_and_nothing_is_mended(
    owner: asyncpg.Connection, what: str
) -> None:
    statement, position = TAMPERING[what]
    await tamper(owner, statement)
    await owner.execute("DELETE FROM role_timers WHERE id = 1")

    report = await replay(owner)

    assert ALTERED.format(position) in report.broken
    assert (1, 0) == (len([d for d in report.drifts if d.number == 1]), report.rows_mended)
    assert await owner.fetchval("SELECT count(*) FROM role_timers") == 2


@pytest.mark.usefixtures("timers")
@pytest.mark.parametrize(("position", "before"), [(1, 0), (2, 1), (4, 3)])
async def test_a_removed_event_is_named(
    owner: asyncpg.Connection, position: int, before: int
) -> None:
    await tamper(owner, f"DELETE FROM events WHERE position = {position}")  # noqa: S608 - of this file
    fault = f"position {position + 1} follows {before}: events are missing"
    assert fault in (await check(owner)).broken


@pytest.mark.usefixtures("timers")
async def test_versions_with_a_gap_are_named(owner: asyncpg.Connection) -> None:
    await tamper(owner, "UPDATE events SET version = 3 WHERE position = 4")
    assert f"position 4: {REVERSION}" in (await check(owner)).broken


@pytest.mark.usefixtures("timers")
async def test_the_newest_event_is_missed_by_whoever_noted_the_head(
    owner: asyncpg.Connection,
) -> None:
    noted = parse_head((await check(owner)).head)
    await tamper(owner, "DELETE FROM events WHERE position = 5")
    await owner.execute("DELETE FROM effects WHERE position = 5")
    await owner.execute("UPDATE role_timers SET version = 1 WHERE id = 3")

    assert [] == (await check(owner)).broken
    assert ["the log ends at position 4 and once reached 5: its newest events are missing"] == (
        await check(owner, noted=noted)
    ).broken


@pytest.mark.usefixtures("timers")
@pytest.mark.parametrize(
    ("first_gone", "trace"),
    [
        (5, "the log ends at position 4, and there are effects of position 5"),
        (3, "streams without events: 1;"),
        (1, "streams without events: 3;"),
    ],
)
async def test_events_that_left_a_trace_are_missed_and_nothing_is_mended(
    owner: asyncpg.Connection, first_gone: int, trace: str
) -> None:
    await tamper(owner, f"DELETE FROM events WHERE position >= {first_gone}")  # noqa: S608 - of this file
    rows = await owner.fetch("SELECT * FROM role_timers ORDER BY id")

    report = await replay(owner)

    assert any(fault.startswith(trace) for fault in report.broken)
    assert rows == await owner.fetch("SELECT * FROM role_timers ORDER BY id")


@pytest.mark.usefixtures("timers")
async def test_a_head_from_earlier_is_still_in_the_log(
    database: Database, timers: list[TimerId], owner: asyncpg.Connection
) -> None:
    noted = parse_head((await check(owner)).head)
    await handler_over(database).handle(timers[0], AddTime(NOW + 9, HOUR, M), slash())

    assert (await check(owner, noted=noted)).clean
    assert (await check(owner, noted=Head())).clean


@pytest.mark.usefixtures("timers")
async def test_a_log_that_was_written_anew_does_not_contain_the_head_noted(
    owner: asyncpg.Connection,
) -> None:
    noted = parse_head((await check(owner)).head)
    await tamper(owner, "UPDATE events SET source = 'cli' WHERE position = 3")
    await owner.execute(REWRITE)

    assert [] == (await check(owner)).broken
    assert ["position 5: the event is not the one of the head noted"] == (
        await check(owner, noted=noted)
    ).broken


REWRITE = """
DO $$
DECLARE
    e record;
    behind bytea := '';
BEGIN
    FOR e IN SELECT * FROM events ORDER BY position LOOP
        behind := event_hash(
            behind, e.position, e.stream_id, e.version, e.ordinal, e.recorded_at, e.data::text,
            e.actor, e.source, e.command_id
        );
        UPDATE events SET hash = behind WHERE position = e.position;
    END LOOP;
END
$$
"""
UNKNOWN = """UPDATE events SET data = '{"type": "Frozen", "at": 1}' WHERE position = 2"""


@pytest.mark.usefixtures("timers")
@pytest.mark.parametrize("work", [check, replay])
async def test_an_event_of_a_newer_version_is_named_with_its_timer(
    owner: asyncpg.Connection, work: Callable[[asyncpg.Connection], Awaitable[Report]]
) -> None:
    await tamper(owner, UNKNOWN)
    await owner.execute(REWRITE)

    report = await work(owner)

    (told,) = report.unreadable
    assert told.startswith("position 2: an event of the member 12000000000000")
    assert told.endswith(
        ") is of a kind that only a newer version of BoostMon knows; update this one"
    )
    assert [] == report.broken
    assert not report.clean
    assert await owner.fetchval("SELECT 1") == 1  # the connection is of use still
    own = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND pid = pg_backend_pid()"
    assert await owner.fetchval(own) == 0


@pytest.mark.usefixtures("timers")
@pytest.mark.parametrize(
    "data", ['{"type": "Frozen"}', "[]", '{"type": "Expired", "at": "\\ud800"}']
)
async def test_an_event_edited_to_nonsense_is_no_event_of_a_newer_version(
    owner: asyncpg.Connection, data: str
) -> None:
    await tamper(owner, f"UPDATE events SET data = '{data}' WHERE position = 2")  # noqa: S608 - of this file
    await owner.execute("UPDATE role_timers SET expires_at = 1 WHERE id = 1")

    report = await check(owner)

    assert [ALTERED.format(2)] == report.broken
    assert [1] == [drift.number for drift in report.drifts]  # of timer 2 nothing can be said


@pytest.mark.usefixtures("timers")
async def test_a_time_beyond_all_calendars_is_a_drift(owner: asyncpg.Connection) -> None:
    await tamper(
        owner,
        "UPDATE events SET data = replace(data::text, '1700000000123', '800000000000000')::json"
        " WHERE position = 1",
    )
    columns = {drift.column for drift in (await check(owner)).drifts}
    assert columns >= {"created_at", "updated_at"}


async def tamper(owner: asyncpg.Connection, statement: str) -> None:
    """Do what only the owner of the tables can do."""
    await owner.execute("ALTER TABLE events DISABLE TRIGGER events_are_append_only")
    await owner.execute(statement)


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

    def while_it_folds(what: str, _done: int, _of: int) -> None:
        if what != "folding events" or appended:
            return
        command = AddTime(NOW + 1, HOUR, M)
        appended.append(
            asyncio.ensure_future(handler_over(database).handle(timers[0], command, slash()))
        )

    await replay(owner, progress=while_it_folds)
    await appended[0]
    assert (await check(owner)).clean
    assert NOW + 3 * HOUR == await owner.fetchval("SELECT expires_at FROM role_timers WHERE id = 1")


async def test_rows_of_timers_that_have_ended_are_removed(
    database: Database, timers: list[TimerId], owner: asyncpg.Connection
) -> None:
    row = await owner.fetchrow("SELECT * FROM role_timers WHERE id = 1")
    await handler_over(database).handle(timers[0], Clear(NOW + 5), slash())
    await owner.execute(
        "INSERT INTO role_timers SELECT * FROM json_populate_record(NULL::role_timers, $1)",
        msgspec.json.encode(dict(row) | {"warnings_sent": {}}).decode(),
    )

    assert [Drift(1, "row", "none", "a row")] == (await replay(owner)).drifts
    assert (await check(owner)).clean


@pytest.mark.usefixtures("timers")
async def test_a_row_that_others_refer_to_is_mended_in_its_place(
    owner: asyncpg.Connection,
) -> None:
    await owner.execute("CREATE TABLE notes (timer int REFERENCES role_timers ON DELETE CASCADE)")
    await owner.execute("INSERT INTO notes VALUES (1)")
    await owner.execute("UPDATE role_timers SET expires_at = 1, guild_id = '5' WHERE id = 1")

    await replay(owner)

    assert await owner.fetchval("SELECT count(*) FROM notes") == 1
    assert (await check(owner)).clean


async def test_a_table_larger_than_a_batch_is_rebuilt(owner: asyncpg.Connection) -> None:
    await fill(owner, events=6 * 700, timers=700)
    assert (await check(owner)).clean
    before = await owner.fetch("SELECT * FROM role_timers ORDER BY id")
    told: list[tuple[str, int, int]] = []
    await owner.execute("TRUNCATE role_timers")

    report = await replay(owner, progress=lambda *so_far: told.append(so_far))

    assert len(before) == report.rows_differing == report.rows_mended > 2 * BATCH
    assert ("folding events", 4200, 4200) in told
    assert ("mending rows", len(before), len(before)) == told[-1]
    assert before == await owner.fetch("SELECT * FROM role_timers ORDER BY id")


async def test_of_very_many_drifts_the_first_are_named_and_all_are_mended(
    owner: asyncpg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    await fill(owner, events=300, timers=100)
    monkeypatch.setattr(comparing, "MOST_NAMED", 7)
    await owner.execute("UPDATE role_timers SET expires_at = 1, paused_at = 1")

    report = await replay(owner)

    assert (7, 100) == (len(report.drifts), report.rows_differing + (100 - report.timers))
    assert (await check(owner)).clean


async def test_a_warning_marked_by_a_number_is_not_one_marked_as_true(
    database: Database, timers: list[TimerId], owner: asyncpg.Connection
) -> None:
    await handler_over(database).handle(timers[0], Sweep(NOW + HOUR), slash())
    assert (
        await owner.fetchval("SELECT warnings_sent FROM role_timers WHERE id=1") == '{"60": true}'
    )
    await owner.execute("""UPDATE role_timers SET warnings_sent = '{"60": 1}' WHERE id = 1""")

    assert [Drift(1, "warnings_sent", {"60": True}, '{"60": 1}')] == (await check(owner)).drifts

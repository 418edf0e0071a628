"""The log in PostgreSQL: what `append` promises, whoever calls it."""

import asyncio
from typing import Any

import asyncpg
import pytest
from msgspec.structs import replace

from boostmon.commands.handler import Origin, piece
from boostmon.database.connections.pool import Database
from boostmon.errors import UnknownEventError
from boostmon.events.append import (
    Append,
    Appended,
    Conflict,
    Elsewhere,
    Failed,
    Repeated,
    RowImage,
)
from boostmon.events.store import EventStore, History
from boostmon.events.timer import HOUR, Cleared, Expired, Paused, TimerEvent, TimerId, TimerSet
from boostmon.projections.replay.run import check
from tests.support.timers import ACTOR, GUILD, ROLE, M, fresh_timer, slash

SET = TimerSet(1_000, HOUR, HOUR + 1_000, M)
OTHER_GUILD = "1100000000000000099"


def first(timer: TimerId, *events: TimerEvent, origin: Origin | None = None) -> Append:
    return piece(History(timer, None), list(events or [SET]), origin or slash())


def impossible_row() -> RowImage:
    """Return a row that PostgreSQL refuses: its times are beyond what a timestamp can be."""
    row = first(fresh_timer()).row
    assert row
    return replace(row, updated_at=1 << 62)


async def faults(owner: asyncpg.Connection) -> list[object]:
    """Return where the log is broken, and where a row does not follow from it."""
    report = await check(owner)
    return [*report.broken, *report.drifts]


async def test_an_append_writes_events_row_and_effects(
    database: Database, owner: asyncpg.Connection
) -> None:
    timer = fresh_timer()
    assert [Appended(1, 1)] == await EventStore(database).append(first(timer))

    log = await owner.fetchrow("SELECT * FROM event_log")
    assert (1, timer.guild_id, timer.user_id, timer.role_id, 1, "TimerSet") == tuple(log)[:6]
    row = await owner.fetchrow("SELECT * FROM role_timers")
    assert (timer.user_id, HOUR + 1_000, 1) == (row["user_id"], row["expires_at"], row["version"])
    effect = await owner.fetchrow("SELECT position, kind, state FROM effects")
    assert (1, "give_role", "owed") == tuple(effect)


async def test_the_log_names_actor_and_source(
    database: Database, owner: asyncpg.Connection
) -> None:
    await EventStore(database).append(first(fresh_timer()))
    metadata = await owner.fetchval("SELECT metadata::text FROM event_log")
    assert f'{{"source": "slash", "actor_id": "{ACTOR}"}}' == metadata


async def test_a_stream_is_read_as_it_was_written(database: Database) -> None:
    store, timer, origin = EventStore(database), fresh_timer(), slash()
    await store.append(first(timer, SET, Paused(2_000, HOUR - 1_000), origin=origin))
    history = await store.read(timer)
    assert [SET, Paused(2_000, HOUR - 1_000)] == [entry.event for entry in history.recorded]
    assert (GUILD, 2) == (history.guild_id, history.version)
    assert history.recorded == history.of_command(origin.command_id)
    assert history.before(2).version == 1


async def test_an_append_with_a_stale_version_is_a_conflict_and_records_nothing(
    database: Database, owner: asyncpg.Connection
) -> None:
    store, timer = EventStore(database), fresh_timer()
    await store.append(first(timer))
    assert [Conflict(1)] == await store.append(first(timer))
    assert await owner.fetchval("SELECT count(*) FROM events") == 1


async def test_an_append_to_a_stream_that_should_exist_makes_none(
    database: Database, owner: asyncpg.Connection
) -> None:
    timer = fresh_timer()
    stale = Append(
        timer=timer,
        expected_version=3,
        command_id="1",
        actor_id=None,
        source="sweeper",
        events=[Expired(5)],
        row=None,
        effects=[()],
    )
    assert [Conflict(0)] == await EventStore(database).append(stale)
    assert await owner.fetchval("SELECT count(*) FROM streams") == 0


async def test_a_command_given_twice_is_recorded_once_and_told_for_whom(
    database: Database, owner: asyncpg.Connection
) -> None:
    store, timer, origin = EventStore(database), fresh_timer(), slash()
    await store.append(first(timer, origin=origin))
    another = fresh_timer()
    assert [Repeated(timer)] == await store.append(first(another, origin=origin))
    assert await owner.fetchval("SELECT count(*) FROM events") == 1


async def test_a_role_that_belongs_to_another_server_is_refused(database: Database) -> None:
    store, timer = EventStore(database), fresh_timer()
    await store.append(first(timer))
    elsewhere = TimerId(OTHER_GUILD, timer.user_id, timer.role_id)
    assert [Elsewhere(GUILD)] == await store.append(first(elsewhere))


async def test_a_conflict_and_a_repetition_harm_no_neighbour(
    database: Database, owner: asyncpg.Connection
) -> None:
    store, timer, origin = EventStore(database), fresh_timer(), slash()
    await store.append(first(timer, origin=origin))
    outcomes = await store.append(
        first(fresh_timer()),
        first(timer),
        first(fresh_timer(), origin=origin),
        first(fresh_timer()),
    )
    assert [Appended(1, 2), Conflict(1), Repeated(timer), Appended(1, 3)] == outcomes
    assert [] == await faults(owner)


@pytest.mark.parametrize("in_front", ["conflict", "repeated", "elsewhere"])
async def test_what_is_not_recorded_leaves_rows_and_effects_of_its_neighbours_right(
    database: Database, owner: asyncpg.Connection, in_front: str
) -> None:
    store, alive, begun, ended = EventStore(database), fresh_timer(), fresh_timer(), fresh_timer()
    origin = slash()
    await store.append(first(alive, origin=origin), first(ended))
    over = Cleared(2_000, HOUR - 1_000, "asked")
    refused = {
        "conflict": first(alive, SET, over),
        "repeated": first(alive, over, origin=origin),
        "elsewhere": first(TimerId(OTHER_GUILD, alive.user_id, alive.role_id), SET, over),
    }
    outcomes = await store.append(
        refused[in_front], first(begun), piece(await store.read(ended), [over], slash())
    )
    assert [Appended(1, 3), Appended(2, 4)] == outcomes[1:]
    assert [] == await faults(owner)
    rows = await owner.fetch("SELECT user_id FROM role_timers ORDER BY id")
    assert [alive.user_id, begun.user_id] == [row[0] for row in rows]
    owed = await owner.fetch("SELECT position, kind FROM effects ORDER BY position")
    assert [(3, "give_role"), (4, "take_role")] == [tuple(row) for row in owed][2:]


@pytest.mark.parametrize("others", [0, 1])
async def test_what_is_hashed_is_utf_8_whatever_it_holds(
    database: Database, owner: asyncpg.Connection, others: int
) -> None:
    origin = Origin(command_id="Žluťoučký 🐎", source="cli", actor_id=None)
    neighbours = [first(fresh_timer()) for _ in range(others)]
    await EventStore(database).append(first(fresh_timer(), origin=origin), *neighbours)
    assert [] == await faults(owner)


@pytest.mark.parametrize("others", [0, 1])
@pytest.mark.parametrize("strange", [{"source": "nobody"}, {"effects": [("give_cake",)]}])
async def test_no_event_has_another_source_and_no_effect_another_kind(
    database: Database, strange: dict[str, Any], others: int
) -> None:
    neighbours = [first(fresh_timer()) for _ in range(others)]
    outcomes = await EventStore(database).append(
        replace(first(fresh_timer()), **strange), *neighbours
    )
    assert [Failed, *[Appended] * others] == [type(outcome) for outcome in outcomes]


async def test_only_a_client_whose_texts_are_hashed_as_they_stand_may_append(
    owner: asyncpg.Connection,
) -> None:
    await owner.execute("SET client_encoding = 'LATIN1'")
    with pytest.raises(asyncpg.FeatureNotSupportedError, match="hashed in UTF8"):
        await owner.execute(APPEND_EVENT, GUILD, ACTOR, ROLE, '{"type": "Expired", "at": 1}')


async def test_what_postgresql_refuses_fails_alone(
    database: Database, owner: asyncpg.Connection
) -> None:
    store = EventStore(database)
    good = first(fresh_timer())
    bad: Any = first(fresh_timer())
    bad = Append(
        timer=bad.timer,
        expected_version=0,
        command_id=bad.command_id,
        actor_id=None,
        source="nobody",  # type: ignore[arg-type]  # refused by the database
        events=bad.events,
        row=bad.row,
        effects=bad.effects,
    )
    failed, appended = await store.append(bad, good)
    assert isinstance(failed, Failed)
    assert Appended(1, 1) == appended
    assert await owner.fetchval("SELECT count(*) FROM streams") == 1


@pytest.mark.parametrize(
    ("timer", "message"),
    [
        (TimerId("x", "1", "2"), "'x' is no snowflake"),
        (TimerId("1", "2; DROP TABLE events", "3"), "is no snowflake"),
        (TimerId("1", "2", str(1 << 64)), "is no snowflake"),
    ],
)
async def test_ids_are_judged_before_postgresql_sees_them(
    database: Database, timer: TimerId, message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        await EventStore(database).append(first(timer))


async def test_positions_are_dense_and_chained_under_many_writers(
    database: Database, owner: asyncpg.Connection
) -> None:
    store = EventStore(database)
    await asyncio.gather(*(store.append(first(fresh_timer())) for _ in range(40)))
    positions = [row[0] for row in await owner.fetch("SELECT position FROM events ORDER BY 1")]
    assert list(range(1, 41)) == positions
    assert [] == await faults(owner)


async def test_a_failed_append_leaves_no_gap(database: Database) -> None:
    store = EventStore(database)
    await store.append(first(fresh_timer()))
    broken = Append(
        timer=fresh_timer(),
        expected_version=0,
        command_id="9",
        actor_id=None,
        source="slash",
        events=[SET],
        row=impossible_row(),
        effects=[()],
    )
    (failed,) = await store.append(broken)
    assert isinstance(failed, Failed)
    assert [Appended(1, 2)] == await store.append(first(fresh_timer()))


async def test_one_call_notifies_once(database: Database, owner: asyncpg.Connection) -> None:
    heard: list[tuple[int, str]] = []
    await owner.add_listener("boostmon_log", lambda *call: heard.append((call[1], call[3])))
    await EventStore(database).append(*(first(fresh_timer()) for _ in range(3)))
    own = await database.run(lambda connection: connection.fetchval("SELECT pg_backend_pid()"))
    await owner.fetch("SELECT 1")
    assert ["3"] == [payload for pid, payload in heard if pid == own]


async def test_a_subscriber_is_called_when_something_was_recorded(database: Database) -> None:
    calls: list[int] = []
    store = EventStore(database)
    store.subscribe(lambda: calls.append(1))
    timer = fresh_timer()
    await store.append(first(timer))
    await store.append(first(timer))
    assert [1] == calls


async def test_an_unknown_event_is_refused_for_its_timer_alone(
    database: Database, superuser: asyncpg.Connection
) -> None:
    store, strange, plain = EventStore(database), fresh_timer(), fresh_timer()
    await store.append(first(strange), first(plain))
    await superuser.execute("ALTER TABLE events DISABLE TRIGGER events_are_append_only")
    await superuser.execute(
        """UPDATE events SET data = '{"type": "Transferred", "at": 1}' WHERE position = 1"""
    )
    with pytest.raises(UnknownEventError):
        await store.read(strange)
    refused, read = await store.read_many([strange, plain])
    assert isinstance(refused, UnknownEventError)
    assert isinstance(read, History)
    assert [SET] == [entry.event for entry in read.recorded]


@pytest.fixture(params=["origin", "replica"])
async def editor(
    database: Database, superuser: asyncpg.Connection, request: pytest.FixtureRequest
) -> asyncpg.Connection:
    """Lend a superuser over a log of one event, in both roles that triggers tell apart."""
    await EventStore(database).append(first(fresh_timer()))
    await superuser.execute(f"SET session_replication_role = '{request.param}'")
    return superuser


CHANGES = [
    "UPDATE events SET source = 'cli'",
    "DELETE FROM events",
    "TRUNCATE events",
    "TRUNCATE events CASCADE",
]


@pytest.mark.parametrize("change", CHANGES)
async def test_the_log_cannot_be_changed_even_by_a_superuser(
    editor: asyncpg.Connection, change: str
) -> None:
    with pytest.raises(asyncpg.ObjectNotInPrerequisiteStateError, match="never changed"):
        await editor.execute(change)


REMOVALS = [
    "DELETE FROM people",
    "TRUNCATE people CASCADE",
    "DELETE FROM streams",
    "TRUNCATE streams",
    "UPDATE streams SET guild_id = '1'",
]


@pytest.mark.parametrize("removal", REMOVALS)
async def test_what_events_point_to_is_there_for_good(
    editor: asyncpg.Connection, removal: str
) -> None:
    with pytest.raises(asyncpg.ObjectNotInPrerequisiteStateError, match="the log needs every row"):
        await editor.execute(removal)


FORBIDDEN = [
    "INSERT INTO events SELECT * FROM events",
    "UPDATE events SET source = 'cli'",
    "DELETE FROM events",
    "TRUNCATE events",
    "ALTER TABLE events DISABLE TRIGGER events_are_append_only",
    "ALTER TABLE events DISABLE TRIGGER ALL",
    "DROP TABLE events CASCADE",
    "UPDATE role_timers SET expires_at = 0",
    "INSERT INTO role_timers SELECT * FROM role_timers",
    "DELETE FROM role_timers",
    "DELETE FROM effects",
    "INSERT INTO effects SELECT * FROM effects",
    "INSERT INTO people (user_id) VALUES ('1')",
    "UPDATE streams SET guild_id = '1'",
    "DELETE FROM lease",
    "UPDATE schema_migrations SET name = 'x'",
    "CREATE TABLE mine ()",
    "SELECT person_of('1')",
    "SET session_replication_role = 'replica'",
]


@pytest.mark.parametrize("statement", FORBIDDEN)
async def test_the_bots_role_may_append_and_nothing_else(
    separate_bot: str, database: Database, statement: str
) -> None:
    assert separate_bot
    await EventStore(database).append(first(fresh_timer()))
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await database.run(lambda connection: connection.execute(statement))


APPEND = (
    "SELECT append(ARRAY[$1], ARRAY[$2], ARRAY[$3], ARRAY[0], ARRAY['7'],"
    " ARRAY[NULL]::text[], ARRAY['cli'], ARRAY[NULL]::text[], ARRAY[1], ARRAY[$4], ARRAY[''])"
)
APPEND_EVENT = (
    "SELECT append_event($1, $2, $3, 0, '7', NULL, 'cli', $4, '{}',"
    " NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL)"
)


@pytest.mark.parametrize("query", [APPEND, APPEND_EVENT])
async def test_a_temporary_table_cannot_stand_in_for_the_log(
    owner: asyncpg.Connection, query: str
) -> None:
    await owner.execute("CREATE TEMPORARY TABLE events (position bigint)")
    await owner.execute(query, GUILD, ACTOR, ROLE, '{"type": "Expired", "at": 1}')
    await owner.execute("DROP TABLE pg_temp.events")
    assert await owner.fetchval("SELECT count(*) FROM events") == 1

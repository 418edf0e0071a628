"""What each role of the database cannot do: capture, lock, and write nonsense."""

import asyncio
import re
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any
from urllib.parse import quote, urlsplit, urlunsplit

import asyncpg
import pytest

from boostmon.commands.decider import SetTime
from boostmon.database.connections.connection import session
from boostmon.database.connections.pool import Database, connect
from boostmon.database.connections.url import role_of
from boostmon.database.schema.exposure import look_at_schema
from boostmon.database.schema.migrate import KEY, migrate
from boostmon.database.writing import look_at_writing
from boostmon.events.timer import HOUR
from boostmon.projections.replay.run import ONE_AT_A_TIME, check, replay
from tests.support.databases import Schema, TestServer, with_schema
from tests.support.timers import ACTOR, GUILD, ROLE, M, fresh_timer, handler_over, slash

NOW = 1_700_000_000_123
EARLIER = "(7263110::bigint << 32) | 'events'::regclass::oid::bigint"
SAFE = "search_path=pg_catalog, pg_temp"
DEFINERS = (
    "SELECT oid::regprocedure::text, proconfig FROM pg_proc WHERE prosecdef AND pronamespace = $1"
)
BODIES = """
SELECT proname, prosrc FROM pg_proc
WHERE pronamespace = (SELECT relnamespace FROM pg_class WHERE oid = 'events'::regclass)
"""
NAMED = re.compile(
    r"\b(?:FROM|JOIN|INTO|UPDATE|TABLE|PERFORM)\s+"
    r"(events|streams|people|effects|role_timers|log_seal|log_lock)\b"
)
# What fits better than PostgreSQL's own where a role_id or user_id of role_timers is compared.
TRAP = """
CREATE FUNCTION {schema}.trap(varchar, text) RETURNS boolean LANGUAGE plpgsql
AS $$ BEGIN RAISE EXCEPTION 'captured as %', current_user; END $$;
CREATE OPERATOR {schema}.= (LEFTARG = varchar, RIGHTARG = text, FUNCTION = {schema}.trap);
"""
NULLS = "NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL"
ROW = "1, NULL, NULL, 0, '{}', 1, 1, 1"
EXPIRED = """'{"type": "Expired", "at": 1}'"""


def event(**changed: str) -> str:
    """Return a call of `append_event`, with some arguments *changed*."""
    given = {
        "guild": f"'{GUILD}'",
        "user": "'1250000000000000077'",
        "role": f"'{ROLE}'",
        "version": "0",
        "command": "'1'",
        "actor": f"'{ACTOR}'",
        "source": "'cli'",
        "data": EXPIRED,
        "kinds": "'{}'",
        "row": NULLS,
    }
    return f"SELECT append_event({', '.join((given | changed).values())})"


def batch(**changed: str) -> str:
    """Return a call of `append_batch` with one event, with some arguments *changed*."""
    given = {
        "guild": f"ARRAY['{GUILD}']",
        "user": "ARRAY['1250000000000000077']",
        "role": f"ARRAY['{ROLE}']",
        "version": "ARRAY[0]",
        "command": "ARRAY['1']",
        "actor": f"ARRAY['{ACTOR}']",
        "source": "ARRAY['cli']",
        "counts": "ARRAY[1]",
        "data": f"ARRAY[{EXPIRED}]",
        "effects": "ARRAY[]::integer[]",
        "kinds": "ARRAY[]::text[]",
        **{f"row{n}": "ARRAY[NULL]::bigint[]" for n in (1, 3, 4, 6, 7, 8)},
        "timers": "ARRAY[0]",
        "commands": "ARRAY[0]",
    }
    given |= changed
    row = [given.pop(f"row{n}") for n in (1, 3, 4, 6, 7, 8)]
    text = "ARRAY[NULL]::text[]"
    columns = [row[0], text, row[1], row[2], text, *row[3:]]
    *first, timers, commands = given.values()
    return f"SELECT append_batch({', '.join([*first, *columns, timers, commands])})"


def before(**changed: str) -> str:
    """Return a call of the `append` of the release before, with some arguments *changed*."""
    given = {
        "guild": f"ARRAY['{GUILD}']",
        "user": "ARRAY['1250000000000000077']",
        "role": f"ARRAY['{ROLE}']",
        "version": "ARRAY[0]",
        "command": "ARRAY['1']",
        "actor": f"ARRAY['{ACTOR}']",
        "source": "ARRAY['cli']",
        "row": "ARRAY[NULL]::text[]",
        "counts": "ARRAY[1]",
        "data": f"ARRAY[{EXPIRED}]",
        "effects": "ARRAY['']",
    }
    return f"SELECT append({', '.join((given | changed).values())})"


@pytest.fixture
async def bot(separate_bot: str) -> AsyncIterator[asyncpg.Connection]:
    """Lend a connection of the role that owns nothing."""
    async with session(separate_bot) as connection:
        yield connection


async def in_turn(superuser: asyncpg.Connection, statements: str) -> None:
    """Change rights on the database while no other worker does: PostgreSQL refuses one of two."""
    async with superuser.transaction():
        await superuser.execute("SELECT pg_advisory_xact_lock(7263199)")
        await superuser.execute(statements)


@pytest.fixture
async def stranger(
    migrated: Schema, superuser: asyncpg.Connection
) -> AsyncIterator[asyncpg.Connection]:
    """Lend a connection of an account that has nothing to do with the tables."""
    assert migrated.superuser_url is not None
    name, password = f"test_stranger_{secrets.token_hex(4)}", secrets.token_hex(16)
    parts = urlsplit(migrated.superuser_url)
    place = f"{name}:{password}@{parts.netloc.rpartition('@')[2]}"
    database = await superuser.fetchval("SELECT quote_ident(current_database())")
    await in_turn(
        superuser,
        f"CREATE ROLE {name} LOGIN PASSWORD '{password}';"
        f"GRANT CONNECT ON DATABASE {database} TO {name}",
    )
    try:
        async with session(urlunsplit(parts._replace(netloc=place))) as connection:
            yield connection
    finally:
        await in_turn(superuser, f"DROP OWNED BY {name}; DROP ROLE {name}")


@pytest.fixture
def others(bot: asyncpg.Connection, stranger: asyncpg.Connection) -> dict[str, asyncpg.Connection]:
    """Lend connections of those who own nothing, by who they are."""
    return {"bot": bot, "stranger": stranger}


async def record(database: Database) -> None:
    """Have one more timer."""
    await handler_over(database).handle(fresh_timer(), SetTime(NOW, HOUR, M), slash())


# Captured.


async def open_to(stranger: asyncpg.Connection, schema: Schema, owner: asyncpg.Connection) -> None:
    """Let *stranger* lay the trap that runs with the rights of whoever meets it."""
    name = await stranger.fetchval("SELECT current_user")
    await owner.execute(f"GRANT USAGE, CREATE ON SCHEMA {schema.name} TO {name}")
    await stranger.execute(TRAP.format(schema=schema.name))


@pytest.fixture
async def trapped(
    stranger: asyncpg.Connection, migrated: Schema, owner: asyncpg.Connection, database: Database
) -> asyncpg.Connection:
    """Lend the owner of a schema with a timer and a trap in it."""
    await record(database)
    await open_to(stranger, migrated, owner)
    return owner


CALLS = [
    before(),
    before(row="""ARRAY['{"expires_at": 1, "created_at": 1, "updated_at": 1, "paused": false}']"""),
    event(),
    event(row=ROW),
    batch(),
    batch(row1="ARRAY[1]", row6="ARRAY[1]", row7="ARRAY[1]", row8="ARRAY[1]"),
    f"SELECT owe_roles('{GUILD}', '1250000000000000077')",
    "SELECT owe_nothing(ARRAY[1], ARRAY[now()], 1)",
    f"SELECT FROM read_streams(ARRAY['1250000000000000077'], ARRAY['{ROLE}'])",
]


@pytest.mark.parametrize("call", CALLS)
async def test_an_operator_of_somebody_else_is_not_called(
    call: str, trapped: asyncpg.Connection, bot: asyncpg.Connection
) -> None:
    owner = trapped

    await bot.execute(call)

    assert (await check(owner)).broken == []


@pytest.mark.parametrize("call", [CALLS[0], CALLS[2], CALLS[3], CALLS[4], CALLS[6]])
async def test_it_would_be_called_if_the_schema_were_searched(
    call: str, trapped: asyncpg.Connection, bot: asyncpg.Connection, migrated: Schema
) -> None:
    owner = trapped
    place = await owner.fetchval("SELECT relnamespace FROM pg_class WHERE oid = 'events'::regclass")
    for signature, _ in await owner.fetch(DEFINERS, place):
        await owner.execute(f"ALTER ROUTINE {signature} SET search_path = {migrated.name}, pg_temp")

    with pytest.raises(asyncpg.RaiseError, match="captured as "):
        await bot.execute(call)


async def test_what_runs_with_the_owners_rights_searches_postgresqls_schema_alone(
    owner: asyncpg.Connection,
) -> None:
    place = await owner.fetchval("SELECT relnamespace FROM pg_class WHERE oid = 'events'::regclass")
    definers = await owner.fetch(DEFINERS, place)

    assert len(definers) >= 5
    assert [] == [signature for signature, settings in definers if SAFE not in (settings or ())]


async def test_every_function_names_our_tables_with_their_schema(
    owner: asyncpg.Connection,
) -> None:
    bodies = await owner.fetch(BODIES)

    assert {"append_event", "append_batch", "lock_log", "person_of"} <= {
        b["proname"] for b in bodies
    }
    assert [] == [b["proname"] for b in bodies if NAMED.search(b["prosrc"])]
    assert [] == [b["proname"] for b in bodies if "our_schema" in b["prosrc"]]


@pytest.mark.parametrize("name", ['Test "Schema"; --', "it's $1 \\ $$"])
async def test_a_schema_of_any_name_is_put_into_the_functions(
    server: TestServer, name: str
) -> None:
    quoted = '"' + name.replace('"', '""') + '"'
    escaped = quoted.replace("\\", "\\\\").replace(" ", "\\ ")
    url = with_schema(server.owner_url, quote(escaped, safe=""))
    async with session(server.owner_url) as outside:
        await outside.execute(f"CREATE SCHEMA {quoted}")
        try:
            async with session(url) as owner:
                await migrate(owner)
                async with await connect(url) as database:
                    await record(database)
                    await record(database)
                await owner.execute(before())
                assert ([], 3) == ((found := await check(owner)).broken, found.events)
        finally:
            await outside.execute(f"DROP SCHEMA {quoted} CASCADE")


async def test_migrate_takes_from_everybody_the_right_to_create_in_the_schema(
    migrated: Schema, owner: asyncpg.Connection, stranger: asyncpg.Connection
) -> None:
    await owner.execute(f"GRANT USAGE, CREATE ON SCHEMA {migrated.name} TO PUBLIC")
    (found,) = await look_at_schema(owner)
    assert ("red", f"PUBLIC may create in the schema {migrated.name}") == (
        found.colour,
        found.found.partition(",")[0],
    )
    assert f"REVOKE CREATE ON SCHEMA {migrated.name} FROM PUBLIC" in str(found.remedy)

    await migrate(owner)

    assert ["green"] == [found.colour for found in await look_at_schema(owner)]
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await stranger.execute(f"CREATE TABLE {migrated.name}.mine ()")


async def test_doctor_names_who_else_may_create_and_what_is_there_already(
    stranger: asyncpg.Connection, migrated: Schema, owner: asyncpg.Connection
) -> None:
    await open_to(stranger, migrated, owner)
    name = await stranger.fetchval("SELECT current_user")

    may, there = await look_at_schema(owner)

    assert ("red", "red") == (may.colour, there.colour)
    assert may.found.startswith(f"{name} may create in the schema {migrated.name}, ")
    assert f"of {name}" in there.found
    assert "trap" in there.found
    assert "more" not in there.found

    for number in range(6):
        trap = (
            f"CREATE FUNCTION {migrated.name}.trap{number}() RETURNS int LANGUAGE sql AS 'SELECT 1'"
        )
        await stranger.execute(trap)
    _, there = await look_at_schema(owner)
    assert f"of {name} and 3 more." in there.found


async def test_a_schema_that_migrate_cannot_close_is_migrated_and_stays_red(
    empty_schema: Schema, superuser: asyncpg.Connection
) -> None:
    if empty_schema.owner_url == empty_schema.superuser_url:
        pytest.skip("the role of BOOSTMON_TEST_DATABASE_URL is a superuser, who can close any")
    async with session(empty_schema.owner_url) as owner:
        me = await owner.fetchval("SELECT current_user")
        boss = f"test_boss_{secrets.token_hex(4)}"
        await superuser.execute(
            f"CREATE ROLE {boss}; ALTER SCHEMA {empty_schema.name} OWNER TO {boss};"
            f"GRANT USAGE, CREATE ON SCHEMA {empty_schema.name} TO {me}, PUBLIC"
        )
        try:
            await migrate(owner)
            assert ["red"] == [found.colour for found in await look_at_schema(owner)]
        finally:
            await superuser.execute(
                f"ALTER SCHEMA {empty_schema.name} OWNER TO {me}; DROP OWNED BY {boss};"
                f"DROP ROLE {boss}"
            )


# Locked.


@pytest.mark.parametrize("who", ["stranger", "bot"])
async def test_whoever_holds_the_lock_of_the_release_before_keeps_nobody_from_recording(
    others: dict[str, asyncpg.Connection],
    database: Database,
    owner: asyncpg.Connection,
    who: str,
) -> None:
    key = await owner.fetchval(f"SELECT {EARLIER}")
    holder = others[who]
    await holder.execute("SELECT pg_advisory_lock($1)", key)

    await record(database)

    assert await holder.fetchval("SELECT pg_advisory_unlock($1)", key)
    assert (await check(owner)).clean


@pytest.mark.parametrize("call", ["lock_log()", "await_earlier_lock()"])
async def test_for_whoever_could_not_record_nobody_waits(
    stranger: asyncpg.Connection, owner: asyncpg.Connection, call: str
) -> None:
    key = await owner.fetchval(f"SELECT {EARLIER}")
    await stranger.execute("SELECT pg_advisory_lock($1)", key)

    async with owner.transaction():
        await owner.execute("SET LOCAL statement_timeout = '1500ms'")  # others get two seconds
        await owner.execute(f"SELECT {call}")

    assert await stranger.fetchval("SELECT pg_advisory_unlock($1)", key)


async def test_a_call_of_the_release_before_is_waited_for(
    database: Database, superuser: asyncpg.Connection, bot: asyncpg.Connection
) -> None:
    key = await superuser.fetchval(f"SELECT {EARLIER}")
    async with bot.transaction():
        await bot.execute("SELECT pg_advisory_xact_lock($1)", key)
        recording = asyncio.create_task(record(database))
        waits = "SELECT EXISTS (SELECT FROM pg_stat_activity WHERE wait_event = 'PgSleep')"
        async with asyncio.timeout(10):
            while not await superuser.fetchval(waits):  # noqa: ASYNC110 - in the server
                await asyncio.sleep(0)
        assert 0 == await bot.fetchval("SELECT count(*) FROM events")
    await recording
    assert 1 == await bot.fetchval("SELECT count(*) FROM events")


@pytest.mark.parametrize(
    ("key", "work"), [(KEY, migrate), (ONE_AT_A_TIME, replay)], ids=["migrate", "replay"]
)
async def test_whoever_could_not_do_the_work_keeps_nobody_from_it(
    stranger: asyncpg.Connection,
    owner: asyncpg.Connection,
    key: str,
    work: Callable[[asyncpg.Connection], Awaitable[object]],
) -> None:
    number = await owner.fetchval(f"SELECT {key}")
    await stranger.execute("SELECT pg_advisory_lock($1)", number)

    await work(owner)

    assert await stranger.fetchval("SELECT pg_advisory_unlock($1)", number)


LOCKS = [
    "SELECT lock_log()",
    *(
        f"LOCK TABLE log_lock IN {mode} MODE"
        for mode in ("ACCESS SHARE", "ROW EXCLUSIVE", "SHARE UPDATE EXCLUSIVE", "ACCESS EXCLUSIVE")
    ),
    "SELECT FROM log_lock",
    "SELECT FROM log_lock FOR UPDATE",
    "DELETE FROM log_lock",
    "LOCK TABLE events IN SHARE MODE",
    "LOCK TABLE events IN ACCESS EXCLUSIVE MODE",
    "LOCK TABLE streams IN EXCLUSIVE MODE",
    "SELECT FROM people FOR UPDATE",
    "SELECT await_earlier_lock()",
    "CALL name_schema('a', 'b')",
]


@pytest.mark.parametrize("lock", LOCKS)
@pytest.mark.parametrize("who", ["stranger", "bot"])
async def test_nobody_else_can_take_a_lock_that_holds_up_the_log(
    others: dict[str, asyncpg.Connection],
    migrated: Schema,
    owner: asyncpg.Connection,
    who: str,
    lock: str,
) -> None:
    other = others[who]
    name = await other.fetchval("SELECT current_user")
    await owner.execute(f"GRANT USAGE ON SCHEMA {migrated.name} TO {name}")

    async with other.transaction():
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            async with other.transaction():
                await other.execute(lock)


HELD = {
    "log_lock": "SELECT lock_log()",
    "events": "LOCK TABLE events IN SHARE MODE",
    "role_timers": "LOCK TABLE role_timers IN ACCESS EXCLUSIVE MODE",
}


@pytest.mark.parametrize("table", HELD)
async def test_doctor_names_who_keeps_the_log_from_being_written(
    owner: asyncpg.Connection, owner_url: str, table: str
) -> None:
    async with session(owner_url) as other, other.transaction():
        await other.execute("SET application_name = 'a forgotten psql'")
        await other.execute(HELD[table])
        async with owner.transaction(isolation="repeatable_read", readonly=True):
            (found,) = await look_at_writing(owner)
        role, pid = await owner.fetchval("SELECT current_user"), other.get_server_pid()

    assert "red" == found.colour
    assert found.found.startswith(
        f"The log cannot be written: PID {pid} (role {role}, application a forgotten psql) holds a "
        f"lock on {table}, since 20"
    )
    assert f"See what it does, and end it: SELECT pg_terminate_backend({pid})." == found.remedy


async def test_doctor_locks_nothing_that_it_does_not_give_back(
    owner: asyncpg.Connection, database: Database
) -> None:
    async with owner.transaction(isolation="repeatable_read", readonly=True):
        (found,) = await look_at_writing(owner)
        await record(database)

    assert "green" == found.colour


async def test_doctor_names_who_holds_the_lock_of_the_release_before(
    owner: asyncpg.Connection, bot: asyncpg.Connection
) -> None:
    key = await owner.fetchval(f"SELECT {EARLIER}")
    await bot.execute("SELECT pg_advisory_lock($1)", key)

    (found,) = await look_at_writing(owner)

    assert "yellow" == found.colour
    assert f": by PID {bot.get_server_pid()} (role " in found.found


# Nonsense.

NONSENSE: dict[str, str] = {
    "a source": event(source="'nonsense'"),
    "no source": event(source="NULL"),
    "a kind": event(kinds="'{bogus}'"),
    "no kinds": event(kinds="NULL"),
    "a kind that is NULL": event(kinds="ARRAY[NULL]::text[]"),
    "a document": event(data="'{}'"),
    "a document of a type": event(data="""'{"type": "Bogus"}'"""),
    "no JSON": event(data="'x'"),
    "a number that no column holds": event(data="""'{"type": "Expired", "at": 1e999999}'"""),
    "a letter that no text holds": event(
        data="""'{"type": "Expired", "x": "' || chr(92) || 'u0000"}'"""
    ),
    "no document": event(data="NULL"),
    "a document that is no object": event(data="'[]'"),
    "a guild": event(guild="'x'"),
    "a guild beyond 64 bits": event(guild="'18446744073709551616'"),
    "no guild": event(guild="NULL"),
    "a user": event(user="'erased-123456789abc'"),
    "no user": event(user="NULL"),
    "a role": event(role="'0'"),
    "an actor": event(actor="'me'"),
    "no command": event(command="NULL"),
    "a row": event(row="NULL, NULL, NULL, NULL, NULL, NULL, 1, NULL"),
    **{
        f"{what} in {call.__name__}": call(**{name: value})
        for call in (batch, before)
        for what, name, value in (
            ("a source", "source", "ARRAY['nonsense']"),
            ("no sources", "source", "NULL"),
            ("sources in two dimensions", "source", "ARRAY[ARRAY['cli']]"),
            ("a document", "data", "ARRAY['{}']"),
            ("no documents", "data", "NULL"),
            ("a document too few", "counts", "ARRAY[2]"),
            ("a document too many", "counts", "ARRAY[0]"),
            ("a count below 0", "counts", "ARRAY[-1]"),
            ("no count", "counts", "ARRAY[NULL]::integer[]"),
            ("a guild", "guild", "ARRAY['x']"),
            ("a user", "user", "ARRAY['-1']"),
            ("a role", "role", "ARRAY['1.5']"),
            ("an actor", "actor", "ARRAY['me']"),
        )
    },
    "a kind in before": before(effects="ARRAY['bogus']"),
    "a kind behind another in before": before(effects="ARRAY['give_role,bogus']"),
    "a kind in batch": batch(effects="ARRAY[1]", kinds="ARRAY['bogus']"),
    "an earlier piece that is itself": batch(timers="ARRAY[1]"),
    "an earlier command that is itself": batch(commands="ARRAY[1]"),
    "an earlier piece that comes later": batch(timers="ARRAY[2]"),
    "a give for nobody's seconds": "SELECT owe_nothing(ARRAY[1], ARRAY[now()], 'NaN')",
    "a give in the future": "SELECT owe_nothing(ARRAY[1], ARRAY[now()], -1)",
    "a kind of an effect": "UPDATE effects SET kind = 'bogus'",
    "a position of an effect": "UPDATE effects SET position = 99",
    "a stream of an effect": "UPDATE effects SET stream_id = 99",
    "a state of an effect": "UPDATE effects SET state = 'bogus'",
    "another lease": "UPDATE lease SET name = 'bogus'",
    "a finding": "INSERT INTO differences (stream_id, found, position) VALUES (1, 'bogus', 1)",
    "another seal": "UPDATE log_seal SET position = 0",
    "a channel of nobody": "INSERT INTO direct_channels (person_id, channel_id) VALUES (99, '1')",
}
# As before migration 0013, which may have let such events in.
TAKES_ALL = """
CREATE OR REPLACE FUNCTION is_event(document text) RETURNS boolean LANGUAGE sql AS 'SELECT true'
"""
LOG = "SELECT (SELECT count(*) FROM {}) AS many"
TABLES = ("events", "streams", "people", "effects", "role_timers", "differences", "direct_channels")


async def counted(owner: asyncpg.Connection) -> list[int]:
    return [await owner.fetchval(LOG.format(table)) for table in TABLES]


@pytest.mark.parametrize("what", NONSENSE)
async def test_the_bots_role_writes_no_nonsense(
    database: Database, owner: asyncpg.Connection, bot: asyncpg.Connection, what: str
) -> None:
    await record(database)
    held = await counted(owner)

    with pytest.raises(asyncpg.PostgresError) as refused:
        await asyncio.wait_for(bot.execute(NONSENSE[what]), 10)

    assert not isinstance(
        refused.value, (asyncpg.PostgresSyntaxError, asyncpg.UndefinedFunctionError)
    )
    assert held == await counted(owner)
    assert (await check(owner)).clean


@pytest.mark.parametrize("call", [event(), event(row=ROW), batch(), before()])
async def test_what_makes_sense_is_taken(
    owner: asyncpg.Connection, bot: asyncpg.Connection, call: str
) -> None:
    await bot.execute(call)

    assert 1 == await owner.fetchval("SELECT count(*) FROM events")
    assert [] == (await check(owner)).broken


@pytest.mark.parametrize(
    ("call", "outcome"),
    [
        (event(version="NULL"), "conflict"),
        (batch(version="ARRAY[NULL]::integer[]"), "conflict"),
        (before(version="ARRAY[NULL]::integer[]"), "conflict"),
        (event(version="1", guild="NULL"), "elsewhere"),
        (batch(version="ARRAY[1]", guild="ARRAY[NULL]::text[]"), "elsewhere"),
        (before(version="ARRAY[1]", guild="ARRAY[NULL]::text[]"), "elsewhere"),
    ],
)
async def test_null_is_neither_a_version_nor_a_server(
    owner: asyncpg.Connection, bot: asyncpg.Connection, call: str, outcome: str
) -> None:
    await bot.execute(event())
    again = call.replace("'1'", "'2'")

    row: Any = await bot.fetchrow(again.replace("SELECT", "SELECT outcome FROM", 1))

    assert outcome == row["outcome"]
    assert 1 == await owner.fetchval("SELECT count(*) FROM events")


async def test_the_rights_of_the_role_are_by_column(
    separate_bot: str, owner: asyncpg.Connection
) -> None:
    may = await owner.fetch(
        "SELECT table_name || '.' || column_name AS name"
        " FROM information_schema.role_column_grants"
        " WHERE grantee = $1 AND table_schema = current_schema() AND privilege_type = 'UPDATE'",
        role_of(separate_bot),
    )

    names = {row["name"] for row in may}
    assert {"effects.state", "effects.receipt", "lease.holder", "differences.found"} <= names
    keys = {"effects.position", "effects.kind", "effects.stream_id", "lease.name"}
    assert not names & (keys | {"direct_channels.person_id", "differences.stream_id"})


async def test_an_event_that_is_not_whole_is_named_and_the_rest_of_the_log_is_checked(
    database: Database, owner: asyncpg.Connection, bot: asyncpg.Connection
) -> None:
    await owner.execute(TAKES_ALL)
    await bot.execute(event(data="""'{"type":"TimerSet"}'"""))
    await record(database)

    report = await check(owner)

    assert [] == report.broken
    assert ["position 1"] == [told.partition(":")[0] for told in report.unreadable]
    assert 2 == report.events

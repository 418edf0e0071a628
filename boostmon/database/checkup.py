"""Looks at the database for `boostmon doctor`: whether it answers, fits, and keeps up."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta

import asyncpg
from asyncpg import Connection, Record

from boostmon import machine
from boostmon.config import PoolConfig, masked
from boostmon.database.connections.connection import Connector, session
from boostmon.database.schema.migrate import pending, refuse_encoding
from boostmon.database.schema.naming import another_name
from boostmon.errors import DatabaseError
from boostmon.finding import Finding, green, red, yellow

SKEW_SEEN, SKEW_TOO_MUCH = 2.0, 60.0  # seconds
LAG_SEEN = timedelta(seconds=10)
SLOW_MS = 100.0
QUERY_LENGTH = 100  # characters
HIDDEN = "<insufficient privilege>"

WHO = """
SELECT current_user AS role, current_database() AS database,
    current_setting('server_version') AS version, pg_is_in_recovery() AS is_standby,
    current_setting('transaction_read_only')::bool AS is_read_only
"""
FOREIGN_TABLE = """
SELECT to_regclass('schema_migrations') IS NULL AND to_regclass('role_timers') IS NOT NULL
"""
CONNECTIONS = """
SELECT
    count(*) FILTER (
        WHERE datid IS NOT NULL AND usesysid IS NOT NULL
            AND coalesce(backend_type, 'client backend') = 'client backend' -- others' is hidden
    ) AS used,
    count(*) FILTER (WHERE application_name LIKE 'boostmon%') AS ours,
    current_setting('max_connections')::int
        - current_setting('superuser_reserved_connections')::int AS most
FROM pg_stat_activity
"""
STANDBYS = """
SELECT application_name AS name, state, sync_state, replay_lag FROM pg_stat_replication
"""
REPLAYED = "SELECT clock_timestamp() - pg_last_xact_replay_timestamp() AS lag"
# Of our own roles, and no utility statement: those may hold a password.
STATISTICS = """
SELECT quote_ident(nspname) || '.pg_stat_statements' FROM pg_extension
JOIN pg_namespace ON pg_namespace.oid = extnamespace WHERE extname = 'pg_stat_statements'
"""
SLOW = """
SELECT query, calls, mean_exec_time AS mean_ms FROM {statistics} AS statistics
WHERE dbid = (SELECT oid FROM pg_database WHERE datname = current_database())
    AND userid IN (SELECT oid FROM pg_roles WHERE rolname = ANY ($1::text[]))
    AND regexp_replace(query, '--[^' || chr(10) || ']*', '', 'g')
        ~* '^[[:space:]]*(select|insert|update|delete|with)[[:>:]]|^<insufficient'
    AND mean_exec_time >= $2
ORDER BY mean_exec_time DESC LIMIT 3
"""


@asynccontextmanager
async def reading(url: str, variable: str) -> AsyncIterator[Connection]:
    """Lend a connection that sees one snapshot and can write nothing."""
    async with (
        session(url, variable=variable) as connection,
        connection.transaction(isolation="repeatable_read", readonly=True),
    ):
        yield connection


async def look_at_login(url: str, variable: str) -> tuple[str, list[Finding]]:
    """Connect as *variable* says, also through PgBouncer; return the role and what was found.

    Raise `DatabaseError` when that fails.
    """
    began = machine.monotonic()
    connection = await Connector(
        url, variable=variable, statement_cache_size=0, may_be_pooler=True
    ).open_within(0)
    try:
        who = await connection.fetchrow(WHO)
    finally:
        await connection.close(timeout=2)
    took = round((machine.monotonic() - began) * 1000)
    version = who["version"].partition(" ")[0]
    findings = [
        green(
            "database",
            f"{variable} leads to PostgreSQL {version}, database {who['database']}, "
            f"as the role {who['role']}; it answered in {took} ms.",
        )
    ]
    if who["is_standby"]:
        found = f"The server at {masked(url)} is a standby, where nothing can be recorded."
        findings.append(red("database", found, f"Name the primary in {variable}."))
    elif who["is_read_only"]:
        found = (
            f"The server at {masked(url)} lets nothing be written (default_transaction_read_only)."
        )
        remedy = "Find out who has set that; a host does when the disk is full."
        findings.append(red("database", found, remedy))
    return str(who["role"]), findings


async def look_at_migrations(connection: Connection) -> list[Finding]:
    """Compare the schema with what this version needs; raise `DatabaseError` for a newer one."""
    if await connection.fetchval(FOREIGN_TABLE):
        found = "This database holds the role_timers of the JavaScript bot, which stays untouched."
        remedy = (
            "Point DATABASE_URL at an empty database, and bring the timers over with "
            "`boostmon import --from-database URL`."
        )
        return [red("database", found, remedy)]
    try:
        await refuse_encoding(connection)
    except DatabaseError as error:
        found, _, remedy = str(error).partition("; ")
        return [red("database", f"{found}.", f"{remedy[:1].upper()}{remedy[1:]}")]
    missing = await pending(connection)
    if missing:
        found = f"The database is not up to date; migrations are missing: {', '.join(missing)}."
        return [red("database", found, "Run `boostmon migrate`.")]
    if (former := await another_name(connection)) is not None:
        found = f"The functions of the schema write to another one, {former}: it was renamed, or"
        found = f"{found} restored from a dump under another name."
        return [red("database", found, "Run `boostmon migrate`, which mends them.")]
    return [green("database", "All migrations are applied.")]


def look_at_skew(ahead: float) -> list[Finding]:
    """Judge the database's clock, which is *ahead* seconds ahead of this machine's."""
    if abs(ahead) < SKEW_SEEN:
        return [green("database", "The clocks of the database and of this machine agree.")]
    where = "ahead of" if ahead > 0 else "behind"
    found = f"The database's clock is {abs(ahead):,.0f} s {where} this machine's."
    remedy = (
        "Let both machines set their clocks by NTP (`timedatectl set-ntp true`): timers end by "
        "what two of these and Discord's agree on."
    )
    return [(red if abs(ahead) >= SKEW_TOO_MUCH else yellow)("database", found, remedy)]


async def look_at_connections(connection: Connection, pool: PoolConfig) -> list[Finding]:
    """Count the connections that are free, against what a bot may open."""
    row = await connection.fetchrow(CONNECTIONS)
    free, most = row["most"] - row["used"], pool.boostmon_pool_max
    found = f"{row['used']} of {row['most']} connections are open, {row['ours']} of them BoostMon's"
    if free + row["ours"] < most:
        found = f"{found}: fewer are left than BOOSTMON_POOL_MAX ({most})."
        remedy = "Lower BOOSTMON_POOL_MAX, or raise max_connections of the server."
        return [yellow("database", found, remedy)]
    return [green("database", f"{found}; BOOSTMON_POOL_MAX is {most}.")]


async def look_at_standbys(connection: Connection) -> list[Finding]:
    """Say how far standbys are behind; of a standby itself, how far that one is."""
    if await connection.fetchval("SELECT pg_is_in_recovery()"):
        lag = await connection.fetchval(REPLAYED)
        return [
            green("database", f"This standby shows what was committed {lag or 'some time'} ago.")
        ]
    standbys = await connection.fetch(STANDBYS)
    return [_standby(row) for row in standbys] or [green("database", "There is no standby.")]


def _standby(row: Record) -> Finding:
    if row["state"] is None:
        found = "There is a standby, but this role may not see how far it is behind."
        return yellow("database", found, "As a superuser, GRANT pg_monitor to the owner's role.")
    lag = row["replay_lag"] or timedelta()
    found = f"The standby {row['name']} is {row['state']} ({row['sync_state']}), {lag} behind"
    if row["state"] != "streaming" or lag >= LAG_SEEN:
        remedy = "Look at the log of the standby, and at the network between the two."
        return yellow("database", f"{found}.", remedy)
    return green("database", f"{found}.")


async def look_at_slow_statements(connection: Connection, roles: list[str]) -> list[Finding]:
    """Name the slowest statements of *roles*, where the server keeps statistics."""
    statistics = await connection.fetchval(STATISTICS)
    if statistics is None:
        return [green("database", "pg_stat_statements is not installed, which is no fault.")]
    try:
        slow = await connection.fetch(SLOW.format(statistics=statistics), roles, SLOW_MS)
    except (asyncpg.ObjectNotInPrerequisiteStateError, asyncpg.InsufficientPrivilegeError) as error:
        found = f"pg_stat_statements cannot be read ({error})."
        remedy = "Put it into shared_preload_libraries, and GRANT pg_read_all_stats to the owner."
        return [yellow("database", found, remedy)]
    return [_slow(row) for row in slow] or [
        green("database", f"No statement takes {SLOW_MS:g} ms on average.")
    ]


def _slow(row: Record) -> Finding:
    query = " ".join(line for line in row["query"].splitlines() if not line.startswith("--"))
    query = " ".join(query.split())[:QUERY_LENGTH]
    found = f"A statement takes {row['mean_ms']:,.0f} ms on average ({row['calls']} calls): {query}"
    if row["query"] == HIDDEN:
        remedy = "GRANT pg_read_all_stats to the owner's role, as a superuser, to see which."
        return yellow("database", found, remedy)
    return yellow("database", found, "Run ANALYZE, and look at the load of the server.")

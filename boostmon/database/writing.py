"""Tells whether the log can be written at this moment, and who is in the way."""

import asyncpg
from asyncpg import Connection, Record

from boostmon.finding import Finding, green, red, yellow

# What an append locks. Whoever reads a table, or vacuums it, is in nobody's way.
TRIED = """
SELECT lock_log();
LOCK TABLE events, streams, people, role_timers, effects IN ROW EXCLUSIVE MODE
"""
PATIENCE = "SET LOCAL lock_timeout = '3s'"
# A lock on a table that is waited for is in the way of those who came later, too. When a session of
# another role began its transaction only pg_monitor sees; then those who wait tell the least.
HOLDERS = """
WITH wanted AS (
    SELECT oid, relname FROM pg_class
    WHERE relnamespace = (
        SELECT relnamespace FROM pg_class WHERE oid = to_regclass('schema_migrations')
    ) AND relname = ANY ('{log_lock,events,streams,people,role_timers,effects}'::text[])
)
SELECT DISTINCT ON (locks.pid) locks.pid, relname AS table, activity.usename AS role,
    activity.application_name AS application, activity.xact_start AS since,
    (SELECT min(waitstart) FROM pg_locks AS behind WHERE behind.relation = wanted.oid) AS behind
FROM pg_locks AS locks
JOIN wanted ON wanted.oid = locks.relation
JOIN pg_stat_activity AS activity ON activity.pid = locks.pid AND activity.datid = locks.database
WHERE locks.pid <> pg_backend_pid()
    AND (locks.granted OR locks.mode = 'AccessExclusiveLock' AND relname <> 'log_lock')
    AND (
        locks.mode IN ('ShareLock', 'ShareRowExclusiveLock', 'ExclusiveLock', 'AccessExclusiveLock')
        OR locks.mode = 'ShareUpdateExclusiveLock' AND relname = 'log_lock'
    )
ORDER BY locks.pid, relname
"""
# The lock of 0.1.0, which an append takes only behind that of the table: so it is somebody else's.
EARLIER = """
SELECT locks.pid, 'events' AS table, activity.usename AS role,
    activity.application_name AS application, activity.xact_start AS since, NULL AS behind
FROM pg_locks AS locks
JOIN pg_stat_activity AS activity ON activity.pid = locks.pid AND activity.datid = locks.database
WHERE locks.locktype = 'advisory' AND locks.granted AND locks.pid <> pg_backend_pid()
    AND locks.classid = 7263110 AND locks.objid = 'events'::regclass::oid AND locks.objsubid = 1
    AND has_any_column_privilege(activity.usesysid, 'effects'::regclass, 'UPDATE')
"""


# As much as shows whether a disk is full; where that is, nothing was ever written to the log.
ROOM = """
CREATE TEMPORARY TABLE boostmon_room ON COMMIT DROP AS SELECT generate_series(1, 30000) AS number
"""


async def look_at_room(connection: Connection) -> list[Finding]:
    """Try whether the disk of the database takes more, and take it back."""
    tried = connection.transaction()
    await tried.start()
    try:
        await connection.execute(ROOM)
    except asyncpg.DiskFullError as error:
        found = f"The disk of the database is full ({error})."
        return [red("database", found, "Make room there; BoostMon goes on by itself.")]
    except (asyncpg.InsufficientPrivilegeError, asyncpg.ReadOnlySQLTransactionError):
        return []
    finally:
        await tried.rollback()
    return [green("database", "The disk of the database takes more.")]


async def look_at_writing(connection: Connection) -> list[Finding]:
    """Try to take what an append takes, and give it back; *connection* is the owner's."""
    if await connection.fetchval("SELECT pg_is_in_recovery()"):
        return []
    tried = connection.transaction()
    await tried.start()
    try:
        await connection.execute(PATIENCE)
        await connection.execute(TRIED)
        earlier = await connection.fetch(EARLIER)
    except asyncpg.LockNotAvailableError:
        await tried.rollback()
        holders = await connection.fetch(HOLDERS)
        return [_in_the_way(row) for row in holders] or [_nobody()]
    except asyncpg.InsufficientPrivilegeError:  # that it is not the owner's is found elsewhere
        await tried.rollback()
        return []
    await tried.rollback()
    free = green("database", "The log can be written: nobody holds what an append locks.")
    return [_slows(row) for row in earlier] or [free]


def _in_the_way(row: Record) -> Finding:
    found = f"The log cannot be written: {_told(row)} holds a lock on {row['table']}{_since(row)}."
    return red("database", found, _end(row))


def _since(row: Record) -> str:
    if row["since"] is not None:
        return f", since {row['since']:%Y-%m-%d %H:%M:%S} UTC at the longest"
    if row["behind"] is not None:
        return f", for which others wait since {row['behind']:%Y-%m-%d %H:%M:%S} UTC"
    return ""


def _end(row: Record) -> str:
    return f"See what it does, and end it: SELECT pg_terminate_backend({row['pid']})."


def _slows(row: Record) -> Finding:
    found = f"The lock of 0.1.0 is held, and each append waits 2 s for it: by {_told(row)}."
    return yellow("database", found, _end(row))


def _told(row: Record) -> str:
    application = row["application"] or "without a name"
    return f"PID {row['pid']} (role {row['role']}, application {application})"


def _nobody() -> Finding:
    found = "The log could not be locked for 3 s, and then nobody was in the way any more."
    remedy = "Run `boostmon doctor` again, and look at the load of the server."
    return yellow("database", found, remedy)

"""Brings the schema up to date: numbered SQL files, forward only."""

import asyncio
import re
from hashlib import sha256
from pathlib import Path

import asyncpg
import structlog
from asyncpg import Connection
from msgspec import Struct

from boostmon import machine
from boostmon.database.schema.exposure import close_schema
from boostmon.database.schema.grants import grant
from boostmon.database.schema.naming import put_name
from boostmon.database.schema.turns import turn
from boostmon.errors import DatabaseError, ReadOnlyError

SHIPPED = Path(__file__).parents[1] / "migrations"  # in the wheel
CHECKOUT = Path(__file__).parents[3] / "db" / "migrations"
DIRECTORY = SHIPPED if SHIPPED.is_dir() else CHECKOUT
PATIENCE = 60.0
POLL = 0.05

TABLE = """
CREATE TABLE IF NOT EXISTS schema_migrations (
    version int PRIMARY KEY,
    name text NOT NULL,
    sha256 text NOT NULL,
    applied_at timestamptz NOT NULL DEFAULT clock_timestamp()
)
"""
APPLIED = "SELECT version, name, sha256, applied_at FROM schema_migrations ORDER BY version"
RECORD = "INSERT INTO schema_migrations (version, name, sha256) VALUES ($1, $2, $3)"
EXISTS = "SELECT to_regclass(quote_ident(current_schema()) || '.' || $1) IS NOT NULL"
NAME = "boostmon migrate"
KEY = f"hashtextextended('{NAME} ' || current_schema(), 0)"
LOCK = turn(KEY)
UNLOCK = f"SELECT pg_advisory_unlock({KEY})"
HAS_LOG = "SELECT to_regprocedure(quote_ident(current_schema()) || '.lock_log()') IS NOT NULL"
# Less than PostgreSQL waits before it looks for deadlocks: it is the migration that gives way.
IMPATIENT = "SET LOCAL lock_timeout = '500ms'"
PAUSE = 1.0
ENCODINGS = ("UTF8", "SQL_ASCII")  # the second takes every byte, and none is converted

log = structlog.get_logger()


class Migration(Struct, frozen=True):
    """One file: its number, its name, what it does."""

    version: int
    name: str
    sql: str
    sha256: str


async def refuse_read_only(connection: Connection) -> None:
    """Raise `ReadOnlyError` where this session can write nothing."""
    if await connection.fetchval("SELECT current_setting('transaction_read_only')::boolean"):
        raise ReadOnlyError


async def migrate(
    connection: Connection, bot_role: str | None = None, *, directory: Path = DIRECTORY
) -> list[str]:
    """Apply what is missing, then give *bot_role* its rights again; return the names applied.

    PUBLIC loses the right to create in the schema. Of one that was renamed the functions are told
    its name.

    *connection* is a direct one, as the owner of the tables. Raise `DatabaseError` with the remedy
    where nothing can be migrated.
    """
    migrations = read(directory)
    schema = await connection.fetchval("SELECT current_schema()")
    if schema is None:
        raise DatabaseError("The search_path of the database's owner names no schema; create one.")
    await refuse_read_only(connection)
    await refuse_encoding(connection)
    await _lock(connection)
    try:
        await close_schema(connection)
        await _prepare(connection, schema)
        missing = await _missing(connection, migrations)
        await put_name(connection)
        for migration in missing:
            await _apply(connection, migration)
        if bot_role is not None:
            await grant(connection, bot_role)
    finally:
        if not connection.is_closed():
            await connection.execute(UNLOCK)
    return [migration.name for migration in missing]


async def refuse_encoding(connection: Connection) -> None:
    """Raise `DatabaseError` for a database that cannot hold every name that Discord allows."""
    encoding = await connection.fetchval("SELECT current_setting('server_encoding')")
    if encoding not in ENCODINGS:
        raise DatabaseError(
            f"The database is encoded in {encoding}, which cannot hold every name; make one with "
            "`createdb --template=template0 --encoding=UTF8 NAME`, and let DATABASE_URL name it."
        )


async def pending(connection: Connection, *, directory: Path = DIRECTORY) -> list[str]:
    """Name the migrations that `migrate` would apply."""
    migrations = read(directory)
    try:
        if not await connection.fetchval(EXISTS, "schema_migrations"):
            return [migration.name for migration in migrations]
        return [migration.name for migration in await _missing(connection, migrations)]
    except asyncpg.InsufficientPrivilegeError:  # `migrate` ends by granting this
        return [migration.name for migration in migrations]


def read(directory: Path) -> list[Migration]:
    """Read the migrations in *directory*, in order."""
    migrations = [_read(path) for path in sorted(directory.glob("*.sql"))]
    for expected, migration in enumerate(migrations, start=1):
        if migration.version != expected:
            raise DatabaseError(
                f"{migration.name} stands where migration {expected:04} should; "
                "the numbers must go up one by one."
            )
    return migrations


def _read(path: Path) -> Migration:
    numbered = re.fullmatch(r"(\d{4})_\w+", path.stem)
    if numbered is None:
        raise DatabaseError(f"{path.name} is no migration; it must be named NNNN_name.sql.")
    sql = path.read_text(encoding="utf-8")
    return Migration(int(numbered[1]), path.stem, sql, sha256(sql.encode()).hexdigest())


async def _lock(connection: Connection) -> None:
    # Polled: CREATE INDEX CONCURRENTLY would wait for the snapshot of one who waits in SQL.
    end = machine.monotonic() + PATIENCE
    while not await connection.fetchval(LOCK):
        if machine.monotonic() > end:
            raise DatabaseError(
                "Another `boostmon migrate` has been at work for a minute; wait until it is done."
            )
        await asyncio.sleep(POLL)


async def _prepare(connection: Connection, schema: str) -> None:
    if await connection.fetchval(EXISTS, "schema_migrations"):
        return
    if await connection.fetchval(EXISTS, "role_timers"):
        raise DatabaseError(
            "This database holds the role_timers of the JavaScript bot, which stays untouched; "
            "point DATABASE_URL at an empty database and bring the timers over with "
            "`boostmon import --from-database URL`."
        )
    try:
        await connection.execute(TABLE)
    except asyncpg.InsufficientPrivilegeError as error:
        raise DatabaseError(
            f"The database's user may not create tables in the schema {schema}; let "
            "BOOSTMON_OWNER_DATABASE_URL name one who may."
        ) from error


async def _missing(connection: Connection, migrations: list[Migration]) -> list[Migration]:
    """List what is not applied yet, or refuse when what is applied is not what we have."""
    applied = await connection.fetch(APPLIED)
    for place, row in enumerate(applied):
        if place >= len(migrations):
            raise DatabaseError(
                f"The database was migrated by a newer BoostMon ({row['name']}); update this one."
            )
        migration = migrations[place]
        if (row["version"], row["sha256"]) != (migration.version, migration.sha256):
            raise DatabaseError(
                f"{migration.name} was changed after it was applied ({row['applied_at']:%Y-%m-%d});"
                " restore the file, and put the change into a new one."
            )
    return migrations[len(applied) :]


async def _apply(connection: Connection, migration: Migration) -> None:
    started = machine.monotonic()
    try:
        if migration.sql.startswith("-- no-transaction"):
            await _run(connection, migration)
        else:
            await _run_whole(connection, migration)
    except asyncpg.PostgresError as error:
        raise DatabaseError(
            f"The migration {migration.name} failed, and nothing of it was kept: {error}."
        ) from error
    seconds = round(machine.monotonic() - started, 2)
    log.info("migration applied", migration=migration.name, seconds=seconds)


async def _run_whole(connection: Connection, migration: Migration) -> None:
    """Run it in one transaction, again and again while others hold its tables.

    A bot at work would wait behind it meanwhile, or it and the bot for each other.
    """
    end = machine.monotonic() + PATIENCE
    while True:
        try:
            async with connection.transaction():
                await connection.execute(IMPATIENT)
                if await connection.fetchval(HAS_LOG):  # an append locks the same tables, otherwise
                    await connection.execute("SELECT lock_log()")
                await _run(connection, migration)
        except (asyncpg.LockNotAvailableError, asyncpg.DeadlockDetectedError) as error:
            if machine.monotonic() > end:
                raise DatabaseError(
                    f"The migration {migration.name} needs tables that somebody else has held for "
                    "a minute, such as `pg_dump`; run `boostmon migrate` when they are free."
                ) from error
            await asyncio.sleep(PAUSE)
        else:
            return


async def _run(connection: Connection, migration: Migration) -> None:
    await connection.execute(migration.sql)
    await connection.execute(RECORD, migration.version, migration.name, migration.sha256)

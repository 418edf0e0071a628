"""Grants the bot's role its rights: read all, settle effects and the lease, call what appends."""

import asyncpg
from asyncpg import Connection

from boostmon.errors import DatabaseError

# The tables that the bot may UPDATE, but for what says which row it is.
SETTLED = ["effects", "lease", "direct_channels", "differences", "departures", "openings"]
# And those it may INSERT into.
NOTED = ["direct_channels", "differences", "departures", "application"]
UNTOLD = ["log_lock"]  # and that it may not even read
# The columns of tables that do not say which row it is.
COLUMNS = """
SELECT pg_class.oid, attname AS name
FROM pg_class JOIN pg_attribute ON attrelid = pg_class.oid
LEFT JOIN pg_index ON indrelid = pg_class.oid AND indisprimary
WHERE attnum > 0 AND NOT attisdropped AND attnum <> ALL (coalesce(indkey::int2[], '{}'))
    AND (relname, attname) <> ('effects', 'stream_id')
"""

CALLED = ["append%", "owe%", "read%", "move%"]  # and the functions that it may call

# One statement a row, and only about what belongs to the owner of our own tables: a schema may be
# shared with strangers.
STATEMENTS = f"""
WITH place AS (
    SELECT pg_namespace.oid, quote_ident(nspname) AS name, relowner AS owner
    FROM pg_namespace JOIN pg_class ON relnamespace = pg_namespace.oid
    WHERE nspname = current_schema() AND relname = 'schema_migrations'
), tables AS (
    SELECT pg_class.oid, relname, place.name || '.' || quote_ident(relname) AS name, relkind
    FROM pg_class JOIN place ON relnamespace = place.oid
    WHERE relkind IN ('r', 'p', 'v', 'm', 'S') AND relowner = place.owner
), functions AS (
    SELECT proname, pg_proc.oid::regprocedure::text AS name
    FROM pg_proc JOIN place ON pronamespace = place.oid
    WHERE proowner = place.owner
    AND NOT EXISTS (SELECT FROM pg_depend WHERE objid = pg_proc.oid AND deptype = 'e')
), columns AS ({COLUMNS}), statements (step, text) AS (
    SELECT 1, format('REVOKE ALL ON SCHEMA %s FROM %I', name, $1::text) FROM place
    UNION ALL
    SELECT 1, format('REVOKE ALL ON %s %s FROM %I',
        CASE relkind WHEN 'S' THEN 'SEQUENCE' ELSE 'TABLE' END, name, $1::text) FROM tables
    UNION ALL
    SELECT 1, format('REVOKE ALL ON ROUTINE %s FROM PUBLIC, %I', name, $1::text) FROM functions
    UNION ALL
    SELECT 2, format('GRANT USAGE ON SCHEMA %s TO %I', name, $1::text) FROM place
    UNION ALL
    SELECT 2, format('GRANT SELECT ON %s TO %I', name, $1::text) FROM tables
    WHERE relkind <> 'S' AND relname <> ALL ($5::text[])
    UNION ALL
    SELECT 2, format('GRANT UPDATE (%I) ON %s TO %I', columns.name, tables.name, $1::text)
    FROM tables JOIN columns USING (oid)
    WHERE relkind <> 'S' AND relname = ANY ($2::text[])
    UNION ALL
    SELECT 2, format('GRANT INSERT ON %s TO %I', name, $1::text) FROM tables
    WHERE relkind <> 'S' AND relname = ANY ($3::text[])
    UNION ALL
    SELECT 2, format('GRANT EXECUTE ON ROUTINE %s TO %I', name, $1::text) FROM functions
    WHERE proname LIKE ANY ($4::text[])
)
SELECT text FROM statements ORDER BY step
"""  # noqa: S608 - our own words
KNOWN = "SELECT rolname = current_user FROM pg_roles WHERE rolname = $1"


async def grant(connection: Connection, role: str) -> None:
    """Give *role* exactly the rights of the bot in the current schema; the owner keeps its own."""
    is_owner = await connection.fetchval(KNOWN, role)
    if is_owner is None:
        raise DatabaseError(
            f'There is no role "{role}", which DATABASE_URL logs in as; create it, and run '
            "`boostmon migrate` again."
        )
    if is_owner:
        return
    try:
        async with connection.transaction():
            rows = await connection.fetch(STATEMENTS, role, SETTLED, NOTED, CALLED, UNTOLD)
            await connection.execute(";\n".join(row["text"] for row in rows))
    except asyncpg.InsufficientPrivilegeError as error:
        raise DatabaseError(
            f'The rights of the role "{role}" cannot be set ({error}); run `boostmon migrate` '
            "with the owner of the schema in BOOSTMON_OWNER_DATABASE_URL."
        ) from error

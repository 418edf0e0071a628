"""Looks at whether the bot's role may do what it must, and not more."""

from asyncpg import Connection

from boostmon.database.schema.grants import CALLED, COLUMNS, NOTED, SETTLED, UNTOLD
from boostmon.finding import Finding, green, red, yellow

MIGRATE = "Run `boostmon migrate`, which gives the bot's role its rights."
PART = (
    "Make a role that owns nothing (CREATE ROLE timers_bot LOGIN PASSWORD '…'), name it in "
    "DATABASE_URL and {owner} in BOOSTMON_OWNER_DATABASE_URL, and run `boostmon migrate`."
)
OWNER = """
SELECT relowner::regrole::text AS owner, pg_has_role(current_user, relowner, 'MEMBER') AS is_ours,
    relnamespace::regnamespace::text AS schema
FROM pg_class WHERE oid = to_regclass('schema_migrations')
"""
POWER = """
SELECT rolsuper OR pg_has_role(rolname, $2, 'MEMBER') FROM pg_roles WHERE rolname = $1
"""
# What `grant` gives, as far as it is missing.
LACKS = f"""
WITH place AS (
    SELECT relnamespace AS oid, relowner AS owner
    FROM pg_class WHERE oid = to_regclass('schema_migrations')
), needed AS (
    SELECT pg_class.oid, relname, wanted.privilege
    FROM pg_class
    JOIN place ON relnamespace = place.oid AND relowner = place.owner
    CROSS JOIN LATERAL (
        SELECT 'SELECT' AS privilege WHERE relname <> ALL ($5::text[])
        UNION ALL SELECT 'INSERT' WHERE relname = ANY ($3::text[])
    ) AS wanted
    WHERE relkind IN ('r', 'p', 'v', 'm')
), columns AS ({COLUMNS})
SELECT 'USAGE on the schema' FROM place WHERE NOT has_schema_privilege($1, place.oid, 'USAGE')
UNION ALL
SELECT format('%s on %s', privilege, relname) FROM needed
WHERE NOT has_table_privilege($1, needed.oid, privilege)
UNION ALL
SELECT DISTINCT format('UPDATE on %s', relname) FROM columns
JOIN pg_class USING (oid)
JOIN place ON relnamespace = place.oid AND relowner = place.owner
WHERE relname = ANY ($2::text[])
    AND NOT has_column_privilege($1, columns.oid, columns.name, 'UPDATE')
UNION ALL
SELECT format('EXECUTE on %s', proname) FROM pg_proc
JOIN place ON pronamespace = place.oid AND proowner = place.owner
WHERE proname LIKE ANY ($4::text[]) AND NOT has_function_privilege($1, pg_proc.oid, 'EXECUTE')
ORDER BY 1
"""  # noqa: S608 - our own words


async def look_at_rights(connection: Connection, bot_role: str) -> list[Finding]:
    """Compare what *bot_role* may do with what it must; *connection* is the owner's."""
    owner = await connection.fetchrow(OWNER)
    if not owner["is_ours"]:
        found = f"The tables belong to {owner['owner']}, whom the owner's URL does not log in as."
        remedy = f"Let BOOSTMON_OWNER_DATABASE_URL log in as {owner['owner']}."
        return [red("database", found, remedy)]
    rows = await connection.fetch(LACKS, bot_role, SETTLED, NOTED, CALLED, UNTOLD)
    if rows:
        lacks = ", ".join(row[0] for row in rows)
        return [red("database", f"The role {bot_role} lacks: {lacks}.", MIGRATE)]
    if await connection.fetchval(POWER, bot_role, owner["owner"]):
        found = f"The bot runs as {bot_role}, who owns its tables and could alter the log."
        return [yellow("database", found, PART.format(owner=owner["owner"]))]
    return [green("database", f"The role {bot_role} has the bot's rights and owns nothing.")]

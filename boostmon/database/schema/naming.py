"""The name of the schema in the functions: they search none, so it stands in their text."""

import re

import structlog
from asyncpg import Connection

BODY = """
SELECT prosrc FROM pg_proc
WHERE oid = to_regprocedure(quote_ident(current_schema()) || '.lock_log()')
"""
OURS = """
SELECT quote_ident(current_schema()) AS schema,
    (7263110::bigint << 32)
        | to_regclass(quote_ident(current_schema()) || '.events')::oid::bigint AS key
"""
DEFINITIONS = """
SELECT pg_get_functiondef(oid) AS text FROM pg_proc
WHERE pronamespace = current_schema()::regnamespace AND prokind <> 'a'
    AND strpos(prosrc, $1 || '.') > 0
"""
NAMES = """
SELECT relname AS name FROM pg_class WHERE relnamespace = current_schema()::regnamespace
UNION SELECT proname FROM pg_proc WHERE pronamespace = current_schema()::regnamespace
"""
LOCKED = re.compile(r"TABLE (?P<schema>.+)\.log_lock")
KEY = re.compile(r"pg_try_advisory_xact_lock\((?P<key>\d+)\)")

log = structlog.get_logger()


async def another_name(connection: Connection) -> str | None:
    """Return the schema that the functions write to, unless it is the one that they stand in.

    So it is after `ALTER SCHEMA … RENAME`, and in a dump that was restored under another name.
    """
    found = LOCKED.search(await connection.fetchval(BODY) or "")
    ours = await connection.fetchval("SELECT quote_ident(current_schema())")
    return None if found is None or found["schema"] == ours else found["schema"]


async def put_name(connection: Connection) -> None:
    """Have the functions of the current schema write to it; *connection* is the owner's."""
    former = await another_name(connection)
    if former is None:
        return
    ours = await connection.fetchrow(OURS)
    names = [re.escape(row["name"]) for row in await connection.fetch(NAMES)]
    # An alias may be called like the schema: what stands behind it is a column then.
    named = re.compile(rf'(?<![\w."]){re.escape(former)}\.(?=(?:{"|".join(names)})\b)')
    key = KEY.search(await connection.fetchval(BODY))
    async with connection.transaction():
        for row in await connection.fetch(DEFINITIONS, former):
            text = named.sub(lambda _: f"{ours['schema']}.", row["text"])
            # The lock of 0.1.0 has the number of its table.
            await connection.execute(text.replace(key["key"], str(ours["key"])) if key else text)
    log.warning("the functions wrote to another schema", schema=ours["schema"], former=former)

"""Has a session search our schema and no other, whatever others put in its way.

By default PostgreSQL searches a schema that is called like the role first. Whoever may CREATE in
the database can make it, and with it tables and operators that stand in for ours.
"""

from asyncpg import Connection

from boostmon.errors import DatabaseError

# Said so that nothing of somebody else can be called.
SEARCHED = "SELECT pg_catalog.current_schemas(false)::pg_catalog.text[]"
NOTHING_ELSE = "SET LOCAL search_path = pg_catalog, pg_temp"
# Of the schemas $1 that would be searched, in order, the one that is ours; $2: it holds the tables
# already. A schema with the role's name is a stranger's unless somebody made it who is trusted with
# the database, or the role's own tables are in it.
CHOICE = """
WITH me AS (
    SELECT oid, rolname, rolsuper FROM pg_roles WHERE rolname = current_user
), searched AS (
    SELECT
        wanted.name, number,
        to_regclass(quote_ident(wanted.name) || '.log_lock') IS NOT NULL AS has_tables,
        nspname = me.rolname AND NOT (
            nspowner = me.oid OR maker.rolsuper OR maker.rolname = 'pg_database_owner'
            OR nspowner = (SELECT datdba FROM pg_database WHERE datname = current_database())
            OR NOT me.rolsuper AND pg_has_role(me.oid, nspowner, 'MEMBER')
            OR EXISTS (
                SELECT FROM pg_class WHERE relnamespace = pg_namespace.oid AND relowner = me.oid
                    AND relname = 'schema_migrations'
            )
        ) AS is_strange
    FROM unnest($1::text[]) WITH ORDINALITY AS wanted (name, number)
    JOIN pg_namespace ON nspname = wanted.name
    JOIN pg_roles AS maker ON maker.oid = nspowner
    CROSS JOIN me
    WHERE left(nspname, 3) <> 'pg_'
)
SELECT quote_ident(name) AS schema, quote_ident(current_user) AS role, (
    SELECT quote_ident(strange.name) FROM searched AS strange
    WHERE strange.is_strange AND strange.number < searched.number
) AS in_the_way
FROM searched
WHERE $2::boolean OR NOT is_strange
ORDER BY $2 AND has_tables AND NOT is_strange DESC, $2 AND has_tables DESC,
    NOT is_strange DESC, number
LIMIT 1
"""
SEARCH = "SELECT pg_catalog.set_config('search_path', $1, false)"


async def search_ours_alone(
    connection: Connection, *, has_tables: bool, may_be_pooler: bool, seconds: float
) -> None:
    """Have *connection* search our schema and nothing else but PostgreSQL's own.

    *has_tables*: ours is the one in which the tables are; else the first one. What *may_be_pooler*
    keeps no setting: raise `DatabaseError` where somebody else's schema is searched before ours.
    """
    async with connection.transaction():
        searched = await connection.fetchval(SEARCHED, timeout=seconds)
        if not searched:  # a role without any right yet, or a path that leads nowhere
            return
        await connection.execute(NOTHING_ELSE, timeout=seconds)
        found = await connection.fetchrow(CHOICE, searched, has_tables, timeout=seconds)
    if not may_be_pooler:
        path = f"{found['schema']}, pg_temp" if found else ""
        await connection.fetchval(SEARCH, path, timeout=seconds)
    elif found and found["in_the_way"]:
        raise DatabaseError(
            f"The schema {found['in_the_way']}, which somebody else made, is searched before that "
            f"of the tables; drop it, and ALTER ROLE {found['role']} SET search_path = "
            f"{found['schema']}."
        )

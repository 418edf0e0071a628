"""Finds who may put something of their own into the tables' schema, and takes that right away."""

from contextlib import suppress

import asyncpg
import structlog
from asyncpg import Connection

from boostmon.finding import Finding, green, red

IS_OPEN = """
SELECT EXISTS (
    SELECT FROM pg_namespace, aclexplode(nspacl)
    WHERE nspname = current_schema() AND grantee = 0 AND privilege_type = 'CREATE'
)
"""
CLOSE = "SELECT format('REVOKE CREATE ON SCHEMA %I FROM PUBLIC', current_schema())"
# Of each schema that a statement of ours searches. Whoever owns the schema, or is the owner of our
# tables, could drop these as well.
CREATORS = """
WITH ours AS (
    SELECT relowner AS owner FROM pg_class WHERE oid = to_regclass('schema_migrations')
)
SELECT quote_ident(nspname) AS schema,
    CASE grantee WHEN 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(grantee)) END AS role
FROM pg_namespace CROSS JOIN ours CROSS JOIN LATERAL aclexplode(nspacl)
WHERE nspname = ANY (current_schemas(false)) AND privilege_type = 'CREATE'
    AND grantee NOT IN (owner, nspowner)
    AND NOT EXISTS (
        SELECT FROM pg_roles
        WHERE pg_roles.oid = grantee AND (rolsuper OR pg_has_role(pg_roles.oid, owner, 'MEMBER'))
    )
ORDER BY schema, role
"""
# What others have put there, and which could run in our statements.
STRANGE = """
WITH ours AS (
    SELECT relowner AS owner FROM pg_class WHERE oid = to_regclass('schema_migrations')
), made AS (
    SELECT 'pg_operator'::regclass AS catalog, oid, oid::regoperator::text AS name,
        oprnamespace AS place, oprowner AS maker
    FROM pg_operator
    UNION ALL
    SELECT 'pg_proc'::regclass, oid, oid::regprocedure::text, pronamespace, proowner FROM pg_proc
)
SELECT made.name, quote_ident(pg_get_userbyid(maker)) AS role, count(*) OVER () AS total
FROM made CROSS JOIN ours JOIN pg_namespace ON pg_namespace.oid = place
JOIN pg_roles ON pg_roles.oid = maker
WHERE nspname = ANY (current_schemas(false)) AND maker NOT IN (owner, nspowner) AND NOT rolsuper
    AND NOT pg_has_role(maker, owner, 'MEMBER')
    AND NOT EXISTS (
        SELECT FROM pg_depend WHERE classid = catalog AND objid = made.oid AND deptype = 'e'
    )
ORDER BY 1
LIMIT 5
"""

log = structlog.get_logger()


async def close_schema(connection: Connection) -> None:
    """Take from PUBLIC the right to create in our schema, where this connection may do that.

    Whoever may create there can define an operator that fits a statement of ours better.
    """
    if not await connection.fetchval(IS_OPEN):
        return
    with suppress(asyncpg.InsufficientPrivilegeError):
        await connection.execute(await connection.fetchval(CLOSE))
    if await connection.fetchval(IS_OPEN):
        log.warning("anybody may create in the schema", remedy="boostmon doctor")
    else:
        log.info("CREATE on the schema was taken from PUBLIC")


async def look_at_schema(connection: Connection) -> list[Finding]:
    """See who else may create in the schemas that are searched; *connection* is the owner's."""
    creators = await connection.fetch(CREATORS)
    findings = [_may_create(row["schema"], row["role"]) for row in creators]
    strange = await connection.fetch(STRANGE)
    if strange:
        named = ", ".join(f"{row['name']} of {row['role']}" for row in strange)
        if (more := strange[0]["total"] - len(strange)) > 0:
            named = f"{named} and {more} more"
        found = f"Functions or operators of others are in the schema of the tables: {named}."
        remedy = "Find out what they do, and drop them: they can run in BoostMon's statements."
        findings.append(red("database", found, remedy))
    return findings or [green("database", "Nobody else may create in the schema of the tables.")]


def _may_create(schema: str, role: str) -> Finding:
    found = f"{role} may create in the schema {schema}, and so change what statements do there."
    remedy = f"As the owner of the schema: REVOKE CREATE ON SCHEMA {schema} FROM {role}."
    return red("database", found, remedy)

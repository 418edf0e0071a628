"""Makes the two roles and the database of the embedded server."""

import asyncpg

NAME = "boostmon"  # of the database, and of the role that owns it
BOT = "boostmon_bot"

ROLES = """
DO $$ BEGIN
    IF to_regrole('boostmon') IS NULL THEN CREATE ROLE boostmon LOGIN; END IF;
    IF to_regrole('boostmon_bot') IS NULL THEN CREATE ROLE boostmon_bot LOGIN; END IF;
END $$
"""
MADE = "SELECT EXISTS (SELECT FROM pg_database WHERE datname = 'boostmon')"
DATABASE = "CREATE DATABASE boostmon OWNER boostmon"
RIGHTS = """
REVOKE ALL ON DATABASE boostmon FROM PUBLIC;
GRANT CONNECT ON DATABASE boostmon TO boostmon_bot
"""


async def provision(superuser_url: str) -> None:
    """Make what is missing, over a connection as the superuser."""
    connection = await asyncpg.connect(superuser_url)
    try:
        await connection.execute(ROLES)
        if not await connection.fetchval(MADE):
            await connection.execute(DATABASE)
        await connection.execute(RIGHTS)
    finally:
        await connection.close()


async def server_version(url: str, *, patience: float) -> str:
    """Ask the server behind *url* for its version; it has *patience* seconds to connect."""
    connection = await asyncpg.connect(url, timeout=patience)
    try:
        version: str = await connection.fetchval("SHOW server_version")
    finally:
        await connection.close()
    return version.partition(" ")[0]

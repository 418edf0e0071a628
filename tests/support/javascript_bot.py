"""The database of the JavaScript bot, as it made it for itself."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import asyncpg

from boostmon.database.connections.connection import session
from tests.support.databases import Schema, TestServer, schema

TABLE = """
CREATE TABLE role_timers (
    id SERIAL PRIMARY KEY,
    user_id VARCHAR(255) NOT NULL,
    role_id VARCHAR(255) NOT NULL,
    expires_at BIGINT NOT NULL,
    warn_channel_id VARCHAR(255),
    paused BOOLEAN DEFAULT FALSE,
    paused_at BIGINT,
    paused_remaining_ms BIGINT DEFAULT 0,
    warnings_sent JSONB DEFAULT '{}',
    created_at TIMESTAMP DEFAULT CURRENT_TIMESTAMP,
    updated_at TIMESTAMP DEFAULT CURRENT_TIMESTAMP,
    UNIQUE (user_id, role_id)
)
"""


@asynccontextmanager
async def their_database(server: TestServer) -> AsyncIterator[Schema]:
    """Lend a schema with the empty table."""
    async with schema(server) as made:
        async with session(made.owner_url) as connection:
            await connection.execute(TABLE)
        yield made


async def put(connection: asyncpg.Connection, user_id: str, role_id: str, **columns: Any) -> None:
    """Add a row; the columns not given are as the bot leaves them."""
    given = {"user_id": user_id, "role_id": role_id} | columns
    names = ", ".join(given)
    places = ", ".join(f"${number}" for number in range(1, len(given) + 1))
    await connection.execute(
        f"INSERT INTO role_timers ({names}) VALUES ({places})",  # noqa: S608 - names of our own
        *given.values(),
    )

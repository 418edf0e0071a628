"""One view of log and tables, while others go on writing."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import asyncpg
from asyncpg import Connection

from boostmon.errors import DatabaseError


@asynccontextmanager
async def snapshot(connection: Connection) -> AsyncIterator[None]:
    """Let *connection* see what was committed by now and nothing later, without any lock.

    Raise `DatabaseError` when a standby cannot keep what the snapshot sees.
    """
    try:
        async with connection.transaction(isolation="repeatable_read", readonly=True):
            yield
    except asyncpg.SerializationError as error:
        reason = str(error).partition("\n")[0]
        raise DatabaseError(
            f"The standby has ended the reading ({reason}); read from the primary, or set "
            "hot_standby_feedback = on at the standby."
        ) from error

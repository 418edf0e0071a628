"""Reads the log as its view has it, from a position on: for those who follow it."""

import msgspec
from asyncpg import Connection
from msgspec import Struct

from boostmon.events.sql import statement


class LogEntry(Struct, frozen=True, kw_only=True):
    """An event as the log has it; *recorded_at* in epoch milliseconds of the database's clock."""

    position: int
    recorded_at: int
    type: str
    guild_id: str
    user_id: str
    role_id: str
    version: int
    data: msgspec.Raw
    actor_id: str | None
    source: str
    command_id: str


async def entries_after(connection: Connection, position: int, limit: int) -> list[LogEntry]:
    """Return up to *limit* events later than *position*, oldest first."""
    rows = await connection.fetch(statement("entries_after"), position, limit)
    return [LogEntry(**{**row, "data": msgspec.Raw(row["data"].encode())}) for row in rows]

"""Giving a server up that the bot is not in any more: its timers end, and it is owed nothing."""

import asyncio
from collections.abc import Callable, Sequence

from asyncpg import Connection, Record

from boostmon.commands.decider import Clear
from boostmon.commands.handler import CommandHandler, Origin
from boostmon.errors import RejectedError
from boostmon.events.timer import TimerId
from boostmon.projections.sql import statement

AT_ONCE = 64  # as many go into one commit

Progress = Callable[[int, int], None]


async def end_timers(
    connection: Connection,
    handler: CommandHandler,
    guild_id: str,
    *,
    now: int,
    progress: Progress,
) -> int:
    """End every timer of a server at *now* (timer time); return how many there were.

    *progress* is told how many of how many are done. No role is taken: the bot is not there.
    """
    rows = await connection.fetch(statement("timers_of_server"), guild_id)
    ended = 0
    for first in range(0, len(rows), AT_ONCE):
        some: Sequence[Record] = rows[first : first + AT_ONCE]
        ended += sum(await asyncio.gather(*(_end(handler, guild_id, row, now) for row in some)))
        progress(first + len(some), len(rows))
    return ended


async def _end(handler: CommandHandler, guild_id: str, row: Record, now: int) -> bool:
    number, version = row["stream_id"], row["version"]
    origin = Origin(command_id=f"forget:{number}:{version}", source="cli")
    timer = TimerId(guild_id, row["user_id"], row["role_id"])
    try:
        await handler.handle(timer, Clear(now, because="server_given_up"), origin)
    except RejectedError:
        return False  # it has ended meanwhile
    return True

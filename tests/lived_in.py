"""A database to which everything has happened; the release before runs this with its own code."""

import asyncio
import os

from boostmon.commands.decider import AddTime, Clear, Pause, RemoveTime, Resume, SetTime, Sweep
from boostmon.commands.handler import Origin
from boostmon.database.connections.pool import Database, connect
from boostmon.events.timer import HOUR, TimerId
from tests.timers import CHANNEL, M, fresh_timer, handler_over, slash

NOW = 1_700_000_000_000


async def lived_in(database: Database) -> list[TimerId]:
    """Have timers to which everything happened."""
    handler, timers = handler_over(database), [fresh_timer() for _ in range(5)]
    sweep = Origin(command_id="sweep", source="sweeper")
    for timer in timers:
        await handler.handle(timer, SetTime(NOW, 2 * HOUR, M, CHANNEL), slash())
    await handler.handle(timers[0], AddTime(NOW, HOUR, M), slash())
    await handler.handle(timers[1], Pause(NOW + HOUR), slash())
    await handler.handle(timers[2], Clear(NOW + HOUR), slash())
    await handler.handle(timers[3], Sweep(NOW + 2 * HOUR), sweep)
    await handler.handle(timers[4], Pause(NOW + HOUR), slash())
    await handler.handle(timers[4], Resume(NOW + 2 * HOUR, M), slash())
    await handler.handle(timers[4], RemoveTime(NOW + 2 * HOUR, 2 * HOUR, M), slash())
    return timers


async def main() -> None:
    """Live in the database that the environment names."""
    async with await connect(os.environ["DATABASE_URL"]) as database:
        await lived_in(database)


if __name__ == "__main__":
    asyncio.run(main())

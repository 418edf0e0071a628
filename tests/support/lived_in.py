"""A database to which everything has happened; the release before runs this with its own code."""

import asyncio
import os
from contextlib import suppress
from importlib import import_module
from typing import Any

from boostmon.commands.decider import AddTime, Clear, Pause, RemoveTime, Resume, SetTime, Sweep
from boostmon.commands.handler import Origin
from boostmon.events.timer import HOUR, TimerId


def _first_of(*names: str) -> Any:
    """Import the first of modules that is there: the release before has them elsewhere."""
    for name in names:
        with suppress(ModuleNotFoundError):
            return import_module(name)
    raise ModuleNotFoundError(names)


NOW = 1_700_000_000_000
POOL = _first_of("boostmon.database.connections.pool", "boostmon.database.pool")
TIMERS = _first_of("tests.support.timers", "tests.timers")


async def lived_in(database: Any) -> list[TimerId]:
    """Have timers to which everything happened."""
    slash, handler = TIMERS.slash, TIMERS.handler_over(database)
    timers = [TIMERS.fresh_timer() for _ in range(5)]
    sweep = Origin(command_id="sweep", source="sweeper")
    for timer in timers:
        await handler.handle(timer, SetTime(NOW, 2 * HOUR, TIMERS.M, TIMERS.CHANNEL), slash())
    await handler.handle(timers[0], AddTime(NOW, HOUR, TIMERS.M), slash())
    await handler.handle(timers[1], Pause(NOW + HOUR), slash())
    await handler.handle(timers[2], Clear(NOW + HOUR), slash())
    await handler.handle(timers[3], Sweep(NOW + 2 * HOUR), sweep)
    await handler.handle(timers[4], Pause(NOW + HOUR), slash())
    await handler.handle(timers[4], Resume(NOW + 2 * HOUR, TIMERS.M), slash())
    await handler.handle(timers[4], RemoveTime(NOW + 2 * HOUR, 2 * HOUR, TIMERS.M), slash())
    return timers


async def main() -> None:
    """Live in the database that the environment names."""
    async with await POOL.connect(os.environ["DATABASE_URL"]) as database:
        await lived_in(database)


if __name__ == "__main__":
    asyncio.run(main())

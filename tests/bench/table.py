"""What the JavaScript bot did with its table, done with the log: beside its own statements."""

import time
from collections.abc import Awaitable, Callable

from asyncpg import Connection

from boostmon.commands.decider import AddTime, Clear, SetTime, TimerCommand
from boostmon.commands.handler import CommandHandler, Origin
from boostmon.commands.sweeper import Sweeper
from boostmon.database.clocks.clock import DatabaseClock
from boostmon.database.connections.connection import session
from boostmon.database.connections.pool import Database, connect
from boostmon.events.store import EventStore
from boostmon.events.timer import HOUR, TimerId
from boostmon.projections.role_timers import RoleTimers
from tests.bench.append import SETTLE, Rate
from tests.bench.generator import BEGIN, THRESHOLDS
from tests.bench.runner import Place, Row

TIMERS = 1_000
ROUNDS = 3
GUILD, ROLE, ACTOR = "1100000000000000001", "1400000000000000001", "1500000000000000001"
# The statements of the JavaScript bot, on a table like its own.
TABLE = "CREATE TABLE seed_timers (LIKE role_timers INCLUDING ALL)"
GET = "SELECT * FROM seed_timers WHERE user_id = $1 AND role_id = $2"
SET = """
INSERT INTO seed_timers (user_id, role_id, expires_at, guild_id, version)
VALUES ($1, $2, $3, '1', 1)
ON CONFLICT (user_id, role_id) DO UPDATE SET expires_at = excluded.expires_at
"""
UPDATE = "UPDATE seed_timers SET expires_at = $3 WHERE user_id = $1 AND role_id = $2"
DELETE = "DELETE FROM seed_timers WHERE user_id = $1 AND role_id = $2"
GET_ALL = "SELECT * FROM {}"
CLEANUP = "DELETE FROM seed_timers WHERE expires_at <= $1"

Work = Callable[[], Awaitable[object]]


class Ours:
    """The operations as the bot does them, one after the other."""

    def __init__(self, database: Database) -> None:
        store = EventStore(database)
        self._handler, self._timers = CommandHandler(store), RoleTimers(database)
        self._database, self._number = database, 0
        self._sweeper = Sweeper(
            store=store, timers=self._timers, clock=DatabaseClock(), interval=30.0
        )

    async def get(self) -> None:
        """Read the timers of each member."""
        for user in users():
            assert await self._timers.of_member(GUILD, user)

    async def set(self) -> None:
        """Start a timer for each."""
        await self._each(SetTime(BEGIN, HOUR, THRESHOLDS))

    async def update(self) -> None:
        """Extend each."""
        await self._each(AddTime(BEGIN, HOUR, THRESHOLDS))

    async def delete(self) -> None:
        """Clear each."""
        await self._each(Clear(BEGIN))

    async def get_all(self) -> None:
        """Read the whole table."""
        await self._database.run(lambda c: c.fetch(GET_ALL.format("role_timers")))

    async def cleanup(self) -> None:
        """End all at once."""
        swept = await self._sweeper.sweep(BEGIN + 10 * HOUR)
        assert swept.answered == TIMERS, swept

    async def _each(self, command: TimerCommand) -> None:
        for user in users():
            self._number += 1
            origin = Origin(command_id=f"bench:{self._number}", source="slash", actor_id=ACTOR)
            await self._handler.handle(TimerId(GUILD, user, ROLE), command, origin)


class Theirs:
    """The same with the statements of the JavaScript bot, without a log."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def get(self) -> None:
        """Read each timer."""
        for user in users():
            assert await self._connection.fetch(GET, user, ROLE)

    async def set(self) -> None:
        """Write each timer."""
        for user in users():
            await self._connection.execute(SET, user, ROLE, BEGIN + HOUR)

    async def update(self) -> None:
        """Write another end of each."""
        for user in users():
            await self._connection.execute(UPDATE, user, ROLE, BEGIN + 2 * HOUR)

    async def delete(self) -> None:
        """Delete each."""
        for user in users():
            await self._connection.execute(DELETE, user, ROLE)

    async def get_all(self) -> None:
        """Read the whole table."""
        await self._connection.fetch(GET_ALL.format("seed_timers"))

    async def cleanup(self) -> None:
        """Delete all at once."""
        await self._connection.execute(CLEANUP, BEGIN + 10 * HOUR)


def users() -> list[str]:
    """Name the members."""
    return [str(1_200_000_000_000_000_000 + number) for number in range(TIMERS)]


async def measure(place: Place) -> list[Row]:
    """Do what the JavaScript bot does to 1,000 timers, in turns with its own statements."""
    taken: dict[str, tuple[Rate, Rate]] = {}
    async with (
        place.tables() as tables,
        session(tables.owner_url) as owner,
        await connect(tables.bot_url) as database,
    ):
        await owner.execute(TABLE)
        ours, theirs = Ours(database), Theirs(owner)
        for _ in range(ROUNDS):
            for name in ("set", "get", "get_all", "update", "delete", "set", "cleanup"):
                rates = taken.setdefault(name, (Rate(), Rate()))
                for rate, doer in zip(rates, (ours, theirs), strict=True):
                    rate.add(TIMERS, await _elapsed(getattr(doer, name)))
                await owner.execute(SETTLE)
    return [_row(name, *rates) for name, rates in taken.items()]


async def _elapsed(work: Work) -> float:
    started = time.perf_counter()
    await work()
    return time.perf_counter() - started


def _row(name: str, ours: Rate, theirs: Rate) -> Row:
    at_once = name in ("get_all", "cleanup")
    return Row(
        name=f"{name.replace('_', ' ')}, {TIMERS:,} timers{' at once' if at_once else ''}",
        figure=ours.per_second,
        unit="timers/s",
        limit=theirs.per_second,
        beside="the JavaScript bot's statement alone",
    )

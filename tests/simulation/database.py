"""A database server in memory, and a process's way to it: late, lost, silent or away."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from random import Random
from typing import Any, TypeVar

from boostmon.database.connections.attempt import Attempts
from boostmon.errors import DatabaseUnavailableError
from tests.simulation.tables import Tables
from tests.simulation.timeline import EPOCH, Timeline
from tests.simulation.twins import Twin, reads, twins

Result = TypeVar("Result")
Reply = asyncio.Future[list[dict[str, Any]]]
QUICKEST, SLOWEST = 0.0005, 0.004  # seconds that a statement takes
COMMAND_TIMEOUT = 10.0  # seconds; BOOSTMON_COMMAND_TIMEOUT


class LostError(Exception):
    """The connection was lost; nobody knows whether the statement was carried out."""


class Mood:
    """How the server and the way to it are at the moment."""

    def __init__(self) -> None:
        self.away_until = 0.0  # it refuses connections
        self.silent_until = 0.0  # it takes statements and does them when it is over
        self.losing: Random | None = None  # connections break, before or after the work
        self.slow: Random | None = None
        self.counts: dict[str, int] = {}

    def count(self, what: str) -> None:
        """Count a fault that has happened."""
        self.counts[what] = self.counts.get(what, 0) + 1


class Server:
    """The one server, with its own clock."""

    def __init__(self, timeline: Timeline, random: Random) -> None:
        self.timeline = timeline
        self.mood = Mood()
        self.ahead = 0.0  # by how many seconds its clock is wrong
        self.tables = Tables(self.clock, lambda: timeline.now)
        self.twins, self.reads = twins(), reads()
        self.asked = 0
        self._random = random.random

    def clock(self) -> float:
        """Tell the time of the server's machine."""
        return EPOCH + self.timeline.now + self.ahead

    def ask(self, query: str, arguments: tuple[object, ...], reply: Reply) -> None:
        """Carry a statement out after a while, and *reply*."""
        self.asked += 1
        mood, now = self.mood, self.timeline.now
        work = partial(self._do, self.twins[query], arguments, now)
        seconds = QUICKEST + self._random() * (SLOWEST - QUICKEST)
        if mood.away_until > now:
            self.timeline.after(seconds, lambda: _fail(reply))
        elif mood.silent_until > now:
            self.timeline.after(mood.silent_until - now, lambda: work(reply))
            self.timeline.after(COMMAND_TIMEOUT, lambda: _fail(reply))
        elif mood.losing is not None and mood.losing.random() < 0.3:
            mood.count("statement lost")
            if mood.losing.random() < 0.5:
                self.timeline.after(seconds, lambda: work(None))
            self.timeline.after(2 * seconds, lambda: _fail(reply))
        elif mood.slow is None:
            self.timeline.after(seconds, partial(work, reply))
        else:
            mood.count("statement slow")
            late = mood.slow.random() ** 3 * 8
            self.timeline.after(late, lambda: work(reply, late=late / 4))

    def _do(
        self,
        twin: Twin,
        arguments: tuple[object, ...],
        sent_at: float,
        reply: Reply | None,
        *,
        late: float = 0.0,
    ) -> None:
        """Carry a statement out that was *sent_at* some time; *reply* to it, if anybody hears."""
        self.tables.sent_at = sent_at
        rows = twin(self.tables, *arguments)
        if reply is None:
            return
        if late:
            self.timeline.after(late, lambda: _answer(reply, rows))
        else:
            _answer(reply, rows)


def _answer(reply: Reply, rows: list[dict[str, Any]]) -> None:
    if not reply.done():
        reply.set_result(rows)


def _fail(reply: Reply) -> None:
    if not reply.done():
        reply.set_exception(LostError())


class Connection:
    """As much of asyncpg's connection as the bot's statements need."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self.once_writing: Callable[[], None] | None = None

    def fetch(self, query: str, *arguments: object) -> Reply:
        """Return the rows of a statement, when they are there."""
        reply: Reply = asyncio.Future()
        self._server.ask(query, arguments, reply)
        if self.once_writing is not None and query not in self._server.reads:
            act, self.once_writing = self.once_writing, None
            act()
        return reply

    async def fetchrow(self, query: str, *arguments: object) -> dict[str, Any] | None:
        """Return the first row."""
        rows = await self.fetch(query, *arguments)
        return rows[0] if rows else None

    async def fetchval(self, query: str, *arguments: object) -> Any:
        """Return the first column of the first row."""
        rows = await self.fetch(query, *arguments)
        return next(iter(rows[0].values())) if rows else None

    async def execute(self, query: str, *arguments: object) -> None:
        """Carry a statement out."""
        await self.fetch(query, *arguments)


class MemoryDatabase:
    """What `boostmon.database.connections.pool.Database` is to the bot."""

    def __init__(self, server: Server) -> None:
        self._connection = Connection(server)
        self.closed = False
        self.repeats = 0

    def once_writing(self, act: Callable[[], None]) -> None:
        """Have *act* done as soon as the next statement that changes something is on its way."""
        self._connection.once_writing = act

    async def run(
        self,
        operation: Callable[[Any], Awaitable[Result]],
        *,
        deadline: float | None = None,
    ) -> Result:
        """Do *operation*, again and again until the database answers."""
        if deadline is None:
            return await self._persist(operation)
        try:
            async with asyncio.timeout(deadline):
                return await self._persist(operation)
        except TimeoutError as error:
            raise DatabaseUnavailableError from error

    async def fetch(self, query: str, *arguments: object) -> list[Any]:
        """Return the rows of one statement."""
        return await self._persist(lambda connection: connection.fetch(query, *arguments))

    async def ask(self, question: Callable[[], tuple[str, Sequence[object]]]) -> list[Any]:
        """Return the rows of one statement, which is made anew for each attempt."""

        async def operation(connection: Connection) -> list[Any]:
            query, arguments = question()
            return await connection.fetch(query, *arguments)

        return await self._persist(operation)

    async def _persist(self, operation: Callable[[Any], Awaitable[Result]]) -> Result:
        attempts: Attempts | None = None
        while True:
            if self.closed:
                raise DatabaseUnavailableError
            try:
                return await operation(self._connection)
            except LostError:
                self.repeats += 1
                attempts = attempts or Attempts()
                await asyncio.sleep(attempts.pause())

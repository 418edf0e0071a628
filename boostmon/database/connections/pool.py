"""The bot's connections to PostgreSQL, and how work outlives the loss of one."""

import asyncio
import logging
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any, Self

import asyncpg
import structlog
from asyncpg import Connection, Record

from boostmon import machine
from boostmon.config import PoolConfig, masked
from boostmon.database.connections.attempt import (
    PATIENCE,
    Attempts,
    Operation,
    Result,
    Way,
    carry_out,
    confirmed,
    directly,
    is_gone,
)
from boostmon.database.connections.causes import NAMED
from boostmon.database.connections.connection import LOST, PAUSE, Connector
from boostmon.database.connections.load import Load, load_of
from boostmon.errors import DatabaseError, DatabaseUnavailableError

FAREWELL = 1.0
DEFAULT_POOL = PoolConfig()
Question = Callable[[], tuple[str, Sequence[object]]]

log = structlog.get_logger()


class Database:
    """A pool of connections that comes back by itself when the server does."""

    def __init__(self, pool: asyncpg.Pool, connector: Connector) -> None:
        self._pool = pool
        self._connector = connector
        self._lost_since: float | None = None
        self._refusal = ""
        self._told: type[BaseException] | None = None  # what for, since it was lost
        self._closed = False
        self._spare: Any = None  # used last, and kept: the pool's own ways take as long as the work
        self._waiting = 0
        self._losses = 0
        self.repeats = 0

    @property
    def load(self) -> Load:
        """How many connections are in use."""
        return load_of(self._pool, spare=self._spare is not None, waiting=self._waiting)

    @property
    def answers(self) -> bool:
        """Whether the last thing asked of the database was answered."""
        return self._lost_since is None

    async def run(self, operation: Operation[Result], *, deadline: float | None = None) -> Result:
        """Do *operation* on a connection, again and again until the database answers.

        It is repeated whenever the connection is lost, even while a commit is on its way, so it
        must be idempotent and do nothing but talk to the database. After *deadline* seconds
        DatabaseUnavailableError is raised: then nobody knows whether it took effect.

        What a repetition finds done may be the work of an attempt that was cut off on its way to
        the synchronous standby, so the result then waits until the standby has it.
        """
        return await self._persist(operation, carry_out, deadline)

    async def fetch(self, query: str, *arguments: object) -> list[Record]:
        """Return the rows of one statement; it is repeated as an operation of `run` is."""
        return await self.ask(lambda: (query, arguments))

    async def ask(self, question: Question) -> list[Record]:
        """Return the rows of one statement, which *question* makes anew for each attempt.

        No transaction is around it, so asyncpg itself can leave it at once: it needs no task.
        """

        async def operation(connection: Connection) -> list[Record]:
            query, arguments = question()
            return list(await connection.fetch(query, *arguments))

        return await self._persist(operation, directly, None)

    async def _persist(
        self, operation: Operation[Result], way: Way[Result], deadline: float | None
    ) -> Result:
        attempts = Attempts()
        try:
            async with asyncio.timeout(deadline) as limit:
                while True:
                    try:
                        result = await self._attempt(
                            operation if attempts.last is None else confirmed(operation), way
                        )
                    except _ConnectionLostError as error:
                        await self._note_loss(error, attempts)
                        await asyncio.sleep(attempts.pause())
                    else:
                        self._note_success()
                        return result
        except TimeoutError as error:
            if not limit.expired():
                raise
            raise self._connector.unavailable(attempts.last or error) from error

    async def close(self) -> None:
        """Give every connection back, by force after a few seconds."""
        self._closed = True
        try:
            async with asyncio.timeout(FAREWELL):
                await self._give_back_spare()
                await self._pool.close()
        except LOST as error:
            log.warning("database connections cut off", error=repr(error))
            self._pool.terminate()
        except asyncio.CancelledError:
            self._pool.terminate()
            raise

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def _attempt(self, operation: Operation[Result], way: Way[Result]) -> Result:
        connection, losses, is_spare = await self._acquire(), self._losses, False
        try:
            result = await way(operation, connection)
            is_spare = losses == self._losses and self._may_keep_spare
        except TimeoutError as error:
            # The release below cancels the statement: terminating at once would leave it waiting
            # for its lock on the server, and the next attempt behind it.
            raise _ConnectionLostError from error
        except LOST as error:
            if isinstance(error, asyncpg.InterfaceError) and not is_gone(connection):
                raise  # a mistake in the call: another connection would not mend it
            if not is_gone(connection):
                connection.terminate()
            raise _ConnectionLostError from error
        else:
            return result
        finally:
            if is_spare:
                self._spare = connection
            else:
                await self._release(connection)

    async def _acquire(self) -> Any:
        if self._closed:
            raise DatabaseUnavailableError("The database connections are closed.")
        if self._spare is not None and not is_gone(self._spare):
            spare, self._spare = self._spare, None
            return spare
        try:
            await self._give_back_spare()
            self._waiting += 1
            try:
                return await self._pool.acquire()
            finally:
                self._waiting -= 1
        except LOST as error:
            if self._closed:
                raise DatabaseUnavailableError("The database connections are closed.") from error
            raise _ConnectionLostError from error
        except DatabaseError as error:  # it has let us in before, and its people can mend it
            if self._refusal != str(error):
                self._refusal = str(error)
                log.error("database refuses", reason=self._refusal)
            raise _ConnectionLostError from error

    async def _release(self, connection: Any) -> None:
        # A task of its own: asyncpg goes on with it when we are cancelled, and nobody would then
        # take note of how it ended.
        releasing = asyncio.ensure_future(self._pool.release(connection, timeout=PATIENCE))
        releasing.add_done_callback(lambda done: done.cancelled() or done.exception())
        try:
            await asyncio.shield(releasing)
        except LOST as error:  # the pool has thrown the connection away, which is enough
            log.debug("database connection dropped", error=repr(error))

    @property
    def _may_keep_spare(self) -> bool:
        return self._spare is None and not self._waiting and not self._closed

    async def _give_back_spare(self) -> None:
        spare, self._spare = self._spare, None
        if spare is not None:
            await self._release(spare)

    async def _note_loss(self, loss: Exception, attempts: "Attempts") -> None:
        attempts.last = loss.__cause__
        self.repeats += 1
        is_news, is_silent = self._lost_since is None, isinstance(loss.__cause__, TimeoutError)
        if is_news:
            self._lost_since = machine.monotonic()
        self._tell(loss.__cause__, is_news=is_news)
        if is_silent:
            self._connector.doubt()
        if is_news or is_silent:
            self._losses += 1
            await self._give_back_spare()
            await self._pool.expire_connections()  # the idle ones lead to the same server

    def _tell(self, cause: BaseException | None, *, is_news: bool) -> None:
        """Log why the database is away: at first, and when somebody can mend what it is by now."""
        if cause is None or not (is_news or isinstance(cause, NAMED)) or type(cause) is self._told:
            return
        self._told = type(cause)
        reason = cause if isinstance(cause, DatabaseError) else self._connector.unavailable(cause)
        log.warning("database lost", error=repr(cause), reason=str(reason))

    def _note_success(self) -> None:
        if self._lost_since is not None:
            seconds = round(machine.monotonic() - self._lost_since, 1)
            self._lost_since, self._refusal, self._told = None, "", None
            log.info("database back", after_seconds=seconds)


async def connect(
    url: str,
    *,
    pool: PoolConfig = DEFAULT_POOL,
    statement_cache: bool = True,
    wait: float = 0.0,
    variable: str = "DATABASE_URL",
) -> Database:
    """Open a pool to *url*, asking again for *wait* seconds while the server does not answer.

    Without *statement_cache* the way may lead through PgBouncer.
    """
    logging.getLogger("asyncpg.pool").addFilter(_is_news)
    options: dict[str, Any] = {} if statement_cache else {"statement_cache_size": 0}
    connector = Connector(
        url,
        variable=variable,
        command_timeout=pool.boostmon_command_timeout,
        server_settings={"application_name": "boostmon"},
        may_be_pooler=not statement_cache,
        is_bots=True,
        **options,
    )
    end = machine.monotonic() + wait
    while True:
        try:
            connections = await asyncpg.create_pool(
                min_size=pool.boostmon_pool_min,
                max_size=pool.boostmon_pool_max,
                connect=lambda *_, **options: connector.open(**options),
                connection_class=_Connection,
                reset=_keep,
            )
        except LOST as error:
            if machine.monotonic() + PAUSE > end:
                raise connector.unavailable(error) from error
            await asyncio.sleep(PAUSE)
        else:
            log.debug("database connected", url=masked(url))
            return Database(connections, connector)


class _ConnectionLostError(Exception):
    """The cause is what asyncpg said."""


class _Connection(Connection):  # type: ignore[misc] # asyncpg ships no types
    async def close(self, *, timeout: float | None = None) -> None:  # noqa: ASYNC109 - as asyncpg has it
        """Hang up; the pool leaves its expired connections alone with what that raises."""
        with suppress(*LOST):
            await super().close(timeout=timeout)


async def _keep(_: Connection) -> None:
    """Leave a released connection as it is.

    No session state is ever set on it, and asyncpg's own reset would cost a round trip a command.
    """


def _is_news(record: logging.LogRecord) -> bool:
    # `run` reports the loss once; the pool would add a traceback at every attempt.
    return "connection floor" not in record.getMessage()

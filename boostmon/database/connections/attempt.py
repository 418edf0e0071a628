"""Carries out one operation on a connection, can leave it behind, and paces the next attempt."""

import asyncio
import random
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any, TypeVar

import asyncpg
import structlog
from asyncpg import Connection

from boostmon.database.connections.connection import PAUSE, UNTOLD

Result = TypeVar("Result")
Operation = Callable[[Connection], Awaitable[Result]]
Way = Callable[[Operation[Result], Any], Awaitable[Result]]

PATIENCE = 1.0  # seconds that a server has to take note of a cancelled statement
INSISTENCE = 5
SLOWEST = 2.0  # seconds between two attempts, at most
# An empty record in the server's journal. It is answered when all that was committed before it has
# reached the synchronous standby, if there is one.
CONFIRM = "SELECT pg_logical_emit_message(true, 'boostmon', '')"

log = structlog.get_logger()


async def carry_out(operation: Operation[Result], connection: Any) -> Result:
    """Do *operation* on *connection*; raise ConnectionResetError when it hangs on a dead one.

    Within a transaction asyncpg answers a cancellation with ROLLBACK, which waits for a server
    that fell silent, at times for ever, and turns the CancelledError into another error. So the
    operation is a task of its own, which is given up when the caller or the connection is gone.
    """
    work = asyncio.ensure_future(operation(connection))
    either = asyncio.get_running_loop().create_future()

    def on_either(_: object) -> None:
        if not either.done():
            either.set_result(None)

    work.add_done_callback(on_either)
    connection.add_termination_listener(on_either)
    try:
        await either
        if not work.done():
            await asyncio.wait([work], timeout=PATIENCE)
        if not work.done():
            raise ConnectionResetError("the connection was cut off")
        return work.result()
    finally:
        await _give_up(work, connection)
        if not is_gone(connection):
            connection.remove_termination_listener(on_either)


async def directly(operation: Operation[Result], connection: Any) -> Result:
    """Do *operation*, no statement of which is in a transaction: asyncpg leaves those at once."""
    return await operation(connection)


def confirmed(operation: Operation[Result]) -> Operation[Result]:
    """Return *operation* with a wait for the synchronous standby behind it."""

    async def and_wait(connection: Connection) -> Result:
        result = await operation(connection)
        with suppress(*UNTOLD):
            await connection.execute(CONFIRM)
        return result

    return and_wait


class Attempts:
    """Waits longer from attempt to attempt, never in step with others; *last* is why one failed."""

    def __init__(self) -> None:
        self.last: BaseException | None = None
        self._ceiling = PAUSE / 2

    def pause(self) -> float:
        """Seconds to wait before the next attempt."""
        self._ceiling = min(self._ceiling * 2, SLOWEST)
        return random.uniform(self._ceiling / 2, self._ceiling)  # noqa: S311 - jitter, no secret


def is_gone(connection: Any) -> bool:
    """Tell whether *connection* is of no use any more."""
    try:
        return bool(connection.is_closed())
    except asyncpg.InterfaceError:  # the pool has already taken it back
        return True


async def _give_up(work: asyncio.Future[Result], connection: Any) -> None:
    for _ in range(INSISTENCE):
        if work.done():
            break
        work.cancel()
        await asyncio.wait([work], timeout=PATIENCE)
        if not work.done() and not is_gone(connection):
            connection.terminate()
    if not work.done():
        log.error("an operation on the database cannot be stopped", operation=repr(work))
    elif not work.cancelled():
        work.exception()  # whoever gave up has an error of its own

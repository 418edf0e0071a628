"""Carries out one operation on a connection, and can leave it behind."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

import asyncpg
import structlog
from asyncpg import Connection

Result = TypeVar("Result")
Operation = Callable[[Connection], Awaitable[Result]]

PATIENCE = 1.0  # seconds that a server has to take note of a cancelled statement
INSISTENCE = 5

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

"""Hints from PostgreSQL's NOTIFY, over a connection of its own."""

import asyncio
from collections.abc import Callable, Sequence

import structlog
from asyncpg import Connection

from boostmon.database.connections.connection import LOST, PAUSE, REFUSED, Connector

HEARTBEAT = 15.0  # seconds; a silent connection may be a dead one
ANSWER = 5.0

Hint = Callable[[str, str], None]

log = structlog.get_logger()


async def listen(url: str, channels: Sequence[str], on_hint: Hint) -> None:
    """Call *on_hint* with channel and payload at every NOTIFY on *channels*, until cancelled.

    After each time that the connection is made, the first included, it is called once a channel
    with an empty payload: a hint may have been missed. *url* must be a direct connection.
    """
    settings = {"application_name": "boostmon listener"}
    connector = Connector(
        url,
        variable="BOOSTMON_OWNER_DATABASE_URL",
        command_timeout=ANSWER,
        server_settings=settings,
    )
    while True:
        try:
            connection = await connector.open()
        except REFUSED as error:
            log.debug("listener not connected", error=repr(error))
            await asyncio.sleep(PAUSE)
            continue
        try:
            await _attend(connection, channels, on_hint, connector)
        except LOST as error:
            log.warning("listener lost its connection", error=repr(error))
        finally:
            connection.terminate()


async def _attend(
    connection: Connection, channels: Sequence[str], on_hint: Hint, connector: Connector
) -> None:
    ended = asyncio.Event()
    connection.add_termination_listener(lambda _: ended.set())
    for channel in channels:
        await connection.add_listener(channel, lambda _, __, name, payload: on_hint(name, payload))
    for channel in channels:
        on_hint(channel, "")
    while not ended.is_set():
        try:
            async with asyncio.timeout(HEARTBEAT):
                await ended.wait()
        except TimeoutError:
            await connection.execute("SELECT 1")
            if await connector.is_outdated():
                raise ConnectionResetError("a standby has taken over") from None
    raise ConnectionResetError("the server closed the connection")

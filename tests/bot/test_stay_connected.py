"""How the connection to Discord is ended."""

import asyncio
from types import SimpleNamespace
from typing import Any

from disnake.gateway import KeepAliveHandler

from boostmon.bot.connection.client import silence, stay_connected

# What disnake's thread asks of its socket before the first heartbeat.
WAITS = {"_max_heartbeat_timeout": 60.0}


class Connecting:
    """Connects as disnake does, in asyncio.wait_for, and then stays connected."""

    def __init__(self) -> None:
        self.welcome: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    async def connect(self) -> None:
        await asyncio.wait_for(self.welcome, 60)
        await asyncio.Event().wait()


async def test_a_stop_that_comes_together_with_the_connection_counts() -> None:
    bot: Any = Connecting()
    staying = asyncio.create_task(stay_connected(bot))
    await asyncio.sleep(0.01)  # until it waits

    bot.welcome.set_result(None)
    staying.cancel()

    await asyncio.wait({staying}, timeout=10)
    assert staying.cancelled()


def test_a_bot_that_leaves_in_a_hurry_ends_its_own_heartbeat_and_no_others() -> None:
    mine, others = (SimpleNamespace(_connection=object(), thread_id=0, **WAITS) for _ in range(2))
    sockets: Any = (mine, others)
    ours, theirs = (KeepAliveHandler(ws=each, interval=60.0, shard_id=None) for each in sockets)
    bot: Any = mine
    ours.start()
    theirs.start()
    try:
        silence(bot)

        ours.join(timeout=5)
        assert (False, True) == (ours.is_alive(), theirs.is_alive())
    finally:
        theirs.stop()

"""How the connection to Discord is ended."""

import asyncio
from typing import Any

from boostmon.bot.client import stay_connected


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

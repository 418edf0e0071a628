"""Attendance: notes which servers the bot is in, so that what is owed elsewhere can rest."""

import asyncio
from collections.abc import Awaitable, Callable, Collection
from contextlib import suppress
from typing import Protocol

import structlog

from boostmon.errors import BoostmonError
from boostmon.projections.effects.departures import Departures

EVERY = 3600.0  # seconds
PAUSE = 1.0  # seconds between two questions: a bot may have left thousands of servers
LOOK = 5.0  # seconds; until this process speaks to Discord and knows its servers

log = structlog.get_logger()


class Speaker(Protocol):
    """The relay, as far as it tells who speaks."""

    @property
    def leads(self) -> bool:
        """Whether this process speaks to Discord."""


class Attendance:
    """Compares the servers that the bot is in with those of the log, at times and when asked."""

    def __init__(
        self,
        departures: Departures,
        relay: Speaker,
        *,
        servers: Callable[[], Collection[str] | None],
        ask: Callable[[str], Awaitable[bool | None]],
        returned: Callable[[str], Awaitable[None]],
    ) -> None:
        """Ask *servers* where the bot is (None: not known yet); tell *returned* of each return.

        What the gateway does not tell of is no proof: *ask* asks Discord (None: it does not tell).
        """
        self._departures = departures
        self._relay = relay
        self._servers = servers
        self._ask = ask
        self._returned = returned
        self._woken = asyncio.Event()

    def changed(self) -> None:
        """Compare soon: the bot has joined or left a server."""
        self._woken.set()

    async def joined(self, guild_id: str) -> None:
        """Note that the bot is in a server, before anything is done there."""
        await self._departures.present([guild_id])

    async def run(self) -> None:
        """Compare every hour and whenever something changed, until cancelled."""
        while True:
            self._woken.clear()
            wait = EVERY
            try:
                if not await self.compare():
                    wait = LOOK
            except BoostmonError as error:
                log.error("servers not compared", reason=str(error))
                wait = LOOK
            except Exception:  # a part that falls silent would be found by its users
                log.exception("servers not compared")
            with suppress(TimeoutError):
                async with asyncio.timeout(wait):
                    await self._woken.wait()

    async def compare(self) -> bool:
        """Note which servers the bot has left, and which it is back in; False: too early."""
        here = self._servers()
        if here is None or not self._relay.leads:
            return False
        await self._present(here)
        for guild_id in sorted(await self._departures.in_use() - set(here)):
            is_there = await self._ask(guild_id)
            if is_there:
                await self._present([guild_id])
            elif is_there is not None:
                await self._departures.left([guild_id])
            await asyncio.sleep(PAUSE)
        return True

    async def _present(self, guild_ids: Collection[str]) -> None:
        for guild_id in sorted(await self._departures.present(guild_ids)):
            log.info("back in a server", server=guild_id)
            await self._returned(guild_id)

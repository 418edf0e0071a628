"""Presence: whether the bot is in servers of which the gateway has not told, as Discord says."""

import asyncio
from typing import Any, Protocol

import structlog

from boostmon import machine
from boostmon.bot.discord.refusals import MISSING_ACCESS, UNKNOWN_GUILD
from boostmon.bot.discord.rest import RefusedError, UnansweredError

SOON, AGAIN_AFTER = 5.0, 600.0  # seconds; that the bot is absent is doubted at first
PAUSE = 1.0  # seconds between two questions: a bot may have left thousands of servers
PATIENCE = 5.0  # seconds for an answer
ABSENT = (UNKNOWN_GUILD, MISSING_ACCESS)

log = structlog.get_logger()


class Api(Protocol):
    """What of Discord's REST is read."""

    async def server(self, guild_id: str) -> dict[str, Any]:
        """Return a server with its roles."""
        ...


class Presence:
    """Tells what is known, and asks for what is not known or was asked for long ago."""

    def __init__(self, api: Api) -> None:
        self._api = api
        self._there: set[str] = set()
        self._asked: dict[str, float] = {}
        self._pauses: dict[str, float] = {}
        self._wanted: dict[str, None] = {}
        self._woken = asyncio.Event()

    def is_there(self, guild_id: str) -> bool:
        """Tell whether Discord has said that the bot is in a server; soon it is asked."""
        asked = self._asked.get(guild_id, float("-inf"))
        if machine.monotonic() - asked > self._pauses.get(guild_id, AGAIN_AFTER):
            self._wanted[guild_id] = None
            self._woken.set()
        return guild_id in self._there

    async def run(self) -> None:
        """Ask until cancelled."""
        while True:
            await self._woken.wait()
            self._woken.clear()
            while self._wanted:
                await self.ask(next(iter(self._wanted)))
                await asyncio.sleep(PAUSE)

    async def ask(self, guild_id: str) -> bool | None:
        """Ask once whether the bot is in a server; None: Discord does not tell."""
        self._wanted.pop(guild_id, None)
        told: bool | None = None
        try:
            async with asyncio.timeout(PATIENCE):
                await self._api.server(guild_id)
        except RefusedError as error:
            if error.code in ABSENT:
                self._there.discard(guild_id)
                self._pauses[guild_id] = min(2 * self._pauses.get(guild_id, SOON / 2), AGAIN_AFTER)
                told = False
        except (UnansweredError, TimeoutError) as error:
            log.info("a server was asked for in vain", server=guild_id, reason=str(error))
        else:
            self._there.add(guild_id)
            self._pauses.pop(guild_id, None)
            told = True
        self._asked[guild_id] = machine.monotonic()
        return told

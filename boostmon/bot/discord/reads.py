"""Reads Discord's REST without connecting to it: each question is asked once, and soon given up."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from http import HTTPStatus
from typing import Any

import aiohttp
from disnake.http import HTTPClient

from boostmon import machine
from boostmon.bot.discord.answer_dates import second_of
from boostmon.bot.discord.proxy import by_way_of, options_for
from boostmon.bot.discord.rest import RefusedError, UnansweredError, body_of
from boostmon.config import DiscordConfig
from boostmon.database.clocks.witnesses import Heard

PATIENCE = 5.0  # seconds for one answer
LONGEST_PAUSE = 2.0  # seconds that a limit may ask for


class DiscordReads:
    """Asks as the bot of a token; disnake's own retries would hide what Discord answers."""

    def __init__(self, discord: DiscordConfig, session: aiohttp.ClientSession) -> None:
        """Take a *session* that `discord_reads` has opened."""
        self._base = discord.boostmon_discord_api
        self._session = session
        self._heard = Heard()

    @property
    def ahead(self) -> float | None:
        """By how many seconds Discord's clock is ahead of this machine's, by the answers so far."""
        offset = self._heard.offset
        return None if offset is None else offset / 1000 - (machine.wall() - machine.monotonic())

    async def get(self, path: str, **query: str) -> Any:
        """Return the answer; raise `RefusedError`, or `UnansweredError` when there is none."""
        try:
            return await self._get(path, query)
        except RefusedError as error:
            if error.status != HTTPStatus.TOO_MANY_REQUESTS or error.retry_after > LONGEST_PAUSE:
                raise
            await asyncio.sleep(error.retry_after)
            return await self._get(path, query)

    async def _get(self, path: str, query: dict[str, str]) -> Any:
        sent = machine.monotonic()
        try:
            async with self._session.get(self._base + path, params=query) as response:
                if second := second_of(response.headers):
                    received = machine.monotonic()
                    self._heard = self._heard.answer(second, sent=sent, received=received)
                if response.status != HTTPStatus.OK:
                    raise RefusedError(response.status, await body_of(response), response.headers)
                return await response.json()
        except (aiohttp.ClientError, OSError, TimeoutError, ValueError) as error:
            reason = str(error) or "no reply in time"
            way = by_way_of(self._base)
            raise UnansweredError(
                f"Discord at {self._base} does not answer{way} ({reason})"
            ) from error


@asynccontextmanager
async def discord_reads(discord: DiscordConfig) -> AsyncIterator[DiscordReads]:
    """Lend a way to ask the Discord of *discord*, under the same name as the bot's."""
    headers = {
        "Authorization": f"Bot {discord.discord_token}",
        "User-Agent": HTTPClient(loop=asyncio.get_running_loop()).user_agent,
    }
    timeout = aiohttp.ClientTimeout(total=PATIENCE)
    options = options_for(discord.boostmon_discord_api)
    async with aiohttp.ClientSession(headers=headers, timeout=timeout, **options) as session:
        yield DiscordReads(discord, session)

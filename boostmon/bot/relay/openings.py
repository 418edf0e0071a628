"""Openings: channels of direct messages, which Discord lets a bot open a few at a time."""

import asyncio
from collections import deque
from typing import Protocol

import structlog

from boostmon import machine
from boostmon.bot.discord.pace import MARGIN, OPENING, Pace
from boostmon.bot.discord.refusals import OPENING_TOO_FAST, Later
from boostmon.bot.discord.rest import DiscordApi, NotLeadingError, RefusedError
from boostmon.database.clocks.clock import Clock
from boostmon.errors import BoostmonError
from boostmon.events.timer import HOUR, MINUTE
from boostmon.projections.effects.direct_channels import DirectChannels

STOPPED_FOR = 3600.0  # seconds; mass openings get a bot quarantined
EVERY = 6.5  # seconds: fewer than ten a minute
READ_EVERY = 30.0  # seconds
PAGE = 10
PATIENCE = 0.5  # seconds
NOT_BEFORE = 10 * MINUTE  # until the first notice
NOT_AFTER = 24 * HOUR

log = structlog.get_logger()


class Speaker(Protocol):
    """The relay, as far as it tells what it does."""

    @property
    def leads(self) -> bool:
        """Whether this process speaks to Discord."""

    @property
    def opens(self) -> bool:
        """Whether notices wait for channels to be opened."""


class Openings:
    """Opens channels, until Discord says that it is too fast (40003): then none for an hour."""

    def __init__(self, api: DiscordApi, direct_channels: DirectChannels, pace: Pace) -> None:
        self._api = api
        self._direct_channels = direct_channels
        self._pace = pace
        self._one_at_a_time = asyncio.Lock()

    async def open(self, user_id: str) -> str | Later:
        """Return the id of the channel with a user, or how long none is opened.

        One after the other: who waited in the lane while it is closed would wait for an hour. Raise
        as `DiscordApi` does.
        """
        async with self._one_at_a_time:
            return await self._open(user_id)

    async def _open(self, user_id: str) -> str | Later:
        now = machine.monotonic()
        wait = self._pace.free_at(OPENING, now) - now
        if wait > PATIENCE:  # another opening may have been refused meanwhile
            return Later(wait)
        limits = self._pace.limits
        wait = await self._direct_channels.take_opening(
            limits.openings, limits.opening_seconds + MARGIN
        )
        if wait > 0:  # what this process has not asked for counts as well
            self._close(min(wait, STOPPED_FOR))
            return Later(min(wait, STOPPED_FOR))
        try:
            return await self._api.open_direct_channel(user_id)
        except RefusedError as error:
            if error.code == OPENING_TOO_FAST:
                log.error("direct messages stopped", seconds=STOPPED_FOR, reason=str(error))
                self._close(STOPPED_FOR)
                await self._direct_channels.close(STOPPED_FOR)
            raise

    def _close(self, seconds: float) -> None:
        self._pace.refused(OPENING, seconds, everywhere=False, now=machine.monotonic())


class Ahead:
    """Opens channels ahead of the first notice, so that many may be told in the same minute.

    Only for timers that a person's command set, with the first notice more than ten minutes away,
    and only while no notice waits for a channel.
    """

    def __init__(
        self,
        *,
        openings: Openings,
        direct_channels: DirectChannels,
        pace: Pace,
        clock: Clock,
        relay: Speaker,
    ) -> None:
        self._openings = openings
        self._direct_channels = direct_channels
        self._pace = pace
        self._clock = clock
        self._relay = relay
        self._wanted = deque[str]()
        self._refused: set[str] = set()
        self._read_at = float("-inf")

    async def run(self) -> None:
        """Open one after the other, until cancelled, while this process speaks to Discord."""
        while True:
            try:
                if self._relay.leads:
                    await self.open_one()
            except BoostmonError as error:
                log.info("channel not opened ahead", reason=str(error))
            except Exception:  # a part that falls silent would be found by its users
                log.exception("channel not opened ahead")
            await asyncio.sleep(EVERY)

    async def open_one(self) -> None:
        """Open the channel with whoever is told first of those who can wait."""
        now = machine.monotonic()
        if self._relay.opens or self._pace.ready_at(OPENING, now) > now:
            return
        await self._read(now)
        if not self._wanted:
            return
        user_id = self._wanted.popleft()
        if await self._direct_channels.find(user_id) is not None:
            return
        try:
            channel_id = await self._openings.open(user_id)
        except NotLeadingError:
            return
        except RefusedError as error:
            if error.code != OPENING_TOO_FAST:
                self._refused.add(user_id)  # the notice will say why
            return
        if isinstance(channel_id, str):
            await self._direct_channels.note(user_id, channel_id)

    async def _read(self, now: float) -> None:
        if self._wanted or now - self._read_at < READ_EVERY:
            return
        self._read_at, at = now, self._clock.now()
        limit = PAGE + len(self._refused)
        found = await self._direct_channels.to_open(at + NOT_BEFORE, at + NOT_AFTER, limit)
        self._wanted.extend([user_id for user_id in found if user_id not in self._refused][:PAGE])

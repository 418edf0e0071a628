"""The bot as a whole: the one place where its parts are put together, started and stopped."""

import asyncio
import weakref
from collections.abc import Coroutine
from typing import Any
from uuid import uuid4

import aiohttp
import disnake
import structlog
from disnake.ext import commands
from disnake.http import Route
from disnake.webhook.async_ import async_context
from msgspec import Struct

from boostmon.bot.cog import TimerCog
from boostmon.bot.delivery import Delivery
from boostmon.bot.discord_api import DiscordApi
from boostmon.bot.effect_signal import EffectSignal
from boostmon.bot.notices import Notices
from boostmon.bot.pace import Limits, Pace
from boostmon.bot.relay import Relay
from boostmon.bot.server_view import ServerView
from boostmon.commands.handler import CommandHandler
from boostmon.commands.sweeper import Sweeper
from boostmon.config import DiscordConfig, SweepConfig
from boostmon.database.clock import Clock
from boostmon.database.listen import listen
from boostmon.database.pool import Database
from boostmon.errors import ConfigurationError, DiscordError
from boostmon.events.store import EventStore
from boostmon.projections.direct_channels import DirectChannels
from boostmon.projections.effects import Effects
from boostmon.projections.lease import Lease
from boostmon.projections.owed import OwedEffects
from boostmon.projections.role_timers import RoleTimers

PAUSE_BETWEEN_SERVERS = 1.0
LOG_CHANNEL = "boostmon_log"
EFFECTS_CHANNEL = "boostmon_effects"
FAREWELL = 2.0

log = structlog.get_logger()


class Surroundings(Struct, frozen=True, kw_only=True):
    """What a bot runs on: the pool, a direct URL for hints, timer time, and settings."""

    database: Database
    owner_url: str
    clock: Clock
    discord: DiscordConfig
    sweep: SweepConfig
    limits: Limits = Limits()


class BoostMon(commands.InteractionBot):
    """The disnake client; tells *relay* when what Discord refused may be allowed now."""

    relay: Relay

    async def on_ready(self) -> None:
        log.info("connected to Discord", user=str(self.user), servers=len(self.guilds))

    async def on_guild_role_update(self, before: disnake.Role, after: disnake.Role) -> None:
        if (before.position, before.permissions) != (after.position, after.permissions):
            self.relay.hasten(str(after.guild.id))

    async def on_member_update(self, _: disnake.Member, after: disnake.Member) -> None:
        if self.user is not None and after.id == self.user.id:
            self.relay.hasten(str(after.guild.id))

    async def on_guild_join(self, guild: disnake.Guild) -> None:
        self.relay.hasten(str(guild.id))


async def run(surroundings: Surroundings, stop: asyncio.Event) -> None:
    """Serve commands, sweep and relay until *stop* is set.

    Raise `ConfigurationError` when Discord refuses the token, and `DiscordError` when it cannot be
    reached at the start; a connection lost later is made again.
    """
    Route.BASE = surroundings.discord.boostmon_discord_api
    mend_leak()
    bot, signal = _client(surroundings.discord), EffectSignal()
    bot.relay = _relay(bot, surroundings)
    store, timers = EventStore(surroundings.database), RoleTimers(surroundings.database)
    sweeper = Sweeper(
        store=store,
        timers=timers,
        clock=surroundings.clock,
        interval=surroundings.sweep.boostmon_sweep_interval,
    )
    cog = TimerCog(
        handler=CommandHandler(store),
        timers=timers,
        effects=Effects(surroundings.database),
        clock=surroundings.clock,
        warning_minutes=surroundings.sweep.boostmon_warning_minutes,
        watch=signal,
    )
    bot.add_cog(cog)
    for wake in (sweeper.wake, bot.relay.wake):
        store.subscribe(wake)

    def on_hint(channel: str, payload: str) -> None:
        if channel == EFFECTS_CHANNEL:
            signal.tell(payload)
        else:
            sweeper.wake()
            bot.relay.wake()

    try:
        await _login(bot, surroundings.discord)
        await _until(
            stop,
            bot.connect(),
            sweeper.run(),
            _when_ready(bot, surroundings.discord),
            listen(surroundings.owner_url, (LOG_CHANNEL, EFFECTS_CHANNEL), on_hint),
        )
    finally:
        await _close(bot, cog)


def mend_leak() -> None:
    """Let disnake forget the locks of interactions that are over; 2.12 keeps each for ever."""
    forgetful: Any = weakref.WeakValueDictionary()
    async_context.get()._locks = forgetful  # noqa: SLF001 - the leak is private


def _client(discord: DiscordConfig) -> BoostMon:
    guild_id = discord.discord_guild_id
    return BoostMon(
        intents=disnake.Intents(guilds=True),
        allowed_mentions=disnake.AllowedMentions.none(),
        test_guilds=[int(guild_id)] if guild_id else None,
        owner_id=0,  # nobody: disnake would ask Discord for the owners, which nothing here needs
    )


def _relay(bot: BoostMon, surroundings: Surroundings) -> Relay:
    database, pace, server = surroundings.database, Pace(surroundings.limits), ServerView(bot)
    api, owed = DiscordApi(bot.http, pace), OwedEffects(database)
    notices = Notices(
        api=api,
        owed=owed,
        direct_channels=DirectChannels(database),
        server=server,
        clock=surroundings.clock,
        pace=pace,
    )
    return Relay(
        owed=owed,
        lease=Lease(database, name="relay", holder=uuid4().hex),
        delivery=Delivery(api=api, owed=owed, notices=notices, server=server),
        pace=pace,
    )


async def _login(bot: BoostMon, discord: DiscordConfig) -> None:
    try:
        await bot.login(discord.discord_token)
    except disnake.LoginFailure as error:
        raise ConfigurationError(
            "Discord refuses DISCORD_TOKEN; copy it again from the page Bot of your application."
        ) from error
    except (aiohttp.ClientError, OSError, TimeoutError, disnake.HTTPException) as error:
        raise DiscordError(
            f"Discord at {discord.boostmon_discord_api} does not answer as it should ({error}); "
            "look at the network of this machine, and try again."
        ) from error


async def _when_ready(bot: BoostMon, discord: DiscordConfig) -> None:
    """Do what needs the servers: see to the commands, then relay until cancelled."""
    await bot.wait_until_ready()
    tidying = asyncio.create_task(_tidy_commands(bot, discord))
    try:
        await bot.relay.run()
    finally:
        tidying.cancel()


async def _tidy_commands(bot: BoostMon, discord: DiscordConfig) -> None:
    """Remove the commands that an earlier DISCORD_GUILD_ID left in servers.

    The other way round disnake does it: it removes global commands that are not in use.
    """
    if discord.discord_guild_id:
        return
    for guild in bot.guilds:
        try:
            if await bot.http.get_guild_commands(bot.application_id, guild.id):
                await bot.http.bulk_upsert_guild_commands(bot.application_id, guild.id, [])
        except disnake.HTTPException as error:
            log.warning("commands of a server not looked at", server=guild.id, reason=str(error))
        await asyncio.sleep(PAUSE_BETWEEN_SERVERS)


async def _until(stop: asyncio.Event, *parts: Coroutine[Any, Any, None]) -> None:
    """Run *parts* until *stop* is set or one of them ends; raise what ended it."""
    tasks = [asyncio.create_task(part) for part in (stop.wait(), *parts)]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    for task in done:
        if not task.cancelled() and (error := task.exception()):
            raise error


async def _close(bot: BoostMon, cog: TimerCog) -> None:
    """Say the last words and leave; Discord gets a few seconds, not more."""
    try:
        async with asyncio.timeout(FAREWELL):
            await cog.close()
            await bot.close()
    except TimeoutError:
        log.warning("Discord was left without a farewell")

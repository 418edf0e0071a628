"""The slash commands as Discord has them: registered where they should be, and nowhere else."""

import asyncio

import disnake
import structlog
from disnake.ext import commands

from boostmon.bot.pace import Pace
from boostmon.config import DiscordConfig

FIRST_LOOK = 5.0  # seconds; disnake registers them by itself after connecting
SLOWEST = 600.0
PAUSE_BETWEEN_SERVERS = 2.0

log = structlog.get_logger()


async def keep_registered(bot: commands.InteractionBot, discord: DiscordConfig, pace: Pace) -> None:
    """See that Discord has the commands; disnake says of a failure in a warning only."""
    guild_id = int(discord.discord_guild_id) if discord.discord_guild_id else None
    pause = FIRST_LOOK
    while True:
        await asyncio.sleep(pause)
        try:
            async with pace.turn():
                are_registered = await _are_registered(bot, guild_id)
            if are_registered:
                break
            log.error("the commands were not registered; trying again")
            async with pace.turn():
                await _register(bot, guild_id)
        except disnake.HTTPException as error:
            log.error("Discord does not take the commands", reason=str(error))
            pause = min(2 * pause, SLOWEST)
    if guild_id is None:
        await _tidy(bot, pace)


async def _are_registered(bot: commands.InteractionBot, guild_id: int | None) -> bool:
    found = await (bot.fetch_guild_commands(guild_id) if guild_id else bot.fetch_global_commands())
    return {command.name for command in found} >= {c.name for c in bot.slash_commands}


async def _register(bot: commands.InteractionBot, guild_id: int | None) -> None:
    bodies = [command.body for command in bot.application_commands]
    if guild_id:
        await bot.bulk_overwrite_guild_commands(guild_id, bodies)
    else:
        await bot.bulk_overwrite_global_commands(bodies)


async def _tidy(bot: commands.InteractionBot, pace: Pace) -> None:
    """Remove the commands that an earlier DISCORD_GUILD_ID left in servers.

    The other way round disnake does it: it removes global commands that are not in use.
    """
    for guild in bot.guilds:
        try:
            async with pace.turn():
                left = await bot.fetch_guild_commands(guild.id)
            if left:
                async with pace.turn():
                    await bot.bulk_overwrite_guild_commands(guild.id, [])
        except disnake.HTTPException as error:
            log.warning("commands of a server not looked at", server=guild.id, reason=str(error))
        await asyncio.sleep(PAUSE_BETWEEN_SERVERS)

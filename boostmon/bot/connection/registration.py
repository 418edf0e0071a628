"""The slash commands as Discord has them: registered where they should be, and nowhere else."""

import asyncio
from collections.abc import Sequence

import disnake
import structlog
from disnake.app_commands import ApplicationCommand
from disnake.ext import commands

from boostmon.bot.discord.pace import Pace
from boostmon.config import DiscordConfig

FIRST_LOOK = 5.0  # seconds; disnake registers them by itself after connecting
SLOWEST = 600.0
PAUSE_BETWEEN_SERVERS = 2.0

log = structlog.get_logger()


async def keep_registered(bot: commands.InteractionBot, discord: DiscordConfig, pace: Pace) -> None:
    """See that Discord has the commands; disnake says of a failure in a warning only."""
    guild_id = int(discord.discord_guild_id) if discord.discord_guild_id else None
    bodies = [command.body for command in bot.application_commands]
    await asyncio.sleep(FIRST_LOOK)
    await _insist(bot, pace, guild_id, bodies)
    if guild_id is None:
        await _tidy(bot, pace)
    else:
        await _insist(bot, pace, None, [])


async def _insist(
    bot: commands.InteractionBot,
    pace: Pace,
    guild_id: int | None,
    bodies: Sequence[ApplicationCommand],
) -> None:
    """Try until Discord has the commands *bodies*, and no others, in a server or (None) in all."""
    pause = FIRST_LOOK
    while True:
        try:
            await _put_right(bot, pace, guild_id, bodies)
        except disnake.HTTPException as error:
            log.error("Discord does not take the commands", reason=str(error))
        else:
            return
        await asyncio.sleep(pause)
        pause = min(2 * pause, SLOWEST)


async def _put_right(
    bot: commands.InteractionBot,
    pace: Pace,
    guild_id: int | None,
    bodies: Sequence[ApplicationCommand],
) -> None:
    async with pace.turn():
        found = await _registered(bot, guild_id)
    if {command.name: command for command in found} == {body.name: body for body in bodies}:
        return
    log.warning("the commands are not as they should be; registering them", server=guild_id)
    async with pace.turn():
        if guild_id:
            await bot.bulk_overwrite_guild_commands(guild_id, list(bodies))
        else:
            await bot.bulk_overwrite_global_commands(list(bodies))


async def _registered(
    bot: commands.InteractionBot, guild_id: int | None
) -> Sequence[ApplicationCommand]:
    if guild_id:
        return await bot.fetch_guild_commands(guild_id, with_localizations=True)
    return await bot.fetch_global_commands(with_localizations=True)


async def _tidy(bot: commands.InteractionBot, pace: Pace) -> None:
    """Remove the commands that an earlier DISCORD_GUILD_ID left in servers."""
    for guild in bot.guilds:
        try:
            await _put_right(bot, pace, guild.id, [])
        except disnake.HTTPException as error:  # not insisted on: some servers never allow a look
            log.warning("commands of a server not looked at", server=guild.id, reason=str(error))
        await asyncio.sleep(PAUSE_BETWEEN_SERVERS)

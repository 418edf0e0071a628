"""Channels that bots do not see: what they are told of them, and when that changes."""

from boostmon.sandbox.core.discord import Discord
from boostmon.sandbox.core.sessions import GUILDS
from boostmon.sandbox.world import permissions, render
from boostmon.sandbox.world.model import Channel, Guild


def tell(discord: Discord, guild: Guild, channel: Channel, event: str) -> None:
    """Tell of a channel that came, changed or went, each bot as much as it may know."""
    discord.watch.tell(event, lambda: render.channel(discord.world, channel))
    for session in discord.sessions.of_guild(guild, GUILDS):
        data = render.channel_seen(discord.world, guild, channel, session.bot_id)
        session.dispatch(event, data)
    _note(discord, guild)


def look_again(discord: Discord, guild: Guild) -> None:
    """Tell bots of channels that they see no longer, or again, after rights have changed."""
    for session in discord.sessions.of_guild(guild, GUILDS):
        now = permissions.seen(guild, session.bot_id)
        for channel_id in sorted(now ^ guild.seen.get(session.bot_id, now), key=int):
            if channel := guild.channels.get(channel_id):
                data = render.channel_seen(discord.world, guild, channel, session.bot_id)
                session.dispatch("CHANNEL_UPDATE", data)
    _note(discord, guild)


def _note(discord: Discord, guild: Guild) -> None:
    """Note what each bot sees now."""
    bots = [bot_id for bot_id in discord.world.bots if bot_id in guild.members]
    guild.seen = {bot_id: permissions.seen(guild, bot_id) for bot_id in bots}

"""Finds what the control interface means by a name or an id."""

from boostmon.sandbox.core.discord import Discord
from boostmon.sandbox.world.errors import ControlError
from boostmon.sandbox.world.model import Bot, Channel, Guild, User


def guild_named(discord: Discord, name: str | None) -> Guild:
    """Find a server, the first one without a name, or complain."""
    for guild in discord.world.guilds.values():
        if name in (None, guild.id, guild.name):
            return guild
    raise ControlError(f"there is no server {name}", 404)


def user_named(discord: Discord, name: str) -> User:
    """Find a user, or complain."""
    found = discord.world.user(name)
    if found is None:
        raise ControlError(f"there is no user {name}", 404)
    return found


def bot_named(discord: Discord, name: str | None) -> Bot:
    """Find a bot, the first one without a name, or complain."""
    for bot in discord.world.bots.values():
        if name in (None, bot.id, bot.name):
            return bot
    raise ControlError(f"there is no bot {name}", 404)


def channel_named(guild: Guild, name: str | None) -> Channel:
    """Find a channel of a server, or complain."""
    for channel in guild.channels.values():
        if name in (None, channel.id, channel.name):
            return channel
    raise ControlError(f"there is no channel {name}", 404)

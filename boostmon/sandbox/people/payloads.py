"""Payloads of interactions, whatever somebody did: where, who, in which language."""

from typing import Any

from boostmon.sandbox.core.discord import Discord
from boostmon.sandbox.core.interactions import Interaction, new_token
from boostmon.sandbox.world import permissions, render
from boostmon.sandbox.world.model import Bot, Channel, Guild

Json = dict[str, Any]


def begun(
    discord: Discord, bot: Bot, channel: Channel, user_id: str, *, kind: int, locale: str
) -> Interaction:
    """Return a new interaction; what it is about is still to be added."""
    interaction_id = discord.world.snowflake()
    made = Interaction(
        id=interaction_id,
        token=new_token(interaction_id),
        bot_id=bot.id,
        type=kind,
        channel_id=channel.id,
        user_id=user_id,
        payload={},
        created=discord.now(),
        guild_id=channel.guild_id,
    )
    made.payload = _everywhere(made, locale)
    guild = discord.world.guilds.get(channel.guild_id or "")
    if guild is None:
        made.payload |= _in_dm(discord, user_id, channel)
    else:
        made.payload |= _in_guild(discord, user_id, bot, channel, guild)
    return made


def _everywhere(made: Interaction, locale: str) -> Json:
    return {
        "version": 1,
        "type": made.type,
        "id": made.id,
        "token": made.token,
        "application_id": made.bot_id,
        "channel_id": made.channel_id,
        "locale": locale,
        "entitlements": [],
        "entitlement_sku_ids": [],
        "attachment_size_limit": 10 * 1024 * 1024,
    }


def _in_guild(discord: Discord, user_id: str, bot: Bot, channel: Channel, guild: Guild) -> Json:
    member, me = guild.members[user_id], guild.members[bot.id]
    own = render.permissions_in(guild, member, channel)
    return {
        "guild_id": guild.id,
        "guild": {"id": guild.id, "locale": guild.locale, "features": []},
        "guild_locale": guild.locale,
        "channel": _partial(discord, channel) | {"permissions": own},
        "member": render.member(discord.world, member) | {"permissions": own},
        "app_permissions": render.permissions_in(guild, me, channel),
        "authorizing_integration_owners": {"0": guild.id},
        "context": 0,
    }


def _partial(discord: Discord, channel: Channel) -> Json:
    shown = render.channel(discord.world, channel)
    shown.pop("permission_overwrites")
    return shown


def _in_dm(discord: Discord, user_id: str, channel: Channel) -> Json:
    return {
        "channel": render.channel(discord.world, channel),
        "user": render.user(discord.world.users[user_id]),
        "app_permissions": str(permissions.EVERYDAY),
        "authorizing_integration_owners": {"0": "0"},
        "context": 1,
    }

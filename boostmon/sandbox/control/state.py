"""Everything there is, for `GET /_sim/state`: names and ids both, to look things up."""

import time
from typing import Any

import msgspec

from boostmon.sandbox.core.discord import Discord
from boostmon.sandbox.core.interactions import Interaction
from boostmon.sandbox.world import render
from boostmon.sandbox.world.model import PRIVILEGED, Bot, Channel, Guild, Message, World

Json = dict[str, Any]


def state(discord: Discord) -> Json:
    """Show the whole world and what has been asked of it."""
    world = discord.world
    everything = {
        "now_ms": int(time.time() * 1000),
        "url": discord.url,
        "ids": ids(world),
        "bots": [_bot(discord, bot) for bot in world.bots.values()],
        "users": [
            {"id": u.id, "name": u.key, "bot": u.bot, "dms_open": u.dms_open}
            for u in world.users.values()
        ],
        "guilds": [_guild(world, guild) for guild in world.guilds.values()],
        "dms": [_dm(world, channel) for channel in world.dms.values()],
        "interactions": [interaction(discord, it) for it in discord.interactions],
        "requests": discord.journal.after(),
        "requests_total": discord.journal.total,
        "unknown": discord.journal.unknown(),
        "crashes": discord.journal.crashes(),
        "rate_limited": discord.limiter.refused,
        "faults": discord.faults.all,
    }
    # A copy: what a test has looked at must not change under it.
    copied: Json = msgspec.to_builtins(everything)
    return copied


def ids(world: World) -> Json:
    """Return the ids by name: of the first bot and server, of all users."""
    bot = next(iter(world.bots.values()))
    found: Json = {
        "bot": bot.id,
        "token": bot.token,
        "users": {user.key: user.id for user in world.users.values()},
    }
    for guild in world.guilds.values():
        return found | {"guild": guild.id, **_names(guild)}
    return found


def _names(guild: Guild) -> Json:
    return {
        "roles": {role.name: role.id for role in guild.roles.values()},
        "channels": {channel.name: channel.id for channel in guild.channels.values()},
    }


def _bot(discord: Discord, bot: Bot) -> Json:
    return {
        "id": bot.id,
        "name": bot.name,
        "token": bot.token,
        "privileged_intents": [n for n, bit in PRIVILEGED.items() if bot.privileged & bit],
        "commands": {scope or "global": list(c.values()) for scope, c in bot.commands.items()},
        "sessions": [
            {
                "id": session.id,
                "intents": session.intents,
                "shard": session.shard,
                "sequence": session.sequence,
                "connected": session.connection is not None,
            }
            for session in discord.sessions
            if session.bot_id == bot.id
        ],
    }


def _guild(world: World, guild: Guild) -> Json:
    return {
        "id": guild.id,
        "name": guild.name,
        "owner_id": guild.owner_id,
        "available": guild.available,
        "ids": _names(guild),
        "roles": [render.role(role) for role in guild.roles.values()],
        "members": [
            {
                "user_id": member.user_id,
                "name": world.users[member.user_id].key,
                "nick": member.nick,
                "roles": member.roles,
                "role_names": [guild.roles[role].name for role in member.roles],
            }
            for member in guild.members.values()
        ],
        "channels": [_channel(world, channel) for channel in guild.channels.values()],
        "audit_log": list(guild.audit_log),
    }


def _channel(world: World, channel: Channel) -> Json:
    shown = render.channel(world, channel)
    return shown | {
        "messages": [message(world, one) for one in channel.messages.values()],
        "private": [message(world, one) for one in channel.private.values()],
    }


def _dm(world: World, channel: Channel) -> Json:
    return {
        "channel_id": channel.id,
        "user_id": channel.recipient_id,
        "bot_id": channel.bot_id,
        "messages": [message(world, one) for one in channel.messages.values()],
        "private": [message(world, one) for one in channel.private.values()],
    }


def message(world: World, it: Message) -> Json:
    """Show a message and what its API form does not say: whom it pinged, who alone sees it."""
    return render.message(world, it) | {
        "pinged": it.pinged,
        "viewer_id": it.viewer_id,
        "interaction_id": it.interaction_id,
    }


def interaction(discord: Discord, it: Interaction) -> Json:
    """Show what came of an interaction so far."""
    channel = discord.world.channel(it.channel_id)
    reply = channel and channel.find(it.original_id or "")
    followups = [channel and channel.find(one) for one in it.followup_ids]
    return {
        "id": it.id,
        "token": it.token,
        "type": it.type,
        "guild_id": it.guild_id,
        "channel_id": it.channel_id,
        "user_id": it.user_id,
        "data": it.payload["data"],
        "age_ms": int((discord.now() - it.created) * 1000),
        "sessions": it.delivered,
        "acknowledged_ms": it.acknowledged_ms,
        "callback_type": it.callback_type,
        "loading": bool(it.flags & render.LOADING),
        "ephemeral": bool(it.flags & render.EPHEMERAL),
        "message": message(discord.world, reply) if reply else None,
        "deleted": it.deleted,
        "edits": it.edits,
        "followups": [message(discord.world, one) for one in followups if one],
        "choices": it.choices,
        "modal": it.modal,
        "history": it.history,
    }

"""The picture that somebody who looks on begins with, and the parts of it that change."""

import time
from itertools import islice
from typing import Any

from boostmon.sandbox.core.discord import Discord
from boostmon.sandbox.core.interactions import Interaction
from boostmon.sandbox.world import render
from boostmon.sandbox.world.model import DM, Bot, Channel, Guild, Message, User

MOST_MESSAGES, MOST_LINES = 100, 50

Json = dict[str, Any]


def picture(discord: Discord) -> Json:
    """Show the world with what was said and asked of late."""
    world = discord.world
    return {
        "now": int(time.time() * 1000),
        "api": discord.url + "/api/v10",
        "beside": discord.beside,
        "bots": [bot(discord, one) for one in world.bots.values()],
        "users": [user(one) for one in world.users.values()],
        "guilds": [_guild(discord, guild) for guild in world.guilds.values()],
        "dms": [_channel(discord, channel) for channel in world.dms.values()],
        "requests": [request(e) for e in discord.journal.after(discord.journal.total - MOST_LINES)],
        "faults": discord.faults.all,
    }


def user(it: User) -> Json:
    """Show an account, and whether it takes DMs."""
    return render.user(it) | {"key": it.key, "dms_open": it.dms_open}


def bot(discord: Discord, it: Bot) -> Json:
    """Show a bot, whether it is there, and its commands by scope ("" is everywhere)."""
    mine = [session for session in discord.sessions if session.bot_id == it.id]
    return {
        "id": it.id,
        "name": it.name,
        "token": it.token,
        "owner_id": it.owner_id,
        "connected": any(session.connection for session in mine),
        "commands": {scope: list(listed.values()) for scope, listed in it.commands.items()},
    }


def _guild(discord: Discord, it: Guild) -> Json:
    return {
        "id": it.id,
        "name": it.name,
        "owner_id": it.owner_id,
        "mfa_level": it.mfa_level,
        "available": it.available,
        "roles": [render.role(role) for role in it.roles.values()],
        "members": [render.member(discord.world, member) for member in it.members.values()],
        "channels": [_channel(discord, channel) for channel in it.channels.values()],
        "overrides": it.overrides,
        "audit_log": list(islice(it.audit_log, MOST_LINES)),
    }


def _channel(discord: Discord, it: Channel) -> Json:
    said = islice(reversed(it.messages.values()), MOST_MESSAGES)
    whispered = islice(reversed(it.private.values()), MOST_MESSAGES)
    newest = sorted((*said, *whispered), key=lambda one: int(one.id))[-MOST_MESSAGES:]
    shown = render.channel(discord.world, it) | _ends(it)
    return shown | {"messages": [message(discord, it, one) for one in newest]}


def _ends(it: Channel) -> Json:
    """Say between whom a DM is."""
    return {"bot_id": it.bot_id, "user_id": it.recipient_id} if it.type == DM else {}


def message(discord: Discord, channel: Channel, it: Message) -> Json:
    """Show a message: by which command it came, whom it pinged, who alone sees it."""
    asked = discord.interactions.get(it.interaction_id or "")
    return render.message(discord.world, it) | {
        "viewer_id": it.viewer_id,
        "pinged": it.pinged,
        "command": asked.payload["data"].get("name") if asked else None,
        **_ends(channel),
    }


def interaction(it: Interaction) -> Json:
    """Show how an interaction was answered."""
    return {
        "id": it.id,
        "acknowledged_ms": it.acknowledged_ms,
        "callback_type": it.callback_type,
        "choices": it.choices,
        "modal": it.modal,
    }


_OF_REQUEST = ("n", "at_ms", "method", "path", "reason", "status", "code", "fault", "unknown")


def request(entry: Json) -> Json:
    """Show what a bot asked, without what it sent."""
    return {key: entry[key] for key in _OF_REQUEST if entry.get(key) is not None}

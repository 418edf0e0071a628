"""Changes the world by a test's hand: `POST /_sim/role`, `guild` and so on."""

from collections.abc import Callable
from typing import Any, Literal

from msgspec import Struct, field

from boostmon.sandbox.acts import server, sight
from boostmon.sandbox.acts.named import bot_named, channel_named, guild_named
from boostmon.sandbox.acts.server import Cause
from boostmon.sandbox.control.connections import ConnectionChange, change_connections
from boostmon.sandbox.core.discord import Discord
from boostmon.sandbox.people.doings import (
    Change,
    MemberChange,
    Saying,
    UserChange,
    change_member,
    change_user,
    say,
)
from boostmon.sandbox.world import permissions, render, seed
from boostmon.sandbox.world.errors import ControlError
from boostmon.sandbox.world.model import PRIVILEGED, Bot, Guild, Role
from boostmon.sandbox.world.world_spec import Bits, ChannelSpec, GuildSpec, OverwriteSpec


class RoleChange(Change):
    role: str
    action: Literal["create", "edit", "move", "delete"]
    position: int | None = None
    permissions: Bits | None = None
    name: str | None = None
    color: int | None = None
    mentionable: bool | None = None
    managed: bool | None = None


class ChannelChange(Change):
    channel: str
    action: Literal["create", "edit", "delete"]
    type: int = 0
    overwrites: list[OverwriteSpec] | None = None


class GuildChange(Change):
    action: Literal[
        "create", "rename", "two_factor", "outage", "back", "remove_bot", "add_bot", "commands"
    ]
    bot: str | None = None
    spec: GuildSpec | None = None
    name: str | None = None
    required: bool = True
    command: str | None = None
    allow: list[str] = field(default_factory=list)
    deny: list[str] = field(default_factory=list)


class BotChange(Struct, forbid_unknown_fields=True, kw_only=True):
    bot: str | None = None
    privileged_intents: list[Literal["presences", "members", "message_content"]]


class ClockChange(Struct, forbid_unknown_fields=True, kw_only=True):
    advance_ms: int = 0
    apart_ms: int | None = None


def change_role(discord: Discord, change: RoleChange) -> Any:
    """Let the owner make, change, move or delete a role."""
    guild = guild_named(discord, change.guild)
    by = Cause(guild.owner_id)
    if change.action == "create":
        role = Role(discord.world.snowflake(), change.role)
        _set_role(role, change)
        server.create_role(discord, guild, role, by)
    else:
        role = seed.find_role(guild, change.role)
    if change.action == "delete":
        server.delete_role(discord, guild, role, by)
        return None
    if change.position is not None:
        server.move_roles(discord, guild, {role.id: change.position}, by)
    if change.action == "edit":
        _set_role(role, change)
        server.role_changed(discord, guild, role, by)
    return render.role(role)


def _set_role(role: Role, change: RoleChange) -> None:
    for key in ("name", "color", "mentionable", "managed"):
        if (value := getattr(change, key)) is not None:
            setattr(role, key, value)
    if change.permissions is not None:
        role.permissions = permissions.parse(change.permissions)


def change_channel(discord: Discord, change: ChannelChange) -> Any:
    """Make a channel, give it other permission overwrites, or delete it."""
    guild = guild_named(discord, change.guild)
    if change.action == "create":
        spec = ChannelSpec(name=change.channel, type=change.type)
        spec.overwrites = change.overwrites or []
        channel, event = seed.add_channel(discord.world, guild, spec), "CHANNEL_CREATE"
    else:
        channel, event = channel_named(guild, change.channel), "CHANNEL_UPDATE"
        if change.overwrites is not None:
            seed.set_overwrites(discord.world, guild, channel, change.overwrites)
    if change.action == "delete":
        del guild.channels[channel.id]
        event = "CHANNEL_DELETE"
    sight.tell(discord, guild, channel, event)
    return render.channel(discord.world, channel)


def change_guild(discord: Discord, change: GuildChange) -> Any:
    """Make or rename a server, let it fail, take or add the bot, or rule on its commands."""
    if change.action == "create":
        return _create_guild(discord, change)
    guild = guild_named(discord, change.guild)
    bot = bot_named(discord, change.bot)
    if change.action == "rename":
        guild.name = change.name or guild.name
        discord.sessions.to_guild(guild, "GUILD_UPDATE", render.guild(guild))
    elif change.action == "two_factor":
        guild.mfa_level = int(change.required)
        discord.sessions.to_guild(guild, "GUILD_UPDATE", render.guild(guild))
    elif change.action == "outage":
        data = {"id": guild.id, "unavailable": True}
        discord.sessions.to_guild(guild, "GUILD_DELETE", data)
        guild.available = False
    elif change.action == "back":
        guild.available = True
        server.announce(discord, guild, new=False)
    elif change.action == "commands":
        _rule_on_commands(guild, bot, change, discord)
    elif (change.action == "add_bot") == (bot.id in guild.members):
        raise ControlError("it is so already")
    elif change.action == "add_bot":
        server.bot_joins(discord, guild, bot.id)
    else:
        server.bot_leaves(discord, guild, bot.id)
    return {"id": guild.id, "name": guild.name, "available": guild.available}


def _create_guild(discord: Discord, change: GuildChange) -> Any:
    if change.spec is None:
        raise ControlError("create needs a spec")
    guild = seed.add_guild(discord.world, change.spec)
    server.announce(discord, guild, new=True)
    return render.guild(guild)


def _rule_on_commands(guild: Guild, bot: Bot, change: GuildChange, discord: Discord) -> None:
    """Set what Server Settings → Integrations says of a command, or of all."""
    command_id = bot.id
    if change.command is not None:
        found = [c for s in bot.commands.values() for c in s.values()]
        named = [c["id"] for c in found if change.command in (c["id"], c["name"])]
        if not named:
            raise ControlError(f"there is no command {change.command}", 404)
        command_id = named[0]
    listed = [(name, True) for name in change.allow] + [(name, False) for name in change.deny]
    ruled = []
    for name, permission in listed:
        user = discord.world.user(name)
        target = user.id if user else seed.find_role(guild, name).id
        ruled.append({"id": target, "type": 2 if user else 1, "permission": permission})
    guild.overrides[command_id] = ruled
    told = {"id": command_id, "application_id": bot.id, "guild_id": guild.id, "permissions": ruled}
    event = "APPLICATION_COMMAND_PERMISSIONS_UPDATE"
    discord.sessions.to_bot(bot.id, guild.id, event, told)


def change_bot(discord: Discord, change: BotChange) -> Any:
    """Switch privileged intents, as the developer does in the portal."""
    bot = bot_named(discord, change.bot)
    bot.privileged = sum(PRIVILEGED[name] for name in change.privileged_intents)
    return {"id": bot.id, "privileged_intents": change.privileged_intents}


def change_clock(discord: Discord, change: ClockChange) -> Any:
    """Let interactions and nonces age at once, or set Discord's time of day apart."""
    discord.advance(change.advance_ms / 1000)
    if change.apart_ms is not None:
        discord.apart = change.apart_ms / 1000
        discord.world.snowflake.follow()


CHANGES: dict[str, tuple[type[Any], Callable[[Discord, Any], Any]]] = {
    "member": (MemberChange, change_member),
    "role": (RoleChange, change_role),
    "channel": (ChannelChange, change_channel),
    "guild": (GuildChange, change_guild),
    "user": (UserChange, change_user),
    "bot": (BotChange, change_bot),
    "gateway": (ConnectionChange, change_connections),
    "clock": (ClockChange, change_clock),
    "message": (Saying, say),
}

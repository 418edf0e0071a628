"""People using commands and components, as their Discord app would let them."""

from typing import Any

from msgspec import Struct

from boostmon.sandbox import command_rules, content, permissions, render
from boostmon.sandbox.core import Discord
from boostmon.sandbox.errors import ControlError
from boostmon.sandbox.interactions import (
    AUTOCOMPLETE,
    COMMAND,
    COMPONENT,
    Interaction,
    leaves,
    new_token,
)
from boostmon.sandbox.model import TEXT, Bot, Channel, Guild, Message
from boostmon.sandbox.options import Resolver, check_options
from boostmon.sandbox.seed import find_user

Json = dict[str, Any]


class Use(Struct, forbid_unknown_fields=True, kw_only=True):
    """What `POST /_sim/interaction` takes."""

    user_id: str
    type: int = COMMAND
    guild_id: str | None = None
    channel_id: str | None = None
    bot_id: str | None = None
    name: str | None = None
    command_id: str | None = None
    options: list[Json] = []
    message_id: str | None = None
    custom_id: str | None = None
    values: list[str] = []
    locale: str = "en-US"
    deliveries: int = 1


def use(discord: Discord, it: Use) -> Interaction:
    """Let somebody run a command, type into an option, or click; or say why they cannot."""
    user = find_user(discord.world, it.user_id)
    if user is None:
        raise ControlError(f"there is no user {it.user_id}", 404)
    it.user_id = user.id
    if it.type == COMPONENT:
        channel, data, bot, extra = _click(discord, it)
    elif it.type in (COMMAND, AUTOCOMPLETE):
        channel, data, bot, extra = _command(discord, it)
    else:
        raise ControlError("type is 2 (a command), 3 (a click) or 4 (typing into an option)")
    made = _interaction(discord, it, bot, channel)
    made.payload |= {"data": data, **extra}
    if it.message_id:
        made.source_id = it.message_id
    discord.interactions.add(made)
    for _ in range(it.deliveries):
        made.delivered = discord.sessions.to_bot(
            bot.id, channel.guild_id, "INTERACTION_CREATE", made.payload
        )
    return made


Found = tuple[Channel, Json, Bot, Json]


def _command(discord: Discord, it: Use) -> Found:
    guild = _guild(discord, it)
    bot, command = _find_command(discord, it, guild)
    channel = _place(discord, it, guild, bot)
    if guild:
        _check_allowed(guild, bot, command, it.user_id, channel)
    elif command.get("guild_id") or not command["dm_permission"]:
        raise ControlError(f"/{command['name']} is not offered in DMs", 403)
    resolver = Resolver(discord.world, guild)
    typing = it.type == AUTOCOMPLETE
    options = check_options(command.get("options", []), it.options, resolver, typing=typing)
    data: Json = {"id": command["id"], "name": command["name"], "type": command["type"]}
    if options:
        data["options"] = options
    if resolver.found and not typing:
        data["resolved"] = resolver.found
    if command.get("guild_id"):
        data["guild_id"] = command["guild_id"]
    if typing and sum(bool(one.get("focused")) for one in leaves(options)) != 1:
        raise ControlError("exactly one option must be focused while typing")
    return channel, data, bot, {}


def _guild(discord: Discord, it: Use) -> Guild | None:
    if it.guild_id is None:
        return None
    named = (g for g in discord.world.guilds.values() if it.guild_id in (g.id, g.name))
    guild = next(named, None)
    if guild is None:
        raise ControlError(f"there is no server {it.guild_id}", 404)
    if it.user_id not in guild.members:
        raise ControlError("the user is not in that server", 403)
    if not guild.available:
        raise ControlError("that server has an outage", 403)
    return guild


def _find_command(discord: Discord, it: Use, guild: Guild | None) -> tuple[Bot, Json]:
    """Find the command; a server's own goes before a global one of the same name."""
    scopes = [guild.id, ""] if guild else [""]
    for bot in discord.world.bots.values():
        if it.bot_id not in (None, bot.id) or (guild and bot.id not in guild.members):
            continue
        for scope in scopes:
            for command in bot.commands.get(scope, {}).values():
                named = it.name in (None, command["name"])
                slash = command["type"] == command_rules.CHAT_INPUT
                if slash and named and it.command_id in (None, command["id"]):
                    return bot, command
    raise ControlError(f"there is no command {it.name or it.command_id} here", 404)


def _place(discord: Discord, it: Use, guild: Guild | None, bot: Bot) -> Channel:
    if guild is None:
        return discord.world.dm(bot.id, it.user_id)
    if it.channel_id is not None:
        named = (c for c in guild.channels.values() if it.channel_id in (c.id, c.name))
        channel = next(named, None)
    else:
        channel = next((c for c in guild.channels.values() if c.type == TEXT), None)
    if channel is None:
        raise ControlError("there is no such channel in that server", 404)
    return channel


def _check_allowed(guild: Guild, bot: Bot, command: Json, user_id: str, channel: Channel) -> None:
    member = guild.members[user_id]
    allowed = permissions.in_channel(guild, member, channel)
    if not allowed & permissions.VIEW_CHANNEL:
        raise ControlError("the user does not see that channel", 403)
    if permissions.in_guild(guild, member) & permissions.ADMINISTRATOR:
        return
    if not allowed & permissions.USE_APPLICATION_COMMANDS:
        raise ControlError("the user may not use commands in that channel", 403)
    ruled = _override(guild, bot, command, user_id)
    needed = command["default_member_permissions"]
    if ruled is None:
        # Discord reads "0" as "administrators only".
        ruled = needed is None or (needed != "0" and allowed & int(needed) == int(needed))
    if not ruled:
        raise ControlError(f"the user may not use /{command['name']}", 403)


def _override(guild: Guild, bot: Bot, command: Json, user_id: str) -> bool | None:
    """Return what Server Settings → Integrations says: of the user, else of the roles."""
    for key in (command["id"], bot.id):
        listed = guild.overrides.get(key, [])
        own = [o["permission"] for o in listed if o["id"] == user_id and o["type"] == 2]  # noqa: PLR2004 -- 2 is a user, 1 a role
        roles = guild.members[user_id].roles
        by_role = [o["permission"] for o in listed if o["id"] in roles]
        everyone = [o["permission"] for o in listed if o["id"] == guild.id]
        for found in (own, by_role, everyone):
            if found:
                return any(found)
    return None


def _click(discord: Discord, it: Use) -> Found:
    channel, message = _clicked(discord, it)
    bot = discord.world.bots.get(message.author_id)
    if bot is None:
        raise ControlError("that message is not a bot's")
    offered = content.each_component(message.components)
    part = next((one for one in offered if one.get("custom_id") == it.custom_id), None)
    if part is None or part.get("disabled"):
        raise ControlError(f"there is no enabled component {it.custom_id} in that message", 404)
    guild = discord.world.guilds.get(channel.guild_id or "")
    if guild and it.user_id not in guild.members:
        raise ControlError("the user is not in that server", 403)
    data: Json = {"custom_id": it.custom_id, "component_type": part["type"], "id": part["id"]}
    if part["type"] != content.BUTTON:
        data["values"] = _chosen(part, it.values)
        resolver = Resolver(discord.world, guild)
        resolver.take(part["type"], it.values)
        if resolver.found:
            data["resolved"] = resolver.found
    shown = render.message(discord.world, message)
    return channel, data, bot, {"message": shown}


def _clicked(discord: Discord, it: Use) -> tuple[Channel, Message]:
    everywhere = [c for g in discord.world.guilds.values() for c in g.channels.values()]
    for channel in (*everywhere, *discord.world.dms.values()):
        message = channel.find(it.message_id or "")
        if message is None:
            continue
        if message.viewer_id not in (None, it.user_id):
            raise ControlError("only another user sees that message", 403)
        return channel, message
    raise ControlError(f"there is no message {it.message_id}", 404)


def _chosen(part: Json, values: list[str]) -> list[str]:
    if not part["min_values"] <= len(values) <= part["max_values"]:
        low, high = part["min_values"], part["max_values"]
        raise ControlError(f"choose {low} to {high} values")
    if part["type"] == content.STRING_SELECT:
        offered = {option["value"] for option in part["options"]}
        if not offered.issuperset(values):
            raise ControlError(f"the menu offers only {sorted(offered)}")
    return values


def _interaction(discord: Discord, it: Use, bot: Bot, channel: Channel) -> Interaction:
    interaction_id = discord.world.snowflake()
    made = Interaction(
        id=interaction_id,
        token=new_token(interaction_id),
        bot_id=bot.id,
        type=it.type,
        channel_id=channel.id,
        user_id=it.user_id,
        payload={},
        created=discord.now(),
        guild_id=channel.guild_id,
    )
    made.payload = {
        "version": 1,
        "type": it.type,
        "id": made.id,
        "token": made.token,
        "application_id": bot.id,
        "channel_id": channel.id,
        "locale": it.locale,
        "entitlements": [],
        "entitlement_sku_ids": [],
        "attachment_size_limit": 10 * 1024 * 1024,
    }
    guild = discord.world.guilds.get(channel.guild_id or "")
    if guild is None:
        made.payload |= _in_dm(discord, it, channel)
    else:
        made.payload |= _in_guild(discord, it, bot, channel, guild)
    return made


def _in_guild(discord: Discord, it: Use, bot: Bot, channel: Channel, guild: Guild) -> Json:
    member, me = guild.members[it.user_id], guild.members[bot.id]
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


def _in_dm(discord: Discord, it: Use, channel: Channel) -> Json:
    return {
        "channel": render.channel(discord.world, channel),
        "user": render.user(discord.world.users[it.user_id]),
        "app_permissions": str(permissions.EVERYDAY),
        "authorizing_integration_owners": {"0": "0"},
        "context": 1,
    }

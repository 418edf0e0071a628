"""People using commands and components, as their Discord app would let them."""

from typing import Any

from msgspec import Struct

from boostmon.sandbox.core.discord import Discord
from boostmon.sandbox.core.interactions import (
    AUTOCOMPLETE,
    COMMAND,
    COMPONENT,
    SUBMIT,
    Interaction,
    leaves,
    touch,
)
from boostmon.sandbox.people import modals, payloads
from boostmon.sandbox.people.options import USER, Resolver, check_options
from boostmon.sandbox.rules import command_rules, content
from boostmon.sandbox.world import permissions, render
from boostmon.sandbox.world.errors import ControlError
from boostmon.sandbox.world.model import TEXT, Bot, Channel, Guild, Message

Json = dict[str, Any]

_MOST_DELIVERIES = 100


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
    target: str | None = None
    """The user or the message whose context menu is used."""
    interaction_id: str | None = None
    """The interaction that was answered with the form to fill in."""
    fields: modals.Fields = {}
    locale: str = "en-US"
    deliveries: int = 1


def use(discord: Discord, it: Use) -> Interaction:
    """Let somebody run a command, type, click or fill in a form; or say why they cannot."""
    user = discord.world.user(it.user_id)
    if user is None:
        raise ControlError(f"there is no user {it.user_id}", 404)
    if not 1 <= it.deliveries <= _MOST_DELIVERIES:
        raise ControlError(f"deliveries are 1 to {_MOST_DELIVERIES}")
    it.user_id = user.id
    if it.type == COMPONENT:
        channel, data, bot, extra = _click(discord, it)
    elif it.type in (COMMAND, AUTOCOMPLETE):
        channel, data, bot, extra = _command(discord, it)
    elif it.type == SUBMIT:
        channel, data, bot, extra = _submit(discord, it)
    else:
        raise ControlError("type is 2 (a command), 3 (a click), 4 (typing) or 5 (a form)")
    made = payloads.begun(discord, bot, channel, user.id, kind=it.type, locale=it.locale)
    made.payload |= {"data": data, **extra}
    made.source_id = extra["message"]["id"] if "message" in extra else None
    made.opened_by = it.interaction_id if it.type == SUBMIT else None
    discord.interactions.add(made)
    for _ in range(it.deliveries):
        made.delivered = discord.sessions.to_bot(
            bot.id, channel.guild_id, "INTERACTION_CREATE", made.payload
        )
    return made


Found = tuple[Channel, Json, Bot, Json]


def _command(discord: Discord, it: Use) -> Found:
    guild = _guild(discord, it)
    kind = _kind(discord, it)
    bot, command = _find_command(discord, it, guild, kind)
    channel = _place(discord, it, guild, bot)
    if guild:
        _check_allowed(guild, bot, command, it.user_id, channel)
    elif command.get("guild_id") or not command["dm_permission"]:
        raise ControlError(f"/{command['name']} is not offered in DMs", 403)
    resolver = Resolver(discord.world, guild)
    if kind != command_rules.CHAT_INPUT:
        target = _target(discord, it, kind, channel, resolver)
        return channel, _named(command) | {"target_id": target, "resolved": resolver.found}, bot, {}
    typing = it.type == AUTOCOMPLETE
    options = check_options(command.get("options", []), it.options, resolver, typing=typing)
    data = _named(command)
    if options:
        data["options"] = options
    if resolver.found and not typing:
        data["resolved"] = resolver.found
    if typing and sum(bool(one.get("focused")) for one in leaves(options)) != 1:
        raise ControlError("exactly one option must be focused while typing")
    return channel, data, bot, {}


def _named(command: Json) -> Json:
    named = {"id": command["id"], "name": command["name"], "type": command["type"]}
    return named | ({"guild_id": command["guild_id"]} if command.get("guild_id") else {})


def _kind(discord: Discord, it: Use) -> int:
    """Return the type of command that is meant: by what its context menu belongs to."""
    if it.target is None:
        return command_rules.CHAT_INPUT
    if it.type != COMMAND or it.options:
        raise ControlError("a context menu takes neither options nor typing")
    on_user = discord.world.user(it.target) is not None
    return command_rules.ON_USER if on_user else command_rules.ON_MESSAGE


def _target(discord: Discord, it: Use, kind: int, channel: Channel, resolver: Resolver) -> str:
    target = it.target or ""
    if kind == command_rules.ON_USER:
        user = discord.world.user(target)
        target = user.id if user else target
        resolver.resolve(USER, target)
        return target
    message = channel.find(target)
    if message is None or message.viewer_id not in (None, it.user_id):
        raise ControlError(f"there is no message {target} in that channel", 404)
    resolver.found["messages"] = {target: render.message(discord.world, message)}
    return target


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


def _find_command(discord: Discord, it: Use, guild: Guild | None, kind: int) -> tuple[Bot, Json]:
    """Find the command; a server's own goes before a global one of the same name."""
    scopes = [guild.id, ""] if guild else [""]
    for bot in discord.world.bots.values():
        if it.bot_id not in (None, bot.id) or (guild and bot.id not in guild.members):
            continue
        for scope in scopes:
            for command in bot.commands.get(scope, {}).values():
                named = it.name in (None, command["name"])
                meant = command["type"] == kind
                if meant and named and it.command_id in (None, command["id"]):
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
        data["values"] = content.check_chosen(part, it.values)
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


def _submit(discord: Discord, it: Use) -> Found:
    """Let somebody fill in the form with which an interaction of theirs was answered."""
    opener = discord.interactions.get(it.interaction_id or "")
    if opener is None or opener.modal is None:
        raise ControlError(f"interaction {it.interaction_id} opened no form", 404)
    if opener.user_id != it.user_id:
        raise ControlError("only who opened the form sees it", 403)
    channel = discord.world.channel(opener.channel_id)
    if channel is None:
        raise ControlError("the channel of that form is gone", 404)
    guild = discord.world.guilds.get(channel.guild_id or "")
    if guild and it.user_id not in guild.members:
        raise ControlError("the user is not in that server", 403)
    data = modals.submission(opener.modal, it.fields, Resolver(discord.world, guild))
    opener.modal = None
    touch(opener)
    shown = {"message": opener.payload["message"]} if "message" in opener.payload else {}
    return channel, data, discord.world.bots[opener.bot_id], shown

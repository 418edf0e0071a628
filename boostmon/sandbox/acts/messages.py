"""Messages: who is mentioned and pinged, and telling the gateway."""

import re
from typing import Any

from boostmon.sandbox.acts import picture
from boostmon.sandbox.acts.attachments import attach
from boostmon.sandbox.core.discord import Discord
from boostmon.sandbox.core.sessions import (
    DIRECT_MESSAGES,
    DIRECT_TYPING,
    GUILD_MESSAGES,
    GUILD_TYPING,
    MESSAGE_CONTENT,
    Session,
)
from boostmon.sandbox.world import permissions, render
from boostmon.sandbox.world.errors import refuse
from boostmon.sandbox.world.model import Channel, Guild, Message
from boostmon.sandbox.world.snowflakes import at

Json = dict[str, Any]

SUPPRESS_EMBEDS, SUPPRESS_NOTIFICATIONS = 1 << 2, 1 << 12
REPLY, CHAT_INPUT_COMMAND, CONTEXT_MENU_COMMAND = 19, 20, 23
_CODE = re.compile(r"```.*?```|`[^`]*`", re.DOTALL)


def new(discord: Discord, channel: Channel, author_id: str, body: Json) -> Message:
    """Make a message from a checked *body*; it is not in the channel yet."""
    message_id = discord.world.snowflake()
    message = Message(
        id=message_id,
        channel_id=channel.id,
        author_id=author_id,
        timestamp=at(message_id),
        flags=(body.get("flags") or 0) & (SUPPRESS_EMBEDS | SUPPRESS_NOTIFICATIONS),
        tts=bool(body.get("tts")),
        nonce=body.get("nonce"),
    )
    fill(discord, channel, message, body)
    message.pinged = pinged(discord, channel, message)
    return message


def fill(discord: Discord, channel: Channel, message: Message, body: Json) -> None:
    """Write to *message* what *body* holds, or refuse to leave it empty."""
    if "content" in body:
        message.content = (body["content"] or "").strip()
    if "embeds" in body:
        message.embeds = body["embeds"] or []
    if "components" in body:
        message.components = body["components"] or []
    attach(discord, message, body)
    if not (message.content or message.embeds or message.components or message.attachments):
        raise refuse(50006)
    if "content" in body or body.get("allowed_mentions") is not None:
        mention(discord, channel, message, body.get("allowed_mentions"))


def mention(discord: Discord, channel: Channel, message: Message, allowed: Json | None) -> None:
    """Work out `mentions`, `mention_roles` and `mention_everyone` as the sender allows."""
    spoken = _CODE.sub("", message.content)
    guild = discord.world.guilds.get(channel.guild_id or "")
    users = [u for u in re.findall(r"<@!?(\d+)>", spoken) if u in discord.world.users]
    message.mentions = _allowed(users, "users", allowed)
    roles = re.findall(r"<@&(\d+)>", spoken) if guild else []
    message.mention_roles = _allowed(
        [r for r in roles if guild and r in guild.roles and r != guild.id], "roles", allowed
    )
    loud = allowed is None or "everyone" in (allowed.get("parse") or ())
    called = re.search(r"@(everyone|here)\b", spoken) is not None
    message.mention_everyone = called and loud and _may_shout(guild, channel, message)
    _mention_author(channel, message, allowed)


def _allowed(found: list[str], kind: str, allowed: Json | None) -> list[str]:
    listed = list(dict.fromkeys(found))
    if allowed is None or kind in (allowed.get("parse") or ()):
        return listed
    return [one for one in listed if one in (allowed.get(kind) or ())]


def _mention_author(channel: Channel, message: Message, allowed: Json | None) -> None:
    """Mention whom a reply answers, unless the sender says otherwise."""
    if message.type != REPLY or not message.reference:
        return
    wanted = allowed is None or allowed.get("replied_user", False)
    replied = channel.messages.get(message.reference["message_id"])
    if wanted and replied and replied.author_id not in message.mentions:
        message.mentions.append(replied.author_id)


def _may_shout(guild: Guild | None, channel: Channel, message: Message) -> bool:
    if guild is None or message.author_id not in guild.members:
        return False
    member = guild.members[message.author_id]
    return bool(permissions.in_channel(guild, member, channel) & permissions.MENTION_EVERYONE)


def pinged(discord: Discord, channel: Channel, message: Message) -> list[str]:
    """Return who is notified: mentioned, and able to see it."""
    guild = discord.world.guilds.get(channel.guild_id or "")
    if guild is None:
        return [u for u in message.mentions if u == channel.recipient_id]
    loud = _may_shout(guild, channel, message)
    roles = {r for r in message.mention_roles if loud or guild.roles[r].mentionable}
    return [
        member.user_id
        for member in guild.members.values()
        if (
            member.user_id in message.mentions
            or message.mention_everyone
            or not roles.isdisjoint(member.roles)
        )
        and member.user_id != message.author_id
        and permissions.in_channel(guild, member, channel) & permissions.VIEW_CHANNEL
    ]


def post(discord: Discord, channel: Channel, message: Message) -> None:
    """Put a message into its channel and tell everybody who can see it."""
    message.posted = discord.now()
    if message.viewer_id is not None:
        channel.private[message.id] = message
        _show(discord, channel, message)
        return
    channel.messages[message.id] = message
    _show(discord, channel, message)
    _tell(discord, channel, message, "MESSAGE_CREATE")


def edited(discord: Discord, channel: Channel, message: Message, *, stamp: bool = True) -> None:
    """Note that a message was edited, and tell."""
    if stamp:
        message.edited = discord.world.now()
    _show(discord, channel, message)
    if message.viewer_id is None:
        _tell(discord, channel, message, "MESSAGE_UPDATE")


def delete(discord: Discord, channel: Channel, message: Message) -> None:
    """Take a message away."""
    data = {"id": message.id, "channel_id": channel.id}
    discord.watch.tell("MESSAGE_DELETE", lambda: data)
    if channel.private.pop(message.id, None):
        return
    del channel.messages[message.id]
    if channel.guild_id:
        data["guild_id"] = channel.guild_id
    for session in _listeners(discord, channel):
        session.dispatch("MESSAGE_DELETE", data)


def typing(discord: Discord, channel: Channel, user_id: str) -> None:
    """Tell that somebody types."""
    moment = int(discord.wall())
    data: Json = {"channel_id": channel.id, "user_id": user_id, "timestamp": moment}
    guild = discord.world.guilds.get(channel.guild_id or "")
    if guild:
        data["guild_id"] = guild.id
        data["member"] = render.member(discord.world, guild.members[user_id])
    discord.watch.tell("TYPING_START", lambda: data)
    intent = GUILD_TYPING if guild else DIRECT_TYPING
    for session in _listeners(discord, channel, intent):
        session.dispatch("TYPING_START", data)


def _show(discord: Discord, channel: Channel, message: Message) -> None:
    """Show a message as it is now to those who look on."""
    discord.watch.tell("MESSAGE", lambda: picture.message(discord, channel, message))


def _tell(discord: Discord, channel: Channel, message: Message, event: str) -> None:
    data = render.message(discord.world, message)
    guild = discord.world.guilds.get(channel.guild_id or "")
    if guild:
        data["guild_id"] = guild.id
        if message.author_id in guild.members:
            data["member"] = render.partial_member(guild.members[message.author_id])
    for session in _listeners(discord, channel):
        content = bool(session.intents & MESSAGE_CONTENT)
        shown = veil(data, session.bot_id, channel, content=content)
        if event == "MESSAGE_CREATE" and message.nonce and session.bot_id == message.author_id:
            shown = shown | {"nonce": message.nonce}
        session.dispatch(event, shown)


def veil(data: Json, bot_id: str, channel: Channel, *, content: bool) -> Json:
    """Empty what a bot may not read without the message content intent."""
    mentioned = any(user["id"] == bot_id for user in data["mentions"])
    if content or channel.guild_id is None or mentioned or data["author"]["id"] == bot_id:
        return data
    return data | {"content": "", "embeds": [], "components": [], "attachments": []}


def _listeners(discord: Discord, channel: Channel, intent: int = 0) -> list[Session]:
    """Return the sessions that hear of messages in *channel*, or of what *intent* is for."""
    guild = discord.world.guilds.get(channel.guild_id or "")
    if guild is None:
        mine = [s for s in discord.sessions if s.bot_id == channel.bot_id and s.hears(None)]
        return [session for session in mine if session.intents & (intent or DIRECT_MESSAGES)]
    return [
        session
        for session in discord.sessions.of_guild(guild, intent or GUILD_MESSAGES)
        if permissions.in_channel(guild, guild.members[session.bot_id], channel)
        & permissions.VIEW_CHANNEL
    ]

"""Routes about the messages of a channel."""

import math
from typing import Any

from boostmon.sandbox.acts import messages, server
from boostmon.sandbox.core.sessions import MESSAGE_CONTENT
from boostmon.sandbox.rest.routes import Call, route
from boostmon.sandbox.rules import content
from boostmon.sandbox.rules.language import snowflake, whole, wrong, wrong_at
from boostmon.sandbox.world import permissions, render
from boostmon.sandbox.world.errors import invalid, refuse
from boostmon.sandbox.world.model import CATEGORY, MESSAGEABLE, VOICE, Channel, Message

_LIST = "/channels/{channel_id}/messages"
_OLD = 3600.0
_ONE = "/channels/{channel_id}/messages/{message_id}"


def _visible(call: Call) -> tuple[Channel, int]:
    """Return the channel in the path and what the bot may do there, if it sees it at all."""
    channel, guild = call.channel()
    if guild is None:
        return channel, permissions.ALL & ~permissions.MANAGE_MESSAGES
    allowed = permissions.in_channel(guild, call.me_in(guild), channel)
    hidden = channel.type == VOICE and not allowed & permissions.CONNECT
    if hidden or not allowed & permissions.VIEW_CHANNEL:
        raise refuse(50001)
    return channel, allowed


def _check_send(call: Call, channel: Channel, allowed: int) -> None:
    if channel.type not in MESSAGEABLE or channel.type == CATEGORY:
        raise refuse(50008)
    if channel.guild_id is None:
        user = call.world.users[channel.recipient_id or ""]
        if not any(user.id in guild.members for guild in call.world.guilds_of(call.bot.id)):
            raise refuse(50278)
        if user.bot or not user.dms_open:
            raise refuse(50007)
    needed = permissions.SEND_MESSAGES
    body = call.body or {}
    if body.get("embeds"):
        needed |= permissions.EMBED_LINKS
    if body.get("files"):
        needed |= permissions.ATTACH_FILES
    if allowed & needed != needed:
        raise refuse(50013)


def _shown(call: Call, channel: Channel, message: Message) -> Any:
    may_read = bool(call.bot.privileged & MESSAGE_CONTENT)
    shown = render.message(call.world, message)
    return messages.veil(shown, call.bot.id, channel, content=may_read)


@route("POST", _LIST, rule=content.CREATE, kind="messages", files=True)
async def post_message(call: Call) -> Any:
    """Say something; the same nonce within minutes says it once."""
    channel, allowed = _visible(call)
    _check_send(call, channel, allowed)
    if earlier := _same_nonce(call):
        return earlier
    message = messages.new(call.discord, channel, call.bot.id, call.body)
    _refer(call, channel, message, allowed)
    messages.post(call.discord, channel, message)
    call.discord.remember_nonce(message)
    return _with_nonce(render.message(call.world, message), message)


def _with_nonce(shown: Any, message: Message) -> Any:
    """Show the nonce to who has sent it; it is not kept."""
    return shown if message.nonce is None else shown | {"nonce": message.nonce}


def _same_nonce(call: Call) -> Any:
    """Return the earlier message of this author with this nonce, if that is asked for."""
    nonce = call.body.get("nonce")
    if nonce is None or not call.body.get("enforce_nonce"):
        return None
    said = call.discord.said_with(call.bot.id, nonce)
    if said is None:
        return None
    channel = call.world.channel(said.channel_id)
    if channel is None or said.id not in channel.messages:
        raise refuse(10008)
    return _with_nonce(render.message(call.world, said), said)


def _refer(call: Call, channel: Channel, message: Message, allowed: int) -> None:
    """Make *message* a reply, if it is to be one."""
    reference = call.body.get("message_reference")
    if not reference:
        return
    if not allowed & permissions.READ_MESSAGE_HISTORY:
        raise refuse(50013)
    replied = channel.messages.get(reference.get("message_id") or "")
    if replied is None:
        if reference.get("fail_if_not_exists") is False:
            return
        error = wrong_at(["message_reference"], "REPLIES_UNKNOWN_MESSAGE", "Unknown message")
        raise invalid(error.errors)
    message.type = messages.REPLY
    message.reference = {"type": 0, "channel_id": channel.id, "message_id": replied.id}
    if channel.guild_id:
        message.reference["guild_id"] = channel.guild_id
    messages.mention(call.discord, channel, message, call.body.get("allowed_mentions"))
    message.pinged = messages.pinged(call.discord, channel, message)


@route("POST", "/channels/{channel_id}/typing")
async def start_typing(call: Call) -> Any:
    """Show the bot as typing, to who listens for that."""
    channel, allowed = _visible(call)
    _check_send(call, channel, allowed)
    messages.typing(call.discord, channel, call.bot.id)


@route("GET", _LIST)
async def get_messages(call: Call) -> Any:
    """Read messages, newest first."""
    limit = whole(1, 100)
    asked = call.asked(limit=limit, before=snowflake, after=snowflake, around=snowflake)
    channel, allowed = _visible(call)
    if len({"before", "after", "around"} & asked.keys()) > 1:
        message = "Only one of before, after and around may be given"
        raise invalid(wrong("MUTUALLY_EXCLUSIVE", message).errors)
    if not allowed & permissions.READ_MESSAGE_HISTORY:
        return []
    found = _page(list(channel.messages.values()), asked, asked.get("limit", 50))
    return [_shown(call, channel, message) for message in reversed(found)]


def _page(found: list[Message], asked: dict[str, str], limit: int) -> list[Message]:
    """Return the part of *found* (oldest first) that was asked for."""
    if "after" in asked:
        return [m for m in found if int(m.id) > int(asked["after"])][:limit]
    if "before" in asked:
        return [m for m in found if int(m.id) < int(asked["before"])][-limit:]
    if "around" in asked:
        middle = sum(int(m.id) < int(asked["around"]) for m in found)
        first = max(0, middle - limit // 2)
        return found[first : first + limit]
    return found[-limit:]


def _message(call: Call, channel: Channel) -> Message:
    message = channel.messages.get(call.ids["message_id"])
    if message is None:
        raise refuse(10008)
    return message


@route("GET", _ONE)
async def get_message(call: Call) -> Any:
    """Read one message."""
    channel, allowed = _visible(call)
    if not allowed & permissions.READ_MESSAGE_HISTORY:
        raise refuse(50013)
    return _shown(call, channel, _message(call, channel))


def _check_age(call: Call, channel: Channel, message: Message) -> None:
    """Refuse one more edit of old messages in that channel."""
    if call.discord.now() - message.posted <= _OLD:
        return
    if after := call.discord.limiter.wait("old_edits", channel.id):
        error = refuse(30046)
        error.body |= {"retry_after": after, "global": False}
        error.headers = {"Retry-After": str(math.ceil(after)), "X-RateLimit-Scope": "user"}
        raise error


@route("PATCH", _ONE, rule=content.EDIT, kind="messages", files=True)
async def patch_message(call: Call) -> Any:
    """Edit a message of the bot's own."""
    channel, allowed = _visible(call)
    message = _message(call, channel)
    if message.author_id != call.bot.id:
        raise refuse(50005)
    _check_age(call, channel, message)
    if call.body.get("embeds") and not allowed & permissions.EMBED_LINKS:
        raise refuse(50013)
    messages.fill(call.discord, channel, message, call.body)
    if call.body.get("flags") is not None:
        kept = message.flags & ~messages.SUPPRESS_EMBEDS
        message.flags = kept | call.body["flags"] & messages.SUPPRESS_EMBEDS
    messages.edited(call.discord, channel, message)
    return render.message(call.world, message)


@route("DELETE", _ONE, kind="messages")
async def delete_message(call: Call) -> Any:
    """Delete a message: one's own, or anybody's with Manage Messages."""
    channel, allowed = _visible(call)
    message = _message(call, channel)
    if message.author_id != call.bot.id:
        if not allowed & permissions.MANAGE_MESSAGES:
            raise refuse(50013 if channel.guild_id else 50003)
        guild = call.world.guilds[channel.guild_id or ""]
        call.check_two_factor(guild)
        line = {"action_type": server.MESSAGE_DELETE, "target_id": message.author_id}
        server.audit(call.discord, guild, call.cause(), line)
    messages.delete(call.discord, channel, message)

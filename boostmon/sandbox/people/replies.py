"""Replies to interactions: the original and its follow-ups."""

from typing import Any

from boostmon.sandbox.acts import messages
from boostmon.sandbox.core.discord import Discord
from boostmon.sandbox.core.interactions import COMMAND, Interaction, touch
from boostmon.sandbox.world import render
from boostmon.sandbox.world.errors import refuse
from boostmon.sandbox.world.model import Channel, Message
from boostmon.sandbox.world.snowflakes import at

Json = dict[str, Any]


def _channel(discord: Discord, it: Interaction) -> Channel:
    channel = discord.world.channel(it.channel_id)
    if channel is None:
        raise refuse(10003)
    return channel


def reply(discord: Discord, it: Interaction, body: Json) -> None:
    """Answer with a message."""
    it.flags = (body.get("flags") or 0) & render.EPHEMERAL
    it.original_id = _said(discord, it, body, it.flags).id


def defer(discord: Discord, it: Interaction, body: Json) -> None:
    """Answer with "is thinking": now it is fixed who will see the reply."""
    it.flags = render.LOADING | (body.get("flags") or 0) & render.EPHEMERAL
    channel = _channel(discord, it)
    message_id = discord.world.snowflake()
    message = Message(
        id=message_id, channel_id=channel.id, author_id=it.bot_id, timestamp=at(message_id)
    )
    _put(discord, it, channel, message, it.flags)
    it.original_id = message.id


def acknowledge_update(it: Interaction) -> None:
    """Answer a click without showing anything; the original is the message clicked."""
    it.original_id = it.source_id


def update_source(discord: Discord, it: Interaction, body: Json) -> None:
    """Answer a click by changing the message clicked."""
    it.original_id = it.source_id
    edit(discord, it, original(discord, it), body)


def _said(discord: Discord, it: Interaction, body: Json, flags: int) -> Message:
    channel = _channel(discord, it)
    message = messages.new(discord, channel, it.bot_id, body)
    _put(discord, it, channel, message, flags)
    return message


def _put(discord: Discord, it: Interaction, channel: Channel, message: Message, flags: int) -> None:
    message.flags |= flags
    message.application_id = it.bot_id
    message.interaction_id = it.id
    message.metadata = _metadata(discord, it)
    message.type = _message_type(it)
    replied = it.original_id or it.source_id
    if replied and channel.find(replied):
        message.type = messages.REPLY
        message.reference = {"type": 0, "channel_id": channel.id, "message_id": replied}
        if channel.guild_id:
            message.reference["guild_id"] = channel.guild_id
    if flags & render.EPHEMERAL:
        message.viewer_id = it.user_id
        message.pinged = [user for user in message.pinged if user == it.user_id]
    messages.post(discord, channel, message)
    note(discord, it, message)


def _message_type(it: Interaction) -> int:
    if it.type != COMMAND:
        return 0
    of_menu = "target_id" in it.payload["data"]
    return messages.CONTEXT_MENU_COMMAND if of_menu else messages.CHAT_INPUT_COMMAND


def _metadata(discord: Discord, it: Interaction) -> Json:
    told: Json = {
        "id": it.id,
        "type": it.type,
        "user": render.user(discord.world.users[it.user_id]),
        "authorizing_integration_owners": it.payload["authorizing_integration_owners"],
    }
    opener = discord.interactions.get(it.opened_by or "")
    if opener:
        told["triggering_interaction_metadata"] = _metadata(discord, opener)
    elif it.source_id:
        told["interacted_message_id"] = it.source_id
    resolved = it.payload["data"].get("resolved", {})
    target = it.payload["data"].get("target_id")
    if target in resolved.get("messages", {}):
        told["target_message_id"] = target
    elif target:
        told["target_user"] = resolved["users"][target]
    return told


def note(discord: Discord, it: Interaction, message: Message) -> None:
    """Remember what the user saw, and when."""
    shown = render.message(discord.world, message)
    seen = {k: shown[k] for k in ("id", "content", "embeds", "components", "flags")}
    it.history.append({"at_ms": int((discord.now() - it.created) * 1000), **seen})
    touch(it)


def original(discord: Discord, it: Interaction) -> Message:
    """Return the original reply, or refuse when it is gone."""
    return find(discord, it, it.original_id or "")


def find(discord: Discord, it: Interaction, message_id: str) -> Message:
    """Return the original or a follow-up of *it*."""
    message = _channel(discord, it).find(message_id)
    mine = message_id in (it.original_id, it.source_id, *it.followup_ids)
    if message is None or not mine:
        raise refuse(10008)
    return message


def edit(discord: Discord, it: Interaction, message: Message, body: Json) -> None:
    """Change a reply; the first change ends the loading, and none changes who sees it."""
    loading = message.flags & render.LOADING
    channel = _channel(discord, it)
    messages.fill(discord, channel, message, body)
    if loading:
        message.pinged = messages.pinged(discord, channel, message)
        message.flags &= ~render.LOADING
    if body.get("flags") is not None:
        kept = message.flags & ~messages.SUPPRESS_EMBEDS
        message.flags = kept | body["flags"] & messages.SUPPRESS_EMBEDS
    if message.id == it.original_id:
        it.flags = message.flags & render.EPHEMERAL
        it.edits += 1
    messages.edited(discord, channel, message, stamp=not loading)
    note(discord, it, message)


def follow_up(discord: Discord, it: Interaction, body: Json) -> Message:
    """Say something more; while the reply is loading this is the reply."""
    if it.flags & render.LOADING and not it.deleted:
        message = original(discord, it)
        edit(discord, it, message, body)
        return message
    flags = (body.get("flags") or 0) & render.EPHEMERAL
    message = _said(discord, it, body, flags)
    it.followup_ids.append(message.id)
    return message


def remove(discord: Discord, it: Interaction, message: Message) -> None:
    """Delete a reply."""
    messages.delete(discord, _channel(discord, it), message)
    if message.id == it.original_id:
        it.deleted = True
        it.flags &= ~render.LOADING
    touch(it)

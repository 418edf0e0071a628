"""Renders things as Discord's JSON has them."""

from typing import Any

from boostmon.sandbox.world import permissions
from boostmon.sandbox.world.model import (
    ANNOUNCEMENT,
    CATEGORY,
    DM,
    VOICE,
    Attachment,
    Bot,
    Channel,
    Guild,
    Member,
    Message,
    Role,
    User,
    World,
)

Json = dict[str, Any]

LOADING, EPHEMERAL = 128, 64
HIDDEN = 1 << 17


def user(it: User) -> Json:
    """Show an account."""
    shown: Json = {
        "id": it.id,
        "username": it.username,
        "avatar": None,
        "discriminator": f"{int(it.id) % 9999 + 1:04}" if it.bot else "0",
        "public_flags": 0,
        "flags": 0,
        "global_name": it.global_name,
        "primary_guild": None,
        "banner": None,
        "accent_color": None,
        "avatar_decoration_data": None,
        "collectibles": None,
    }
    return shown | {"bot": True} if it.bot else shown


def me(world: World, it: User) -> Json:
    """Show a bot to itself; it has two-factor where its owner has."""
    owner = world.users[world.bots[it.id].owner_id]
    more = {"mfa_enabled": owner.two_factor, "locale": "en-US", "verified": True, "email": None}
    return user(it) | more


def role(it: Role) -> Json:
    """Show a role."""
    shown: Json = {
        "id": it.id,
        "name": it.name,
        "permissions": str(it.permissions),
        "position": it.position,
        "color": it.color,
        "colors": {
            "primary_color": it.color,
            "secondary_color": it.secondary_color,
            "tertiary_color": it.tertiary_color,
        },
        "hoist": it.hoist,
        "managed": it.managed,
        "mentionable": it.mentionable,
        "icon": None,
        "unicode_emoji": it.unicode_emoji,
        "flags": 0,
    }
    return shown if it.tags is None else shown | {"tags": it.tags}


def partial_member(it: Member) -> Json:
    """Show a member without the account, as messages and interactions do."""
    return {
        "avatar": None,
        "banner": None,
        "communication_disabled_until": it.disabled_until,
        "flags": 0,
        "joined_at": it.joined_at,
        "nick": it.nick,
        "pending": False,
        "premium_since": None,
        "roles": list(it.roles),
    }


def member(world: World, it: Member) -> Json:
    """Show a member."""
    shown = partial_member(it)
    return shown | {"user": user(world.users[it.user_id]), "mute": False, "deaf": False}


def channel(world: World, it: Channel) -> Json:
    """Show a channel."""
    if it.type == DM:
        recipient = world.users[it.recipient_id or ""]
        return {
            "id": it.id,
            "type": DM,
            "flags": 0,
            "last_message_id": it.last_message_id,
            "recipients": [user(recipient)],
        }
    shown: Json = {
        "id": it.id,
        "type": it.type,
        "flags": 0,
        "guild_id": it.guild_id,
        "name": it.name,
        "position": it.position,
        "parent_id": None,
        "permission_overwrites": [
            {"id": o.id, "type": o.type, "allow": str(o.allow), "deny": str(o.deny)}
            for o in it.overwrites.values()
        ],
    }
    return shown | _of_kind(it)


def _of_kind(it: Channel) -> Json:
    """Show what only some kinds of channel have."""
    if it.type == CATEGORY:
        return {}
    shown: Json = {"last_message_id": it.last_message_id, "nsfw": False, "rate_limit_per_user": 0}
    if it.type == VOICE:
        return shown | {"bitrate": 64_000, "user_limit": 0, "rtc_region": None}
    if it.type == ANNOUNCEMENT:
        del shown["rate_limit_per_user"]
    return shown | {"topic": it.topic, "last_pin_timestamp": None}


def channel_seen(world: World, of: Guild, it: Channel, bot_id: str) -> Json:
    """Show a channel as the gateway does: of a hidden one only that it is there, and where."""
    shown = channel(world, it)
    if permissions.sees(of, bot_id, it):
        return shown
    unseen = {"id": of.id, "type": 0, "allow": "0", "deny": str(permissions.VIEW_CHANNEL)}
    hidden = {"name": "___hidden___", "flags": HIDDEN, "permission_overwrites": [unseen]}
    return shown | hidden | dict.fromkeys(shown.keys() & {"topic", "last_message_id"})


_NOTHING: Json = dict.fromkeys(
    (
        "icon",
        "description",
        "home_header",
        "splash",
        "discovery_splash",
        "banner",
        "application_id",
        "afk_channel_id",
        "system_channel_id",
        "widget_channel_id",
        "vanity_url_code",
        "rules_channel_id",
        "safety_alerts_channel_id",
        "public_updates_channel_id",
        "incidents_data",
        "max_presences",
    )
)
"""What a server has none of here."""


def guild(it: Guild) -> Json:
    """Show a server as GET /guilds/{id} does."""
    return _NOTHING | {
        "id": it.id,
        "name": it.name,
        "owner_id": it.owner_id,
        "features": [],
        "region": "us-central",
        "afk_timeout": 300,
        "system_channel_flags": 0,
        "widget_enabled": False,
        "verification_level": 0,
        "roles": [role(r) for r in it.roles.values()],
        "default_message_notifications": 0,
        "mfa_level": it.mfa_level,
        "explicit_content_filter": 0,
        "max_members": 500_000,
        "max_stage_video_channel_users": 50,
        "max_video_channel_users": 25,
        "premium_tier": 0,
        "premium_subscription_count": 0,
        "preferred_locale": it.locale,
        "premium_progress_bar_enabled": False,
        "nsfw": False,
        "nsfw_level": 0,
        "emojis": [],
        "stickers": [],
    }


def guild_create(world: World, it: Guild, bot: Bot, *, everyone: bool) -> Json:
    """Show a server as GUILD_CREATE does; *everyone* or only the bot among its members."""
    here = it.members.values() if everyone else [it.members[bot.id]]
    return guild(it) | {
        "joined_at": it.members[bot.id].joined_at,
        "large": len(it.members) > 250,  # noqa: PLR2004 -- what clients ask for, and Discord's default
        "unavailable": False,
        "member_count": len(it.members),
        "voice_states": [],
        "members": [member(world, m) for m in here],
        "channels": [channel_seen(world, it, c, bot.id) for c in it.channels.values()],
        "threads": [],
        "presences": [],
        "stage_instances": [],
        "guild_scheduled_events": [],
        "soundboard_sounds": [],
    }


def message(world: World, it: Message) -> Json:
    """Show a message."""
    shown: Json = {
        "id": it.id,
        "type": it.type,
        "channel_id": it.channel_id,
        "author": user(world.users[it.author_id]),
        "content": it.content,
        "embeds": it.embeds,
        "components": it.components,
        "attachments": [attachment(one, it) for one in it.attachments],
        "mentions": [user(world.users[u]) for u in it.mentions],
        "mention_roles": it.mention_roles,
        "mention_everyone": it.mention_everyone,
        "timestamp": it.timestamp,
        "edited_timestamp": it.edited,
        "flags": it.flags,
        "pinned": False,
        "tts": it.tts,
    }
    if it.application_id:
        shown |= {"application_id": it.application_id, "webhook_id": it.application_id}
    if it.metadata:
        shown["interaction_metadata"] = it.metadata
    if it.reference:
        shown["message_reference"] = it.reference
    return shown


def attachment(it: Attachment, of: Message) -> Json:
    """Show a file of a message."""
    shown: Json = {
        "id": it.id,
        "filename": it.filename,
        "size": len(it.content),
        "url": it.url,
        "proxy_url": it.url,
        "content_type": it.content_type,
    }
    if it.description is not None:
        shown["description"] = it.description
    return shown | {"ephemeral": True} if of.viewer_id else shown


def permissions_in(guild_: Guild, member_: Member, channel_: Channel) -> str:
    """Show what a member may do in a channel."""
    return str(permissions.in_channel(guild_, member_, channel_))

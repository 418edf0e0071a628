"""Does what people do: `POST /_sim/member`, `user` and `message`."""

from typing import Any, Literal

from msgspec import Struct

from boostmon.sandbox.acts import messages, server
from boostmon.sandbox.acts.named import bot_named, channel_named, guild_named, user_named
from boostmon.sandbox.acts.server import Cause
from boostmon.sandbox.core.discord import Discord
from boostmon.sandbox.world import render, seed
from boostmon.sandbox.world.errors import ControlError
from boostmon.sandbox.world.model import Channel, Guild, Member
from boostmon.sandbox.world.snowflakes import iso


class Change(Struct, forbid_unknown_fields=True, kw_only=True):
    """A change in a server: the first one unless said otherwise; names and ids both do."""

    guild: str | None = None


class MemberChange(Change):
    user: str
    action: Literal["join", "leave", "give", "take", "roles", "nick", "time_out"]
    role: str | None = None
    roles: list[str] = []
    nick: str | None = None
    seconds: float = 0.0
    by: str | None = None


class UserChange(Struct, forbid_unknown_fields=True, kw_only=True):
    user: str
    dms_open: bool | None = None
    two_factor: bool | None = None


class Saying(Change):
    user: str
    content: str = ""
    delete: str | None = None
    """The message that is deleted, rather than one posted."""
    channel: str | None = None
    bot: str | None = None


def change_member(discord: Discord, change: MemberChange) -> Any:
    """Let somebody join or leave, or give or take a role by hand."""
    guild = guild_named(discord, change.guild)
    if change.action == "join":
        user = seed.user_named(discord.world, change.user)
        return render.member(discord.world, server.join(discord, guild, user.id))
    user = user_named(discord, change.user)
    member = guild.members.get(user.id)
    if member is None:
        raise ControlError(f"{change.user} is not in {guild.name}", 404)
    if change.action == "leave":
        server.leave(discord, guild, user.id)
        return None
    if change.action == "nick":
        member.nick = change.nick
        server.member_changed(discord, guild, member)
    elif change.action == "time_out":
        by = user_named(discord, change.by).id if change.by else guild.owner_id
        until = iso(discord.wall() + change.seconds) if change.seconds else None
        server.time_out(discord, guild, member, until, Cause(by))
    else:
        roles = _roles(guild, member, change)
        actor = user_named(discord, change.by).id if change.by else guild.owner_id
        server.set_roles(discord, guild, member, roles, Cause(actor))
    return render.member(discord.world, member)


def _roles(guild: Guild, member: Member, change: MemberChange) -> list[str]:
    """Return what roles a member has after a *change*."""
    if change.action == "roles":
        return [seed.find_role(guild, name).id for name in change.roles]
    role = seed.find_role(guild, change.role or "").id
    rest = [one for one in member.roles if one != role]
    return [*rest, role] if change.action == "give" else rest


def change_user(discord: Discord, change: UserChange) -> Any:
    """Open or close somebody's DMs, or switch two-factor; a name not known yet is made."""
    user = seed.user_named(discord.world, change.user)
    if change.dms_open is not None:
        user.dms_open = change.dms_open
    if change.two_factor is not None:
        user.two_factor = change.two_factor
    return render.user(user)


def say(discord: Discord, change: Saying) -> Any:
    """Post or delete a message, in a channel or (without one) in the DM with the bot."""
    user = user_named(discord, change.user)
    if change.channel is None:
        channel = discord.world.dm(bot_named(discord, change.bot).id, user.id)
    else:
        channel = channel_named(guild_named(discord, change.guild), change.channel)
    if change.delete is not None:
        return _delete(discord, channel, change.delete)
    message = messages.new(discord, channel, user.id, {"content": change.content})
    messages.post(discord, channel, message)
    return render.message(discord.world, message)


def _delete(discord: Discord, channel: Channel, message_id: str) -> None:
    """Delete a message, as a moderator does, or who alone sees it."""
    message = channel.find(message_id)
    if message is None:
        raise ControlError(f"there is no message {message_id} in that channel", 404)
    messages.delete(discord, channel, message)

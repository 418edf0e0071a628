"""Acts in a server, whoever causes them: the change, its event, its line in the audit log."""

from itertools import takewhile
from typing import Any

from msgspec import Struct

from boostmon.sandbox.acts import sight
from boostmon.sandbox.core.discord import Discord
from boostmon.sandbox.core.sessions import GUILDS, MEMBERS, MODERATION
from boostmon.sandbox.world import permissions, render
from boostmon.sandbox.world.model import Guild, Member, Role

KICK, MEMBER_ROLES, ROLE_CREATE, ROLE_UPDATE, ROLE_DELETE = 20, 25, 30, 31, 32
MEMBER_UPDATE, BOT_ADD, MESSAGE_DELETE = 24, 28, 72

Json = dict[str, Any]


class Cause(Struct):
    """Who does something, and the reason they give."""

    actor: str
    reason: str | None = None


def audit(discord: Discord, guild: Guild, by: Cause, what: Json) -> None:
    """Write a line in the audit log and tell the bots that may read it."""
    entry: Json = {"id": discord.world.snowflake(), "user_id": by.actor} | what
    if by.reason is not None:
        entry["reason"] = by.reason
    by_bot = by.actor in discord.world.bots
    fault = discord.faults.take_entry(what["action_type"], by_bot=by_bot)
    if fault is None:
        _publish(discord, guild, entry)
        return
    discord.sessions.tell_faults()
    if fault.audit_log == "delay":
        discord.later.after(fault.seconds, lambda: _publish(discord, guild, entry))


def _publish(discord: Discord, guild: Guild, entry: Json) -> None:
    """Add a line to the audit log, at the place of its id, and tell of it."""
    newer = list(takewhile(lambda one: int(one["id"]) > int(entry["id"]), guild.audit_log))
    for _ in newer:
        guild.audit_log.popleft()
    guild.audit_log.extendleft([entry, *reversed(newer)])
    event = "GUILD_AUDIT_LOG_ENTRY_CREATE"
    discord.watch.tell(event, lambda: entry | {"guild_id": guild.id})
    for session in discord.sessions.of_guild(guild, MODERATION):
        member = guild.members[session.bot_id]
        if permissions.in_guild(guild, member) & permissions.VIEW_AUDIT_LOG:
            session.dispatch(event, entry | {"guild_id": guild.id})


def set_roles(discord: Discord, guild: Guild, member: Member, roles: list[str], by: Cause) -> None:
    """Give *member* exactly these roles; what changes nothing leaves no trace."""
    added = [role for role in roles if role not in member.roles]
    removed = [role for role in member.roles if role not in roles]
    if not added and not removed:
        return
    member.roles = [role for role in member.roles if role in roles] + added
    changes = [
        {"key": key, "new_value": [{"id": r, "name": guild.roles[r].name} for r in which]}
        for key, which in (("$add", added), ("$remove", removed))
        if which
    ]
    line = {"action_type": MEMBER_ROLES, "target_id": member.user_id, "changes": changes}
    audit(discord, guild, by, line)
    member_changed(discord, guild, member)
    if member.user_id in discord.world.bots:
        sight.look_again(discord, guild)


def member_changed(discord: Discord, guild: Guild, member: Member) -> None:
    """Tell of a change to a member: to who listens for members, and to the bot itself."""
    data = render.member(discord.world, member) | {"guild_id": guild.id}
    event = "GUILD_MEMBER_UPDATE"
    discord.sessions.to_guild(guild, event, data, MEMBERS, always=member.user_id)


def time_out(discord: Discord, guild: Guild, member: Member, until: str | None, by: Cause) -> None:
    """Put a member in time-out until a moment, or (None) end it."""
    before, member.disabled_until = member.disabled_until, until
    change = {"key": "communication_disabled_until", "old_value": before, "new_value": until}
    told = {key: value for key, value in change.items() if value is not None}
    line = {"action_type": MEMBER_UPDATE, "target_id": member.user_id, "changes": [told]}
    audit(discord, guild, by, line)
    member_changed(discord, guild, member)
    if member.user_id in discord.world.bots:
        sight.look_again(discord, guild)


def join(discord: Discord, guild: Guild, user_id: str) -> Member:
    """Let a user into a server."""
    member = guild.members.setdefault(user_id, Member(user_id, [], discord.world.now()))
    data = render.member(discord.world, member) | {"guild_id": guild.id}
    discord.sessions.to_guild(guild, "GUILD_MEMBER_ADD", data, MEMBERS)
    return member


def leave(discord: Discord, guild: Guild, user_id: str) -> None:
    """Let a user out of a server; the roles are gone with the membership."""
    del guild.members[user_id]
    data = {"guild_id": guild.id, "user": render.user(discord.world.users[user_id])}
    discord.sessions.to_guild(guild, "GUILD_MEMBER_REMOVE", data, MEMBERS)


def bot_leaves(discord: Discord, guild: Guild, bot_id: str) -> None:
    """Take a bot out of a server, with its own role."""
    own = [r for r in guild.roles.values() if r.tags == {"bot_id": bot_id}]
    for session in discord.sessions.of_guild(guild, GUILDS):
        if session.bot_id == bot_id:
            session.dispatch("GUILD_DELETE", {"id": guild.id})
    leave(discord, guild, bot_id)
    for role in own:
        delete_role(discord, guild, role, Cause(guild.owner_id))
    discord.world.bots[bot_id].commands.pop(guild.id, None)
    discord.watch.begin_anew()


def bot_joins(discord: Discord, guild: Guild, bot_id: str) -> None:
    """Add a bot to a server with a role of its own, as an invitation does."""
    bot = discord.world.bots[bot_id]
    role = Role(discord.world.snowflake(), bot.name, permissions.MANAGE_ROLES, managed=True)
    role.tags = {"bot_id": bot_id}
    create_role(discord, guild, role, Cause(guild.owner_id))
    guild.members[bot_id] = Member(bot_id, [role.id], discord.world.now())
    guild.seen[bot_id] = permissions.seen(guild, bot_id)
    announce(discord, guild, only=bot_id, new=True)


def announce(discord: Discord, guild: Guild, *, only: str | None = None, new: bool) -> None:
    """Send GUILD_CREATE to the bots in *guild*; clients tell a *new* one by the absent key."""
    discord.watch.begin_anew()
    for session in discord.sessions.of_guild(guild, GUILDS):
        if only in (None, session.bot_id):
            data = session.guild_create(discord.world, guild)
            if new:
                del data["unavailable"]
            session.dispatch("GUILD_CREATE", data)


def create_role(discord: Discord, guild: Guild, role: Role, by: Cause) -> None:
    """Add a role at the bottom, just above @everyone; the others move up, as clients expect."""
    for other in guild.roles.values():
        other.position += other.id != guild.id
    role.position = 1
    guild.roles[role.id] = role
    audit(discord, guild, by, {"action_type": ROLE_CREATE, "target_id": role.id})
    data = {"guild_id": guild.id, "role": render.role(role)}
    discord.sessions.to_guild(guild, "GUILD_ROLE_CREATE", data)


def role_changed(discord: Discord, guild: Guild, role: Role, by: Cause) -> None:
    """Tell of a change to a role."""
    audit(discord, guild, by, {"action_type": ROLE_UPDATE, "target_id": role.id})
    data = {"guild_id": guild.id, "role": render.role(role)}
    discord.sessions.to_guild(guild, "GUILD_ROLE_UPDATE", data)
    sight.look_again(discord, guild)


def move_roles(discord: Discord, guild: Guild, moves: dict[str, int], by: Cause) -> None:
    """Put roles at positions; the rest closes up around them, and each that moved is told."""
    rest = sorted(
        (r for r in guild.roles.values() if r.id not in moves and r.id != guild.id),
        key=permissions.rank,
    )
    order = rest[:]
    for role_id, position in sorted(moves.items(), key=lambda move: move[1]):
        order.insert(max(0, position - 1), guild.roles[role_id])
    for position, role in enumerate(order, 1):
        if role.position != position:
            role.position = position
            role_changed(discord, guild, role, by)


def delete_role(discord: Discord, guild: Guild, role: Role, by: Cause) -> None:
    """Delete a role: members lose it without an event of their own, as in Discord."""
    del guild.roles[role.id]
    for other in guild.roles.values():
        other.position -= other.position > role.position
    for member in guild.members.values():
        if role.id in member.roles:
            member.roles.remove(role.id)
    for channel in guild.channels.values():
        channel.overwrites.pop(role.id, None)
    audit(discord, guild, by, {"action_type": ROLE_DELETE, "target_id": role.id})
    data = {"guild_id": guild.id, "role_id": role.id}
    discord.sessions.to_guild(guild, "GUILD_ROLE_DELETE", data)
    sight.look_again(discord, guild)

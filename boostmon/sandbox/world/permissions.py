"""Permission bits and the algorithm that Discord documents for them."""

from collections.abc import Iterable
from datetime import UTC, datetime

from boostmon.sandbox.world.errors import ControlError
from boostmon.sandbox.world.model import Channel, Guild, Member, Role

BITS = {
    "CREATE_INSTANT_INVITE": 0,
    "KICK_MEMBERS": 1,
    "BAN_MEMBERS": 2,
    "ADMINISTRATOR": 3,
    "MANAGE_CHANNELS": 4,
    "MANAGE_GUILD": 5,
    "ADD_REACTIONS": 6,
    "VIEW_AUDIT_LOG": 7,
    "PRIORITY_SPEAKER": 8,
    "STREAM": 9,
    "VIEW_CHANNEL": 10,
    "SEND_MESSAGES": 11,
    "SEND_TTS_MESSAGES": 12,
    "MANAGE_MESSAGES": 13,
    "EMBED_LINKS": 14,
    "ATTACH_FILES": 15,
    "READ_MESSAGE_HISTORY": 16,
    "MENTION_EVERYONE": 17,
    "USE_EXTERNAL_EMOJIS": 18,
    "VIEW_GUILD_INSIGHTS": 19,
    "CONNECT": 20,
    "SPEAK": 21,
    "MUTE_MEMBERS": 22,
    "DEAFEN_MEMBERS": 23,
    "MOVE_MEMBERS": 24,
    "USE_VAD": 25,
    "CHANGE_NICKNAME": 26,
    "MANAGE_NICKNAMES": 27,
    "MANAGE_ROLES": 28,
    "MANAGE_WEBHOOKS": 29,
    "MANAGE_GUILD_EXPRESSIONS": 30,
    "USE_APPLICATION_COMMANDS": 31,
    "REQUEST_TO_SPEAK": 32,
    "MANAGE_EVENTS": 33,
    "MANAGE_THREADS": 34,
    "CREATE_PUBLIC_THREADS": 35,
    "CREATE_PRIVATE_THREADS": 36,
    "USE_EXTERNAL_STICKERS": 37,
    "SEND_MESSAGES_IN_THREADS": 38,
    "USE_EMBEDDED_ACTIVITIES": 39,
    "MODERATE_MEMBERS": 40,
    "VIEW_CREATOR_MONETIZATION_ANALYTICS": 41,
    "USE_SOUNDBOARD": 42,
    "CREATE_GUILD_EXPRESSIONS": 43,
    "CREATE_EVENTS": 44,
    "USE_EXTERNAL_SOUNDS": 45,
    "SEND_VOICE_MESSAGES": 46,
    "SET_VOICE_CHANNEL_STATUS": 48,
    "SEND_POLLS": 49,
    "USE_EXTERNAL_APPS": 50,
    "PIN_MESSAGES": 51,
    "BYPASS_SLOWMODE": 52,
}
ALL = sum(1 << bit for bit in BITS.values())
ADMINISTRATOR = 1 << BITS["ADMINISTRATOR"]
MANAGE_GUILD = 1 << BITS["MANAGE_GUILD"]
VIEW_AUDIT_LOG = 1 << BITS["VIEW_AUDIT_LOG"]
VIEW_CHANNEL = 1 << BITS["VIEW_CHANNEL"]
SEND_MESSAGES = 1 << BITS["SEND_MESSAGES"]
MANAGE_MESSAGES = 1 << BITS["MANAGE_MESSAGES"]
EMBED_LINKS = 1 << BITS["EMBED_LINKS"]
ATTACH_FILES = 1 << BITS["ATTACH_FILES"]
READ_MESSAGE_HISTORY = 1 << BITS["READ_MESSAGE_HISTORY"]
MENTION_EVERYONE = 1 << BITS["MENTION_EVERYONE"]
CONNECT = 1 << BITS["CONNECT"]
MANAGE_NICKNAMES = 1 << BITS["MANAGE_NICKNAMES"]
MANAGE_ROLES = 1 << BITS["MANAGE_ROLES"]
USE_APPLICATION_COMMANDS = 1 << BITS["USE_APPLICATION_COMMANDS"]
_IN_TIME_OUT = VIEW_CHANNEL | READ_MESSAGE_HISTORY
EVERYDAY = sum(
    1 << BITS[name]
    for name in (
        "CREATE_INSTANT_INVITE",
        "ADD_REACTIONS",
        "STREAM",
        "VIEW_CHANNEL",
        "SEND_MESSAGES",
        "EMBED_LINKS",
        "ATTACH_FILES",
        "READ_MESSAGE_HISTORY",
        "USE_EXTERNAL_EMOJIS",
        "CONNECT",
        "SPEAK",
        "USE_VAD",
        "CHANGE_NICKNAME",
        "USE_APPLICATION_COMMANDS",
        "SEND_MESSAGES_IN_THREADS",
    )
)


def parse(value: int | str | Iterable[str]) -> int:
    """Read permissions given as a number, a string of digits, or names."""
    if isinstance(value, int):
        return value
    if isinstance(value, str):
        if not (value.isascii() and value.isdigit()):
            raise ControlError(f"permissions are names, a number or digits, not {value!r}")
        return int(value)
    unknown = {name.upper() for name in value} - BITS.keys()
    if unknown:
        raise ControlError(f"no such permissions: {', '.join(sorted(unknown))}")
    return sum(1 << BITS[name.upper()] for name in set(value))


def in_guild(guild: Guild, member: Member) -> int:
    """Return what *member* may do in *guild*, before any channel has its say."""
    if guild.owner_id == member.user_id:
        return ALL
    allowed = guild.roles[guild.id].permissions
    for role_id in member.roles:
        allowed |= guild.roles[role_id].permissions
    if allowed & ADMINISTRATOR:
        return ALL
    return allowed & _IN_TIME_OUT if in_time_out(member) else allowed


def in_time_out(member: Member) -> bool:
    """Whether a member is in time-out now, which does not hold for who administers."""
    until = member.disabled_until
    return until is not None and datetime.fromisoformat(until) > datetime.now(UTC)


def in_channel(guild: Guild, member: Member, channel: Channel) -> int:
    """Return what *member* may do in *channel*: the overwrites on top of the guild's roles."""
    allowed = in_guild(guild, member)
    if allowed & ADMINISTRATOR:
        return ALL
    overwrites = channel.overwrites
    if everyone := overwrites.get(guild.id):
        allowed = allowed & ~everyone.deny | everyone.allow
    roles = [overwrites[role] for role in member.roles if role in overwrites]
    for overwrite in roles:
        allowed &= ~overwrite.deny
    for overwrite in roles:
        allowed |= overwrite.allow
    if own := overwrites.get(member.user_id):
        allowed = allowed & ~own.deny | own.allow
    return _implied(allowed & _IN_TIME_OUT if in_time_out(member) else allowed)


def sees(guild: Guild, user_id: str, channel: Channel) -> bool:
    """Whether a member may see *channel*."""
    return bool(in_channel(guild, guild.members[user_id], channel) & VIEW_CHANNEL)


def seen(guild: Guild, user_id: str) -> set[str]:
    """Return the channels that a member may see."""
    return {one.id for one in guild.channels.values() if sees(guild, user_id, one)}


def _implied(allowed: int) -> int:
    """Take away what needs a permission that is missing."""
    if not allowed & VIEW_CHANNEL:
        return 0
    if not allowed & SEND_MESSAGES:
        allowed &= ~(MENTION_EVERYONE | EMBED_LINKS | ATTACH_FILES)
        allowed &= ~(1 << BITS["SEND_TTS_MESSAGES"])
    return allowed


def rank(role: Role) -> tuple[int, int]:
    """Return what roles are ordered by: of two at one position the older is higher."""
    return role.position, -int(role.id)


def top(guild: Guild, member: Member) -> tuple[int, int]:
    """Return the rank of the highest role of *member*."""
    return max(rank(guild.roles[role]) for role in (guild.id, *member.roles))


def outranks(guild: Guild, member: Member, role: Role) -> bool:
    """Whether *role* is below *member*; the owner is above all."""
    return guild.owner_id == member.user_id or top(guild, member) > rank(role)

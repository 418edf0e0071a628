"""Building a world from its description."""

import base64
import secrets
import time
from collections.abc import Callable, Iterable

from msgspec import structs

from boostmon.sandbox.world import permissions
from boostmon.sandbox.world.errors import ControlError
from boostmon.sandbox.world.model import (
    KINDS_IN_GUILDS,
    PRIVILEGED,
    Bot,
    Channel,
    Guild,
    Member,
    Overwrite,
    Role,
    User,
    World,
)
from boostmon.sandbox.world.snowflakes import Snowflakes
from boostmon.sandbox.world.world_spec import (
    BotSpec,
    ChannelSpec,
    GuildSpec,
    MemberSpec,
    OverwriteSpec,
    RoleSpec,
    UserSpec,
    WorldSpec,
)

AGE = 86_400.0  # seconds that a server of the description, and its members, have been there


def build(
    spec: WorldSpec, *, known: Iterable[Bot] = (), clock: Callable[[], float] = time.time
) -> World:
    """Make the world that *spec* describes; a bot whose name is *known* keeps what is its own.

    That is its id, its token, and its commands, those of a server only if that has its id again.
    """
    if not spec.bots:
        raise ControlError("a world needs a bot")
    kept = {bot.name: bot for bot in known}
    world = World(Snowflakes(clock))
    for user in spec.users:
        add_user(world, user)
    for guild in spec.guilds:
        for name in (guild.owner, *(member.user for member in guild.members)):
            user_named(world, name)
    scopes = {"", *(guild.id for guild in spec.guilds)}
    for described in spec.bots:
        before = kept.get(described.name)
        bot = _add_bot(world, described, before)
        if before and before.id == bot.id:
            bot.commands = {s: made for s, made in before.commands.items() if s in scopes}
    for guild in spec.guilds:
        add_guild(world, guild)
    return world


def add_user(world: World, spec: UserSpec) -> User:
    """Make an account."""
    if spec.name in world.names:
        raise ControlError(f"there is a user {spec.name} already")
    user_id = spec.id or world.snowflake()
    name = spec.name.lower().replace(" ", "_")
    user = User(user_id, spec.name, name, spec.name.title())
    user.dms_open, user.two_factor = spec.dms_open, spec.two_factor
    return world.add(user)


def user_named(world: World, name: str) -> User:
    """Find an account by name or id; one that is only named here is made."""
    return world.user(name) or add_user(world, UserSpec(name=name))


def _add_bot(world: World, spec: BotSpec, before: Bot | None) -> Bot:
    if before and spec.id in (None, before.id):
        spec = structs.replace(spec, id=before.id, token=spec.token or before.token)
    bot_id = spec.id or world.snowflake()
    first = next(iter(world.users.values())).key if world.users else "owner"
    owner = user_named(world, spec.owner or first)
    world.add(User(bot_id, spec.name, spec.name, bot=True))
    bot = Bot(bot_id, spec.name, spec.token or new_token(bot_id), owner.id)
    bot.privileged = sum(PRIVILEGED[name] for name in spec.privileged_intents)
    world.bots[bot_id] = bot
    return bot


def new_token(bot_id: str) -> str:
    """Make a token: the id, a moment, a secret, in Discord's shape."""
    first = base64.urlsafe_b64encode(bot_id.encode()).decode().rstrip("=")
    return f"{first}.{secrets.token_urlsafe(4)}.{secrets.token_urlsafe(28)}"


def add_guild(world: World, spec: GuildSpec) -> Guild:
    """Make a server with its roles, members and channels, and every bot in it."""
    owner = user_named(world, spec.owner)
    founded = world.now(ago=AGE)
    guild = Guild(spec.id or world.snowflake(), spec.name, owner.id, founded, spec.locale)
    guild.mfa_level = spec.mfa_level
    world.guilds[guild.id] = guild
    everyone = permissions.parse(spec.everyone)
    guild.roles[guild.id] = Role(guild.id, "@everyone", everyone, position=0)
    guild.members[owner.id] = Member(owner.id, [], guild.joined_at)
    for bot in world.bots.values():
        guild.members[bot.id] = Member(bot.id, [], guild.joined_at)
    for role in spec.roles:
        add_role(world, guild, role)
    for bot in world.bots.values():
        if not any(r.tags == {"bot_id": bot.id} for r in guild.roles.values()):
            add_role(
                world, guild, RoleSpec(name=bot.name, bot=bot.name, permissions=["MANAGE_ROLES"])
            )
    for member in spec.members:
        add_member(world, guild, member).joined_at = founded
    for channel in spec.channels:
        add_channel(world, guild, channel)
    guild.seen = {bot_id: permissions.seen(guild, bot_id) for bot_id in world.bots}
    return guild


def add_role(world: World, guild: Guild, spec: RoleSpec) -> Role:
    """Add a role on top of those there are."""
    highest = max(role.position for role in guild.roles.values())
    role = Role(spec.id or world.snowflake(), spec.name, permissions.parse(spec.permissions))
    role.position, role.color = highest + 1, spec.color
    role.hoist, role.mentionable = spec.hoist, spec.mentionable
    role.managed, role.tags = spec.managed or spec.tags is not None, spec.tags
    if spec.bot is not None:
        bot = next(bot for bot in world.bots.values() if bot.name == spec.bot)
        role.managed, role.tags = True, {"bot_id": bot.id}
        if bot.id in guild.members:
            guild.members[bot.id].roles.append(role.id)
    guild.roles[role.id] = role
    return role


def find_role(guild: Guild, name: str) -> Role:
    """Find a role by name or id, or complain."""
    if found := guild.roles.get(name):
        return found
    for role in guild.roles.values():
        if role.name == name:
            return role
    raise ControlError(f"there is no role {name} in {guild.name}")


def add_member(world: World, guild: Guild, spec: MemberSpec) -> Member:
    """Let somebody into a server (or set what is said of somebody who is there)."""
    user = user_named(world, spec.user)
    member = guild.members.get(user.id) or Member(user.id, [], world.now())
    member.nick = spec.nick
    member.roles = [find_role(guild, name).id for name in spec.roles] or member.roles
    guild.members[user.id] = member
    return member


def add_channel(world: World, guild: Guild, spec: ChannelSpec) -> Channel:
    """Add a channel below those there are."""
    if spec.type not in KINDS_IN_GUILDS:
        raise ControlError(f"a channel is of one of the types {KINDS_IN_GUILDS}")
    channel = Channel(spec.id or world.snowflake(), spec.name, spec.type, guild.id)
    channel.position, channel.topic = len(guild.channels), spec.topic
    set_overwrites(world, guild, channel, spec.overwrites)
    guild.channels[channel.id] = channel
    return channel


def set_overwrites(
    world: World, guild: Guild, channel: Channel, specs: list[OverwriteSpec]
) -> None:
    """Give *channel* exactly these permission overwrites."""
    channel.overwrites = {}
    for spec in specs:
        kind = 0 if spec.role is not None else 1
        target = (
            find_role(guild, spec.role).id if spec.role else user_named(world, spec.member or "").id
        )
        allow, deny = permissions.parse(spec.allow), permissions.parse(spec.deny)
        channel.overwrites[target] = Overwrite(target, kind, allow, deny)

"""Routes about servers and their members."""

from typing import Any

from boostmon.sandbox.acts import server
from boostmon.sandbox.rest.routes import Call, route
from boostmon.sandbox.rules.language import many, nullable, shape, snowflake, text, whole
from boostmon.sandbox.world import permissions, render
from boostmon.sandbox.world.errors import refuse
from boostmon.sandbox.world.model import PRIVILEGED, Guild, Member

_MODIFY_MEMBER = shape(nick=nullable(text(0, 32)), roles=nullable(many(snowflake)))


@route("GET", "/users/@me")
async def get_me(call: Call) -> Any:
    """Show the bot to itself."""
    return render.me(call.world, call.world.users[call.bot.id])


@route("GET", "/users/{user_id}")
async def get_user(call: Call) -> Any:
    """Show any account."""
    user = call.world.users.get(call.ids["user_id"])
    if user is None:
        raise refuse(10013)
    return render.user(user)


@route("GET", "/users/@me/guilds")
async def get_my_guilds(call: Call) -> Any:
    """List the servers of the bot."""
    asked = call.asked(before=snowflake, after=snowflake, limit=whole(1, 200))
    counted = call.query.get("with_counts", "").lower() in ("true", "1")
    found = sorted(call.world.guilds_of(call.bot.id), key=lambda guild: int(guild.id))
    found = [g for g in found if int(g.id) > int(asked.get("after", 0))]
    if "before" in asked:
        found = [g for g in found if int(g.id) < int(asked["before"])]
    return [
        {
            "id": guild.id,
            "name": guild.name,
            "icon": None,
            "banner": None,
            "owner": guild.owner_id == call.bot.id,
            "permissions": str(permissions.in_guild(guild, call.me_in(guild))),
            "features": [],
            **(_counts(guild) if counted else {}),
        }
        for guild in found[: asked.get("limit", 200)]
    ]


@route("DELETE", "/users/@me/guilds/{guild_id}")
async def leave_guild(call: Call) -> Any:
    """Let the bot leave a server."""
    server.bot_leaves(call.discord, call.guild(), call.bot.id)


@route("GET", "/guilds/{guild_id}")
async def get_guild(call: Call) -> Any:
    """Show a server; one where the bot is not a member is as unknown as one that is not there."""
    guild = call.world.guilds.get(call.ids["guild_id"])
    if guild is None or call.bot.id not in guild.members:
        raise refuse(10004)
    shown = render.guild(guild)
    if call.query.get("with_counts", "").lower() in ("true", "1"):
        shown |= _counts(guild)
    return shown


def _counts(guild: Guild) -> dict[str, int]:
    count = len(guild.members)
    return {"approximate_member_count": count, "approximate_presence_count": count}


@route("GET", "/guilds/{guild_id}/channels")
async def get_channels(call: Call) -> Any:
    """List the channels of a server that the bot sees."""
    guild = call.guild()
    seen = [c for c in guild.channels.values() if permissions.sees(guild, call.bot.id, c)]
    return [render.channel(call.world, channel) for channel in seen]


@route("GET", "/guilds/{guild_id}/members")
async def get_members(call: Call) -> Any:
    """List members; needs the privileged intent."""
    asked = call.asked(limit=whole(1, 1000), after=snowflake)
    guild = call.guild()
    if not call.bot.privileged & PRIVILEGED["members"]:
        raise refuse(50001)
    after = int(asked.get("after", 0))
    found = sorted((m for m in guild.members.values() if int(m.user_id) > after), key=_by_id)
    return [render.member(call.world, member) for member in found[: asked.get("limit", 1)]]


def _by_id(member: Member) -> int:
    return int(member.user_id)


@route("GET", "/guilds/{guild_id}/members/search")
async def search_members(call: Call) -> Any:
    """Find members whose name or nickname begins with something."""
    asked = call.asked({"query": text(1, 100)}, limit=whole(1, 1000))
    guild = call.guild()
    start = asked["query"].lower()
    found = [m for m in guild.members.values() if _starts(call, m, start)]
    return [render.member(call.world, member) for member in found[: asked.get("limit", 1)]]


def _starts(call: Call, member: Member, start: str) -> bool:
    user = call.world.users[member.user_id]
    names = (user.username, user.global_name or "", member.nick or "")
    return any(name.lower().startswith(start) for name in names)


@route("GET", "/guilds/{guild_id}/members/{user_id}")
async def get_member(call: Call) -> Any:
    """Show a member."""
    return render.member(call.world, member_in_path(call))


def member_in_path(call: Call) -> Member:
    """Return the member in the path, or refuse: who has left is unknown, who never was, too."""
    guild = call.guild()
    user_id = call.ids["user_id"]
    if user_id not in call.world.users:
        raise refuse(10013)
    if user_id not in guild.members:
        raise refuse(10007)
    return guild.members[user_id]


@route("PATCH", "/guilds/{guild_id}/members/{user_id}", rule=_MODIFY_MEMBER, kind="roles")
async def modify_member(call: Call) -> Any:
    """Set a member's nickname or roles."""
    guild, member = call.guild(), member_in_path(call)
    me = call.me_in(guild)
    allowed = permissions.in_guild(guild, me)
    if "nick" in call.body:
        below = member is me or permissions.top(guild, me) > permissions.top(guild, member)
        if not allowed & permissions.MANAGE_NICKNAMES or not below:
            raise refuse(50013)
    wanted: list[str] = call.body.get("roles") or []
    if "roles" in call.body:
        for role_id in {*wanted} ^ {*member.roles}:
            check_role(call, role_id)
    if "nick" in call.body:
        member.nick = call.body["nick"] or None
        server.member_changed(call.discord, guild, member)
    if "roles" in call.body:
        wanted = list(dict.fromkeys(wanted))
        server.set_roles(call.discord, guild, member, wanted, call.cause())
    return render.member(call.world, member)


def check_role(call: Call, role_id: str) -> None:
    """Refuse unless the bot may give and take this role."""
    guild = call.guild()
    if role_id == guild.id or role_id not in guild.roles:
        raise refuse(10011)
    me, role = call.me_in(guild), guild.roles[role_id]
    if not permissions.in_guild(guild, me) & permissions.MANAGE_ROLES:
        raise refuse(50013)
    call.check_two_factor(guild)
    if role.managed or not permissions.outranks(guild, me, role):
        raise refuse(50013)


@route("PUT", "/guilds/{guild_id}/members/{user_id}/roles/{role_id}", kind="roles")
async def add_member_role(call: Call) -> Any:
    """Give a role; giving it again changes nothing."""
    guild, member = call.guild(), member_in_path(call)
    role_id = call.ids["role_id"]
    check_role(call, role_id)
    roles = [*(r for r in member.roles if r != role_id), role_id]
    server.set_roles(call.discord, guild, member, roles, call.cause())


@route("DELETE", "/guilds/{guild_id}/members/{user_id}/roles/{role_id}", kind="roles")
async def remove_member_role(call: Call) -> Any:
    """Take a role; taking it again changes nothing."""
    guild, member = call.guild(), member_in_path(call)
    role_id = call.ids["role_id"]
    check_role(call, role_id)
    roles = [r for r in member.roles if r != role_id]
    server.set_roles(call.discord, guild, member, roles, call.cause())


@route("GET", "/guilds/{guild_id}/audit-logs")
async def get_audit_log(call: Call) -> Any:
    """Show the audit log, newest first."""
    asked = call.asked(
        user_id=snowflake,
        target_id=snowflake,
        action_type=whole(0),
        before=snowflake,
        after=snowflake,
        limit=whole(1, 100),
    )
    guild = call.guild()
    if not permissions.in_guild(guild, call.me_in(guild)) & permissions.VIEW_AUDIT_LOG:
        raise refuse(50013)
    entries = [e for e in guild.audit_log if _wanted(e, asked)]
    if "after" in asked:
        entries.reverse()
    entries = entries[: asked.get("limit", 50)]
    people = {e["user_id"] for e in entries} | {e["target_id"] for e in entries}
    return {
        "application_commands": [],
        "audit_log_entries": entries,
        "auto_moderation_rules": [],
        "guild_scheduled_events": [],
        "integrations": [],
        "threads": [],
        "users": [render.user(u) for u in call.world.users.values() if u.id in people],
        "webhooks": [],
    }


def _wanted(entry: dict[str, Any], asked: dict[str, Any]) -> bool:
    for key in ("user_id", "target_id", "action_type"):
        if key in asked and entry[key] != asked[key]:
            return False
    number = int(entry["id"])
    return number > int(asked.get("after", 0)) and (
        "before" not in asked or number < int(asked["before"])
    )

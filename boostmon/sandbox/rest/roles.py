"""Routes about roles."""

import re
from typing import Any

from boostmon.sandbox.acts import server
from boostmon.sandbox.rest.routes import Call, route
from boostmon.sandbox.rules.language import (
    Rule,
    boolean,
    many,
    nullable,
    shape,
    snowflake,
    text,
    whole,
    wrong,
)
from boostmon.sandbox.world import permissions, render
from boostmon.sandbox.world.errors import invalid, refuse
from boostmon.sandbox.world.model import Guild, Role

_MOST_ROLES = 250
_COLOR = whole(0, 0xFFFFFF)


def _bits(value: Any) -> int:
    """Read permissions: digits in a string, or a number."""
    number = int(value) if isinstance(value, str) and re.fullmatch(r"[0-9]+", value) else value
    if isinstance(number, bool) or not isinstance(number, int) or number < 0:
        raise wrong("NUMBER_TYPE_COERCE", f'Value "{value}" is not int.')
    return number & permissions.ALL


_FIELDS: dict[str, Rule] = {
    "name": nullable(text(0, 100)),
    "permissions": nullable(_bits),
    "color": nullable(_COLOR),
    "colors": nullable(
        shape(
            {"primary_color": _COLOR},
            secondary_color=nullable(_COLOR),
            tertiary_color=nullable(_COLOR),
        )
    ),
    "hoist": nullable(boolean),
    "mentionable": nullable(boolean),
    "unicode_emoji": nullable(text(0, 100)),
}


@route("GET", "/guilds/{guild_id}/roles")
async def get_roles(call: Call) -> Any:
    """List the roles of a server."""
    return [render.role(role) for role in call.guild().roles.values()]


@route("GET", "/guilds/{guild_id}/roles/{role_id}")
async def get_role(call: Call) -> Any:
    """Show a role."""
    return render.role(_role(call))


def _role(call: Call) -> Role:
    role = call.guild().roles.get(call.ids["role_id"])
    if role is None:
        raise refuse(10011)
    return role


def _manager(call: Call) -> Guild:
    guild = call.guild()
    if not permissions.in_guild(guild, call.me_in(guild)) & permissions.MANAGE_ROLES:
        raise refuse(50013)
    call.check_two_factor(guild)
    return guild


@route("POST", "/guilds/{guild_id}/roles", rule=shape(**_FIELDS))
async def create_role(call: Call) -> Any:
    """Make a role at the bottom of the list."""
    guild = _manager(call)
    if len(guild.roles) >= _MOST_ROLES:
        raise refuse(30005)
    role = Role(call.world.snowflake(), "new role", guild.roles[guild.id].permissions)
    _apply(call, guild, role)
    server.create_role(call.discord, guild, role, call.cause())
    return render.role(role)


def _apply(call: Call, guild: Guild, role: Role) -> None:
    """Write the body's fields to *role*; nobody grants a permission that they do not have."""
    body = {key: value for key, value in call.body.items() if value is not None}
    mine = permissions.in_guild(guild, call.me_in(guild))
    if body.get("permissions", role.permissions) & ~mine & ~role.permissions:
        raise refuse(50013)
    for key in ("name", "permissions", "hoist", "mentionable", "unicode_emoji", "color"):
        if key in body:
            setattr(role, key, body[key])
    if "colors" in body:
        role.color = body["colors"]["primary_color"]
        role.secondary_color = body["colors"].get("secondary_color")
        role.tertiary_color = body["colors"].get("tertiary_color")


def _below(call: Call, guild: Guild, role: Role) -> None:
    if not permissions.outranks(guild, call.me_in(guild), role):
        raise refuse(50013)


@route("PATCH", "/guilds/{guild_id}/roles/{role_id}", rule=shape(**_FIELDS))
async def modify_role(call: Call) -> Any:
    """Change a role below the bot's own."""
    guild, role = _manager(call), _role(call)
    _below(call, guild, role)
    _apply(call, guild, role)
    server.role_changed(call.discord, guild, role, call.cause())
    return render.role(role)


_POSITIONS = many(shape({"id": snowflake}, position=nullable(whole())))


@route("PATCH", "/guilds/{guild_id}/roles", rule=_POSITIONS)
async def move_roles(call: Call) -> Any:
    """Move roles, all of them from and to places below the bot's own."""
    guild = _manager(call)
    moves: dict[str, int] = {}
    ceiling = permissions.top(guild, call.me_in(guild))
    for wish in call.body:
        role = guild.roles.get(wish["id"])
        if role is None:
            raise refuse(10011)
        position = wish.get("position")
        if position is None:
            continue
        if role.id == guild.id or position < 1:
            message = "Cannot move the @everyone role or put a role below it."
            raise invalid(wrong("ROLE_POSITION_INVALID", message).errors)
        _below(call, guild, role)
        if guild.owner_id != call.bot.id and position >= ceiling[0]:
            raise refuse(50013)
        moves[role.id] = position
    server.move_roles(call.discord, guild, moves, call.cause())
    return [render.role(role) for role in guild.roles.values()]


@route("DELETE", "/guilds/{guild_id}/roles/{role_id}")
async def delete_role(call: Call) -> Any:
    """Delete a role below the bot's own, unless an integration manages it."""
    guild, role = _manager(call), _role(call)
    if role.managed or role.id == guild.id:
        raise refuse(50028)
    _below(call, guild, role)
    server.delete_role(call.discord, guild, role, call.cause())

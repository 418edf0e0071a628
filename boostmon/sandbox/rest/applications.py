"""Routes about the application: itself, the gateway, and its commands."""

import math
from typing import Any

from boostmon.sandbox.people import commands
from boostmon.sandbox.rest.routes import Call, Reply, route
from boostmon.sandbox.rules import command_rules
from boostmon.sandbox.rules.language import many
from boostmon.sandbox.world.errors import refuse
from boostmon.sandbox.world.render_application import application

_GUILDS_A_SHARD = 1000
_GLOBAL = "/applications/{application_id}/commands"
_IN_GUILD = "/applications/{application_id}/guilds/{guild_id}/commands"


@route("GET", "/gateway", token=False)
async def get_gateway(call: Call) -> Any:
    """Say where the gateway is."""
    return {"url": call.discord.gateway_url()}


@route("GET", "/gateway/bot")
async def get_gateway_bot(call: Call) -> Any:
    """Say where the gateway is, and how often the bot may still identify."""
    guilds = sum(1 for _ in call.world.guilds_of(call.bot.id))
    return {
        "url": call.discord.gateway_url(),
        "shards": max(1, math.ceil(guilds / _GUILDS_A_SHARD)),
        "session_start_limit": {
            "total": 1000,
            "remaining": call.bot.starts_left,
            "reset_after": 86_400_000,
            "max_concurrency": 1,
        },
    }


@route("GET", "/oauth2/applications/@me")
async def get_oauth_application(call: Call) -> Any:
    """Show the application."""
    return application(call.world, call.bot)


@route("GET", "/applications/@me")
async def get_application(call: Call) -> Any:
    """Show the application."""
    return application(call.world, call.bot)


def _scope(call: Call) -> str:
    """Return where the commands of this call belong: a server's id, or "" for everywhere."""
    guild_id = call.ids.get("guild_id", "")
    if guild_id:
        guild = call.world.guilds.get(guild_id)
        if guild is None or call.bot.id not in guild.members:
            raise refuse(50001)
    return guild_id


@route("GET", _GLOBAL)
@route("GET", _IN_GUILD)
async def get_commands(call: Call) -> Any:
    """List commands; what they are called in other languages only when asked."""
    full = call.query.get("with_localizations", "").lower() in ("true", "1")
    found = call.bot.commands.get(_scope(call), {}).values()
    return [commands.shown(command, full=full) for command in found]


@route("PUT", _GLOBAL, rule=many(command_rules.create))
@route("PUT", _IN_GUILD, rule=many(command_rules.create))
async def put_commands(call: Call) -> Any:
    """Make these the commands, all others go; a name that stays keeps its id."""
    return commands.overwrite(call.discord, call.bot, _scope(call), call.body)


@route("POST", _GLOBAL, rule=command_rules.create)
@route("POST", _IN_GUILD, rule=command_rules.create)
async def post_command(call: Call) -> Any:
    """Make a command, or replace the one of that name."""
    made, new = commands.upsert(call.discord, call.bot, _scope(call), call.body)
    return Reply(made, 201 if new else 200)


def _command(call: Call) -> dict[str, Any]:
    command = call.bot.commands.get(_scope(call), {}).get(call.ids["command_id"])
    if command is None:
        raise refuse(10063)
    return command


@route("GET", _GLOBAL + "/{command_id}")
@route("GET", _IN_GUILD + "/{command_id}")
async def get_command(call: Call) -> Any:
    """Show a command with all its languages."""
    return commands.shown(_command(call), full=True)


@route("PATCH", _GLOBAL + "/{command_id}", rule=command_rules.EDIT)
@route("PATCH", _IN_GUILD + "/{command_id}", rule=command_rules.EDIT)
async def patch_command(call: Call) -> Any:
    """Change a command."""
    return commands.edit(call.discord, call.bot, _scope(call), _command(call), call.body)


@route("DELETE", _GLOBAL + "/{command_id}")
@route("DELETE", _IN_GUILD + "/{command_id}")
async def delete_command(call: Call) -> Any:
    """Delete a command."""
    commands.delete(call.discord, call.bot, _scope(call), _command(call))


@route("GET", _IN_GUILD + "/permissions")
async def get_permissions(call: Call) -> Any:
    """List what the server's Integrations settings say about the commands."""
    guild = call.world.guilds[_scope(call)]
    return [
        {"id": i, "application_id": call.bot.id, "guild_id": guild.id, "permissions": listed}
        for i, listed in guild.overrides.items()
    ]


@route("GET", _IN_GUILD + "/{command_id}/permissions")
async def get_command_permissions(call: Call) -> Any:
    """Show what the server's Integrations settings say about one command, or about all."""
    guild, command_id = call.world.guilds[_scope(call)], call.ids["command_id"]
    if command_id not in guild.overrides:
        raise refuse(10066)
    return {
        "id": command_id,
        "application_id": call.bot.id,
        "guild_id": guild.id,
        "permissions": guild.overrides[command_id],
    }

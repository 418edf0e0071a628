"""The commands of each bot: replaced in bulk, made, changed, shown."""

from typing import Any

from boostmon.sandbox.acts import picture
from boostmon.sandbox.core.discord import Discord
from boostmon.sandbox.rules.command_rules import CHAT_INPUT, complete
from boostmon.sandbox.rules.language import InvalidError, wrong_at
from boostmon.sandbox.world.errors import invalid, refuse
from boostmon.sandbox.world.model import Bot

Json = dict[str, Any]

_MOST = 100


def _made(discord: Discord, bot: Bot, scope: str, body: Json, command_id: str | None) -> Json:
    """Fill in what Discord adds to a command; one without *command_id* is new."""
    command: Json = {
        "id": command_id or discord.world.snowflake(),
        "application_id": bot.id,
        "version": discord.world.snowflake(),
        "default_member_permissions": body.get("default_member_permissions"),
        "type": body["type"],
        "name": body["name"],
        "name_localizations": body.get("name_localizations"),
        "description": body["description"],
        "description_localizations": body.get("description_localizations"),
        "nsfw": bool(body.get("nsfw")),
    }
    if scope:
        command["guild_id"] = scope
    else:
        contexts = body.get("contexts")
        dm = body.get("dm_permission") is not False if contexts is None else 1 in contexts
        command |= {
            "dm_permission": dm,
            "contexts": contexts,
            "integration_types": body.get("integration_types") or [0],
        }
    return command | ({"options": body["options"]} if body.get("options") else {})


def _taken(path: list[str | int]) -> InvalidError:
    message = "Application command names must be unique"
    return wrong_at(path, "APPLICATION_COMMANDS_DUPLICATE_NAME", message)


def _key(command: Json) -> tuple[int, str]:
    return command["type"], command["name"]


def _ids(bot: Bot, scope: str) -> dict[tuple[int, str], str]:
    """Return the ids of the commands there are, by type and name."""
    return {_key(command): command["id"] for command in bot.commands.get(scope, {}).values()}


def _count_new(discord: Discord, bot: Bot, scope: str, number: int) -> None:
    """Count commands that are made, of which only so many are allowed in a day."""
    for _ in range(number):
        after = discord.limiter.wait("new_commands", f"{bot.id} {scope}")
        if after:
            error = refuse(30034)
            error.body |= {"retry_after": after, "global": False}
            raise error


def overwrite(discord: Discord, bot: Bot, scope: str, bodies: list[Json]) -> list[Json]:
    """Replace all commands of *scope*."""
    seen: set[tuple[int, str]] = set()
    for index, body in enumerate(bodies):
        key = (body["type"], body["name"])
        if key in seen:
            raise invalid(_taken([index, "name"]).errors)
        seen.add(key)
    if sum(body["type"] == CHAT_INPUT for body in bodies) > _MOST:
        raise refuse(30032)
    names = _ids(bot, scope)
    _count_new(discord, bot, scope, sum(_key(body) not in names for body in bodies))
    made = [_kept_or_made(discord, bot, scope, body) for body in bodies]
    bot.commands[scope] = {command["id"]: command for command in made}
    _show(discord, bot)
    return made


def _kept_or_made(discord: Discord, bot: Bot, scope: str, body: Json) -> Json:
    """Return the command as it is if nothing changes, so that its version stays."""
    made = _made(discord, bot, scope, body, _ids(bot, scope).get(_key(body)))
    old = bot.commands.get(scope, {}).get(made["id"])
    return old if old and old | {"version": ""} == made | {"version": ""} else made


def upsert(discord: Discord, bot: Bot, scope: str, body: Json) -> tuple[Json, bool]:
    """Make a command or replace its namesake; say whether it is new."""
    listed = bot.commands.setdefault(scope, {})
    made = _made(discord, bot, scope, body, _ids(bot, scope).get(_key(body)))
    new = made["id"] not in listed
    same_kind = sum(command["type"] == made["type"] for command in listed.values())
    if new and made["type"] == CHAT_INPUT and same_kind >= _MOST:
        raise refuse(30032)
    _count_new(discord, bot, scope, int(new))
    listed[made["id"]] = made
    _show(discord, bot)
    return made, new


def edit(discord: Discord, bot: Bot, scope: str, command: Json, body: Json) -> Json:
    """Change a command."""
    try:
        whole_body = complete(command | body)
    except InvalidError as error:
        raise invalid(error.errors) from error
    if _ids(bot, scope).get(_key(whole_body)) not in (None, command["id"]):
        raise invalid(_taken(["name"]).errors)
    made = _made(discord, bot, scope, whole_body, command["id"])
    bot.commands[scope][command["id"]] = made
    _show(discord, bot)
    return made


def delete(discord: Discord, bot: Bot, scope: str, command: Json) -> None:
    """Delete a command."""
    del bot.commands[scope][command["id"]]
    _show(discord, bot)


def _show(discord: Discord, bot: Bot) -> None:
    """Tell those who look on which commands there are now."""
    discord.watch.tell("BOT", lambda: picture.bot(discord, bot))


def shown(command: Json, *, full: bool) -> Json:
    """Show a command, with its other languages or without."""
    if full:
        return command
    kept = {k: v for k, v in command.items() if not k.endswith("_localizations")}
    for key in ("options", "choices"):
        if key in kept:
            kept[key] = [shown(one, full=False) for one in kept[key]]
    return kept

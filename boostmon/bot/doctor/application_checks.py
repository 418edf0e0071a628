"""Looks at the application in Discord for `boostmon doctor`: token, intents, starts, commands."""

from collections.abc import Sequence
from http import HTTPStatus
from typing import Any

from disnake import ApplicationCommandType
from disnake.app_commands import ApplicationCommand, application_command_factory
from disnake.ext.commands import InvokableSlashCommand
from disnake.flags import ApplicationFlags
from msgspec import Struct

from boostmon.bot.connection.client import REFUSAL
from boostmon.bot.discord.reads import DiscordReads
from boostmon.bot.discord.rest import RefusedError
from boostmon.bot.doctor.invitation import link_for
from boostmon.bot.slash.cog import TimerCog
from boostmon.errors import ConfigurationError
from boostmon.finding import Finding, green, red, yellow

PAGE = 200  # servers in one answer
FEW_STARTS = 50
KINDS = {kind.value for kind in ApplicationCommandType}  # as far as disnake knows them
MEMBERS_INTENT = (
    "Switch on Server Members Intent on the page Bot of your application, and start the bot again"
)
REGISTER = "Start `boostmon run`, which registers them."


class Application(Struct, frozen=True):
    """The application that a token belongs to."""

    application_id: str
    name: str
    sees_members: bool


async def application_of(reads: DiscordReads) -> Application:
    """Ask whose the token is; raise `ConfigurationError` when Discord refuses it."""
    try:
        told = await reads.get("/oauth2/applications/@me")
    except RefusedError as error:
        if error.status == HTTPStatus.UNAUTHORIZED:
            raise ConfigurationError(REFUSAL) from error
        raise
    flags = ApplicationFlags._from_value(told["flags"])  # noqa: SLF001 - disnake offers it to a client only
    sees_members = flags.gateway_guild_members or flags.gateway_guild_members_limited
    return Application(str(told["id"]), told["name"], sees_members)


def look_at_owner(application: Application, owner: str | None) -> Finding:
    """See whether the database is the application's; None: nobody's, or not known whose."""
    if owner in (None, application.application_id):
        return green("discord", f"DISCORD_TOKEN is that of {application.name}.")
    found = (
        f"DISCORD_TOKEN is that of {application.name} ({application.application_id}), and the "
        f"database is that of the application {owner}."
    )
    remedy = (
        "Set the token of that application, or hand the database over with "
        "`boostmon adopt-database`."
    )
    return red("discord", found, remedy)


def look_at_intents(application: Application) -> list[Finding]:
    """See whether the bot hears of members at once; else it reads them twice a day."""
    if application.sees_members:
        return [green("discord", "The Server Members Intent is granted.")]
    found = "The Server Members Intent is not granted, so members who come back are noticed late"
    return [yellow("discord", f"{found}, within a day.", f"{MEMBERS_INTENT}, if that is too late.")]


async def look_at_starts(reads: DiscordReads) -> list[Finding]:
    """See how often the bot may still connect today."""
    told = await reads.get("/gateway/bot")
    limit = told["session_start_limit"]
    left, of, hours = limit["remaining"], limit["total"], limit["reset_after"] / 3_600_000
    found = f"{left} of {of} session starts are left; they are renewed in {hours:.1f} h"
    again = "and find out what starts the bot again and again"
    if left == 0:
        return [red("discord", f"{found}.", f"Wait {hours:.1f} h, {again}.")]
    if left < FEW_STARTS:
        return [yellow("discord", f"{found}.", f"Look {again.removeprefix('and ')}.")]
    return [green("discord", f"{found}.")]


async def look_at_commands(
    reads: DiscordReads, application_id: str, guild_id: str | None
) -> list[Finding]:
    """Compare the commands that are registered with those there are."""
    everywhere = await _registered(reads, application_id, None)
    if guild_id is None:
        return _compared(everywhere, "in all servers")
    left_over = [
        yellow(
            "discord",
            "Commands are registered in all servers as well as in that of DISCORD_GUILD_ID.",
            "Start `boostmon run`, which removes them.",
        )
    ]
    try:
        here = await _registered(reads, application_id, guild_id)
    except RefusedError as error:
        found = (
            f"Discord shows no commands in {guild_id}, which DISCORD_GUILD_ID is ({error.text})."
        )
        remedy = (
            "Set it to the id of a server that the bot is in, or unset it: commands are registered "
            f"in all servers then. Or invite the bot there: {link_for(application_id)}"
        )
        return [red("discord", found, remedy)]
    compared = _compared(here, f"in the server {guild_id}")
    return [*compared, *(left_over if everywhere else [])]


async def look_at_leftovers(
    reads: DiscordReads, application_id: str, guild_id: str
) -> list[Finding]:
    """See whether a server has commands of its own, left there by a DISCORD_GUILD_ID."""
    try:
        if not await _registered(reads, application_id, guild_id):
            return []
    except RefusedError as error:
        return [_hidden(guild_id, application_id, error)]
    found = f"The server {guild_id} has commands of its own, beside those of all servers."
    return [yellow("discord", found, "Start `boostmon run`, which removes them.")]


async def servers(reads: DiscordReads) -> list[dict[str, Any]]:
    """List the servers that the bot is in, as far as one question each 200 tells."""
    found: list[dict[str, Any]] = []
    after = "0"
    while True:
        page = await reads.get("/users/@me/guilds", after=after, limit=str(PAGE))
        found += page
        if len(page) < PAGE:
            return found
        after = page[-1]["id"]


async def _registered(
    reads: DiscordReads, application_id: str, guild_id: str | None
) -> list[ApplicationCommand]:
    where = f"/guilds/{guild_id}" if guild_id else ""
    path = f"/applications/{application_id}{where}/commands"
    listed = await reads.get(path, with_localizations="true")
    return [application_command_factory(c) for c in listed if c.get("type", 1) in KINDS]


def _compared(found: Sequence[ApplicationCommand], where: str) -> list[Finding]:
    ours = (c for c in vars(TimerCog).values() if isinstance(c, InvokableSlashCommand))
    wanted = {command.name: command.body for command in ours}
    there = {command.name: command for command in found}
    if missing := wanted.keys() - there.keys():
        listed = ", ".join(f"/{name}" for name in sorted(missing))
        return [red("discord", f"Commands are not registered {where}: {listed}.", REGISTER)]
    other = [name for name, command in there.items() if wanted.get(name) != command]
    if other:
        listed = ", ".join(f"/{name}" for name in sorted(other))
        found_ = f"Commands {where} are not those of this version: {listed}."
        return [yellow("discord", found_, REGISTER)]
    return [green("discord", f"All {len(wanted)} commands are registered {where}.")]


def _hidden(guild_id: str, application_id: str, error: RefusedError) -> Finding:
    found = f"Discord does not show the commands of the server {guild_id} ({error.text})."
    return red("discord", found, f"Invite the bot there again: {link_for(application_id)}")

"""`boostmon import`."""

import asyncio
import os
import sys
from contextlib import nullcontext
from pathlib import Path

import click
import msgspec
from msgspec import Struct
from rich.console import Console
from rich.progress import Progress

from boostmon.cli.records.import_report import show
from boostmon.cli.records.restoring import restore_export
from boostmon.cli.terminal.ids import Id
from boostmon.cli.terminal.places import Place, bring_up_to_date, found_database
from boostmon.cli.terminal.spooling import spooled
from boostmon.commands.imports.data_json import Server, read_file
from boostmon.commands.imports.exported import is_export
from boostmon.commands.imports.import_shapes import Judged, refuse_unknown_roles
from boostmon.commands.imports.importer import Imported, Importer
from boostmon.commands.imports.js_table import read_table
from boostmon.config import ClockConfig, DiscordConfig, SweepConfig, load
from boostmon.database.clocks.clock import open_clock, skew
from boostmon.database.clocks.witnesses import AGREES
from boostmon.database.connections.pool import Database, connect
from boostmon.errors import DiscordError, ImportRefusedError
from boostmon.events.store import EventStore
from boostmon.projections.effects.standings import Standings

READ_NEXT = (
    "The bot reads their members within ten minutes of quiet; `boostmon doctor` then tells where "
    "one does not hold the role."
)


class Options(Struct, frozen=True, kw_only=True):
    """How the timers are to be taken over; *unverified*: even where Discord tells nothing."""

    skip_past: bool
    dry_run: bool
    unverified: bool


@click.command("import")
@click.argument("file", type=click.Path(path_type=Path), required=False)
@click.option("--from-database", "url", metavar="URL", help="Read its role_timers, not a file.")
@click.option("--guild", type=Id(), metavar="ID", help="The server that the roles belong to.")
@click.option("--role", type=Id(), metavar="ID", help="The role of a file that names none.")
@click.option("--skip-past", is_flag=True, help="Leave out what has ended already.")
@click.option("--dry-run", is_flag=True, help="Say what would be done, and write nothing.")
@click.option("--unverified", is_flag=True, help="Go on where Discord cannot be asked.")
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
def import_(
    *,
    file: Path | None,
    url: str | None,
    guild: str | None,
    role: str | None,
    skip_past: bool,
    dry_run: bool,
    unverified: bool,
    as_json: bool,
) -> None:
    """Import data.json or role_timers of the JavaScript bot, or our own export."""
    options = Options(skip_past=skip_past, dry_run=dry_run, unverified=unverified)
    with nullcontext() if file is None or url is not None else spooled(file) as content:
        if content is not None and is_export(content):
            others = bool(guild or role or skip_past or unverified)
            restore_export(content, name=str(file), others=others, dry_run=dry_run, as_json=as_json)
            return
        judged = _judged(file, content, url, guild, role)
    results = asyncio.run(_import(judged, options))
    if as_json:
        click.echo(msgspec.json.encode(results))
    else:
        show(results, dry_run=dry_run)
        imported = not dry_run and any(result.outcome == "imported" for result in results)
        if imported and sys.stderr.isatty():
            click.echo(READ_NEXT, err=True)
    if any(result.outcome == "failed" for result in results):
        sys.exit(1)


def _judged(
    file: Path | None, content: Path | None, url: str | None, guild: str | None, role: str | None
) -> Judged:
    """Judge what is to be imported, whole, before any database of ours is touched."""
    if (file is None) == (url is None):
        raise click.UsageError("Name a FILE, or a database with --from-database.")
    if url is not None:
        if role is not None:
            raise click.UsageError("--role is for a FILE; a table names its roles.")
        return asyncio.run(read_table(url, guild))
    assert content is not None  # noqa: S101 - one of the two is there
    if guild is None:
        if content.is_file() and not content.stat().st_size:
            raise ImportRefusedError(f"{file} is empty, it has no events; nothing was written.")
        raise click.UsageError("A data.json does not name its server; add --guild ID.")
    return read_file(content, Server(guild, role), name=str(file))


async def _import(judged: Judged, options: Options) -> list[Imported]:
    managed = await _managed(judged, unverified=options.unverified)
    async with found_database(os.environ, may_be_made=True) as place:
        await bring_up_to_date(place)
        return await _append(place, judged, options, managed)


async def _managed(judged: Judged, *, unverified: bool) -> dict[str, str]:
    """Ask Discord about the servers and their roles; return those that something manages.

    Raise `ImportRefusedError` for what it does not have, and, unless *unverified*, when it does
    not tell: a role that is bound to the wrong server cannot be timed in the right one.
    """
    guild_ids = {imported.timer.guild_id for imported in judged.timers}
    if not os.environ.get("DISCORD_TOKEN", "").strip():
        _unasked("DISCORD_TOKEN is not set, so", "set it", unverified=unverified)
        return {}
    from boostmon.bot.doctor.server_roles import roles_of_servers  # noqa: PLC0415 - disnake takes long to load

    try:
        known = await roles_of_servers(load(DiscordConfig, os.environ), guild_ids)
    except DiscordError as error:
        _unasked(f"{error} So", "try again", unverified=unverified)
        return {}
    for guild_id in sorted(guild_ids):
        if guild_id not in known:
            raise ImportRefusedError(
                f"The bot is not in the server {guild_id}; correct the id, or invite the bot "
                "there first. Nothing was written."
            )
        refuse_unknown_roles(judged, guild_id, known[guild_id].keys())
    found = (role for roles in known.values() for role in roles.items())
    return {role_id: manager for role_id, manager in found if manager is not None}


def _unasked(why: str, remedy: str, *, unverified: bool) -> None:
    """Say that nobody asked Discord about the roles, and go no further unless that was meant."""
    sentence = f"{why} nobody asked Discord whether the server is right and has these roles"
    if not unverified:
        raise ImportRefusedError(
            f"{sentence}; {remedy}, or add --unverified if they surely are. Nothing was written."
        )
    _warn(f"{sentence}.")


def _warn(sentence: str) -> None:
    click.echo(f"warning: {sentence}", err=True)


async def _refuse_doubt(database: Database) -> None:
    """Refuse to import by a clock that this machine's gainsays: it decides what has ended."""
    ahead = await database.run(skew)
    if abs(ahead) * 1000 > AGREES:
        raise ImportRefusedError(
            f"The database's clock is {abs(ahead):,.0f} s apart from this machine's, so nobody can "
            "tell what has ended; set both by NTP, and import again."
        )


async def _append(
    place: Place, judged: Judged, options: Options, managed: dict[str, str]
) -> list[Imported]:
    minutes = load(SweepConfig, os.environ).boostmon_warning_minutes
    clock_file = load(ClockConfig, os.environ).clock_file
    async with (
        await connect(
            place.url, statement_cache=place.statement_cache, variable=place.variable
        ) as database,
        open_clock(database, clock_file) as clock,
    ):
        if clock_file is None:
            await _refuse_doubt(database)
        importer = Importer(
            EventStore(database),
            now=clock.now(),
            warning_minutes=minutes,
            skip_past=options.skip_past,
            managed=managed,
        )
        work = importer.preview if options.dry_run else importer.run
        console = Console(stderr=True)
        with Progress(console=console, transient=True, disable=not console.is_terminal) as bar:
            task = bar.add_task("importing", total=len(judged.timers))
            results = await work(judged, lambda done, _: bar.update(task, completed=done))
        if not options.dry_run:
            await Standings(database).tell_imported()
        return results

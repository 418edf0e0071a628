"""`boostmon import`."""

import asyncio
import os
import sys
from collections import Counter
from pathlib import Path

import click
import msgspec
from rich.console import Console
from rich.progress import Progress

from boostmon.cli.places import Place, bring_up_to_date, found_database
from boostmon.commands.data_json import ImportFile, read_file
from boostmon.commands.importer import Imported, Importer
from boostmon.config import SweepConfig, load
from boostmon.database.clock import DatabaseClock
from boostmon.database.pool import connect
from boostmon.events.store import EventStore

WORDS = {
    "imported": "imported",
    "unchanged": "imported before, unchanged",
    "kept": "kept as it is here, which is newer",
    "failed": "refused",
}


@click.command("import")
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--guild", required=True, metavar="ID", help="The server that the roles belong to.")
@click.option("--dry-run", is_flag=True, help="Say what would be done, and write nothing.")
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
def import_(*, file: Path, guild: str, dry_run: bool, as_json: bool) -> None:
    """Import data.json of the JavaScript bot as events."""
    judged = read_file(file, guild)
    results = asyncio.run(_import(judged, dry_run=dry_run))
    if as_json:
        click.echo(msgspec.json.encode(results))
    else:
        _show(results, dry_run=dry_run)
    if any(result.outcome == "failed" for result in results):
        sys.exit(1)


async def _import(file: ImportFile, *, dry_run: bool) -> list[Imported]:
    async with found_database(os.environ) as place:
        await bring_up_to_date(place)
        return await _append(place, file, dry_run=dry_run)


async def _append(place: Place, file: ImportFile, *, dry_run: bool) -> list[Imported]:
    minutes = load(SweepConfig, os.environ).boostmon_warning_minutes
    async with await connect(place.url, statement_cache=place.statement_cache) as database:
        clock = DatabaseClock()
        await clock.measure(database)
        importer = Importer(EventStore(database), now=clock.now(), warning_minutes=minutes)
        if dry_run:
            return await importer.preview(file)
        console = Console(stderr=True)
        with Progress(console=console, transient=True, disable=not console.is_terminal) as bar:
            task = bar.add_task("importing", total=len(file.timers))
            return await importer.run(
                file, lambda done, total: bar.update(task, completed=done, total=total)
            )


def _show(results: list[Imported], *, dry_run: bool) -> None:
    for result in results:
        if result.outcome in ("kept", "failed"):
            timer = result.timer
            click.echo(
                f"{WORDS[result.outcome]}: member {timer.user_id}, role {timer.role_id}: "
                f"{result.reason}"
            )
    counts = Counter[str](result.outcome for result in results)
    for outcome, words in WORDS.items():
        if counts[outcome] or outcome == "imported":
            would = "would be " if dry_run and outcome == "imported" else ""
            click.echo(f"{counts[outcome]} {would}{words}")

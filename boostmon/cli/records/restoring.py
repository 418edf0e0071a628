"""`boostmon import` of our own export, into an empty log."""

import asyncio
import os
from pathlib import Path

import click
import msgspec
from msgspec import Struct

from boostmon.cli.records.exporting import counter
from boostmon.cli.terminal.places import Place, bring_up_to_date, found_database
from boostmon.commands.imports.exported import (
    ExportFile,
    has_arrived,
    judge_export,
    refuse_used_log,
    restore,
)
from boostmon.errors import DatabaseError, DatabaseUnavailableError

PATIENCE = 10.0  # seconds for a database that was lost while it was written to


class Restored(Struct, frozen=True):
    """What was written, or would be: *timers* have not ended; *head* is `position:hash`."""

    events: int
    timers: int
    head: str


def restore_export(file: Path, *, name: str, others: bool, dry_run: bool, as_json: bool) -> None:
    """Judge our own export *file*, called *name*, and write it.

    *others*: options of other files were given.
    """
    if others:
        raise click.UsageError(
            "An export names its servers and roles, and is taken whole; leave --guild, --role, "
            "--skip-past and --unverified out."
        )
    with counter() as progress:
        task = progress.add_task("judging lines", total=None)
        judged = judge_export(file, lambda done: progress.update(task, completed=done), name=name)
    if judged.sealed_anew:
        click.echo(
            "The first event was hashed by 0.1.0 under standard_conforming_strings = off, so the "
            "log is sealed anew, and its head is another one than that of the export.",
            err=True,
        )
    asyncio.run(_try() if dry_run else _restore(judged))
    result = Restored(judged.events, judged.timers, judged.head)
    if as_json:
        click.echo(msgspec.json.encode(result))
        return
    would = "would be " if dry_run else ""
    click.echo(f"{result.events} events {would}imported, {result.timers} timers have not ended")
    click.echo(f"head {result.head}")


async def _try() -> None:
    async with (
        found_database(os.environ, may_be_made=True) as place,
        place.owner() as owner,
    ):
        await refuse_used_log(owner)


async def _restore(judged: ExportFile) -> None:
    async with found_database(os.environ, may_be_made=True) as place:
        await bring_up_to_date(place)
        try:
            await _write(place, judged)
        except DatabaseUnavailableError as error:
            await _look(place, judged, error)


async def _write(place: Place, judged: ExportFile) -> None:
    async with place.owner() as owner:
        with counter() as progress:
            task = progress.add_task("writing events", total=judged.events)
            await restore(owner, judged, lambda done: progress.update(task, completed=done))


async def _look(place: Place, judged: ExportFile, lost: DatabaseUnavailableError) -> None:
    """Raise *lost* with what became of the import, unless it was written all the same."""
    try:
        async with place.owner(wait=PATIENCE) as owner:
            arrived = await has_arrived(owner, judged)
    except DatabaseError as error:
        raise DatabaseUnavailableError(
            f"{lost} Nobody knows whether the export was written; run the same import again, which "
            "is refused if it was."
        ) from error
    if not arrived:
        raise DatabaseUnavailableError(
            f"{lost} Nothing of the export was written; run the same import again."
        ) from lost

"""`boostmon replay`."""

import asyncio
import os
import sys

import click
import msgspec
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from boostmon.cli.places import found_database, refuse_outdated
from boostmon.projections import replay as replaying
from boostmon.projections.replay import Report

MOST_SHOWN = 50


@click.command()
@click.option("--check", is_flag=True, help="Change nothing; exit 1 if anything differs.")
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
def replay(*, check: bool, as_json: bool) -> None:
    """Rebuild role_timers from the events, while the bot runs."""
    report = asyncio.run(_replay(check=check))
    if as_json:
        click.echo(msgspec.json.encode(report))
    else:
        _show(report, check=check)
    if report.broken or (check and not report.clean):
        sys.exit(1)


async def _replay(*, check: bool) -> Report:
    async with found_database(os.environ) as place:
        await refuse_outdated(place)
        async with place.owner() as owner:
            with _progress() as progress:
                total = await owner.fetchval("SELECT coalesce(max(position), 0) FROM events")
                task = progress.add_task("folding events", total=total)
                work = replaying.check if check else replaying.replay
                return await work(owner, lambda done: progress.update(task, completed=done))


def _progress() -> Progress:
    console = Console(stderr=True)
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.completed:,.0f} of {task.total:,.0f}, {task.speed:,.0f}/s"),
        TimeRemainingColumn(),
        console=console,
        transient=True,
        disable=not console.is_terminal,
    )


def _show(report: Report, *, check: bool) -> None:
    if report.drifts:
        table = Table("row", "column", "the log says", "the table says")
        for drift in report.drifts[:MOST_SHOWN]:
            table.add_row(str(drift.number), drift.column, str(drift.log), str(drift.table))
        Console().print(table)
    for fault in report.broken[:MOST_SHOWN]:
        click.echo(f"broken: {fault}")
    what = "replay --check" if check else "replay"
    mended = "" if check or not report.drifts else ", mended"
    click.echo(f"{what}: {report.rows_differing} of {report.timers} rows differ{mended}")
    click.echo(f"{report.events} events, head {report.head}")

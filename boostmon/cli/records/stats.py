"""`boostmon stats`."""

import asyncio
import os
from collections.abc import Iterable

import click
import msgspec
from rich.console import Console
from rich.table import Table
from rich.text import Text

from boostmon.bot.wording.durations import counted, spoken
from boostmon.cli.terminal.ids import Id
from boostmon.cli.terminal.places import found_database, refuse_outdated
from boostmon.projections.effects.open_effects import OWED, OpenEffects, unmarked
from boostmon.projections.reports import stats as counting
from boostmon.projections.reports.stats import Counts, Stats

PIPED_WIDTH = 1_000  # characters, so that in a pipe nothing is folded
MOST_DAYS = 36_500
COUNTED = ("set", "renewed", "extended", "paused", "ended", "median length")


@click.command()
@click.option(
    "--days",
    type=click.IntRange(1, MOST_DAYS),
    default=30,
    show_default=True,
    help="How many days, today included.",
)
@click.option("--guild", type=Id(), metavar="ID", help="Only in this server.")
@click.option("--role", type=Id(), metavar="ID", help="Only for this role.")
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
def stats(*, days: int, guild: str | None, role: str | None, as_json: bool) -> None:
    """Count timers set, extended, paused and ended, by day and by role."""
    found = asyncio.run(_stats(days, guild, role))
    if as_json:
        click.echo(msgspec.json.encode(found))
        return
    console = Console()
    _show(found, console if console.is_terminal else Console(width=PIPED_WIDTH))


async def _stats(days: int, guild: str | None, role: str | None) -> Stats:
    async with found_database(os.environ) as place:
        await refuse_outdated(place)
        async with place.owner() as owner:
            with Console(stderr=True).status("counting"):  # which a pipe does not show
                return await counting.stats(owner, days, guild_id=guild, role_id=role)


def _show(found: Stats, console: Console) -> None:
    if found.days:
        rows = [((str(day.day),), day) for day in found.days]
        total = ("all",), found.total
        console.print(_table(["day (UTC)"], [*rows, total]))
    if found.roles:
        names = ["server", "role", "running", "on hold"]
        console.print(
            _table(
                names,
                [
                    ((role.guild_id, role.role_id, str(role.running), str(role.on_hold)), role)
                    for role in found.roles
                ],
            )
        )
    if not found.days:
        click.echo(f"nothing was done to a timer since {found.since:%Y-%m-%d}")
    for effects in found.stuck:
        click.echo(_stuck(effects))


def _table(names: list[str], rows: Iterable[tuple[tuple[str, ...], Counts]]) -> Table:
    table = Table(*names)
    for name in COUNTED:
        table.add_column(name, justify="right")
    for keys, counts in rows:
        median = "" if counts.median_ms is None else spoken(counts.median_ms)
        numbers = (counts.set, counts.renewed, counts.extended, counts.paused, counts.ended)
        table.add_row(*map(Text, (*keys, *map(str, numbers), median)))
    return table


def _stuck(effects: OpenEffects) -> str:
    return (
        f"stuck: {OWED[effects.kind]}, {counted(effects.count, 'time')} since "
        f"{effects.since:%Y-%m-%d %H:%M}, server {effects.guild_id}, role {effects.role_id}: "
        f"{unmarked(effects.reason or '')}"
    )

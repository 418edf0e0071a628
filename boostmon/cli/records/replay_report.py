"""Shows of `boostmon replay` how far it is, what differs, how the timers stood."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

import click
from rich.console import Console
from rich.progress import (
    BarColumn,
    Progress,
    ProgressColumn,
    Task,
    TaskID,
    TextColumn,
    TimeRemainingColumn,
)
from rich.table import Table
from rich.text import Text

from boostmon.bot.wording.durations import spoken
from boostmon.projections.replay import folding
from boostmon.projections.replay.past import Past, PastTimer
from boostmon.projections.replay.run import Report

MOST_SHOWN = 50
MOST_TIMERS = 1_000  # a table of more takes longer to lay out than to compute
PIPED_WIDTH = 200  # characters, where no terminal sets a width
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Speed(ProgressColumn):
    """How many a second; nothing while that is not known."""

    def render(self, task: Task) -> Text:
        """Write it."""
        speed = task.finished_speed or task.speed
        return Text("" if speed is None else f"{speed:,.0f}/s")


@contextmanager
def progress_bars() -> Iterator[folding.Progress]:
    """Show on a terminal how far each part of the work is, how fast, and how long it takes yet."""
    console = Console(stderr=True)
    parts: dict[str, TaskID] = {}
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.completed:,.0f} of {task.total:,.0f}"),
        Speed(),
        TimeRemainingColumn(),
    )
    hidden = not console.is_terminal
    with Progress(*columns, console=console, transient=True, disable=hidden) as bars:

        def show(what: str, done: int, of: int) -> None:
            if what not in parts:
                parts[what] = bars.add_task(what, total=of)
            bars.update(parts[what], completed=done)

        yield show


def show(report: Report, *, check: bool) -> None:
    """Print what a replay has found."""
    if report.drifts:
        table = Table("row", "column", "the log says", "the table says")
        for drift in report.drifts[:MOST_SHOWN]:
            cells = (drift.number, drift.column, drift.log, drift.table)
            table.add_row(*(Text(str(cell)) for cell in cells))
        _console().print(table)
        if len(report.drifts) > MOST_SHOWN:
            click.echo(f"only the first {MOST_SHOWN} are shown; --json has more")
    _show_faults("broken", report.broken)
    _show_faults("not read", report.unreadable)
    for remark in report.remarks:
        click.echo(f"note: {remark}")
    what = "replay --check" if check else "replay"
    click.echo(f"{what}: {report.rows_differing} of {_rows(report)} rows differ{_mended(report)}")
    if report.broken and not check:
        click.echo("nothing was mended, for the log is broken; restore a backup")
    click.echo(f"{report.events} events, head {report.head}")


def _rows(report: Report) -> int:
    """Count the rows that the log asks for, and those in the table that it does not ask for."""
    unasked = sum(drift.column == "row" and drift.log == "none" for drift in report.drifts)
    return max(report.timers + unasked, report.rows_differing)  # not every drift is in the report


def _mended(report: Report) -> str:
    return ", mended" if report.rows_mended else ""


def show_past(past: Past) -> None:
    """Print the timers as they stood."""
    if past.timers:
        table = Table("server", "member", "role", "ends (UTC)", "left then")
        for timer in past.timers[:MOST_TIMERS]:
            table.add_row(timer.guild_id, timer.user_id, timer.role_id, *_end(timer, past.as_of))
        _console().print(table)
        if len(past.timers) > MOST_TIMERS:
            click.echo(f"only the first {MOST_TIMERS} are shown; --json has all")
    _show_faults("broken", past.broken)
    _show_faults("not read", past.unreadable)
    when = past.as_of.replace(tzinfo=None).isoformat(" ", "seconds")  # %Y has no zeros in front
    click.echo(f"{len(past.timers)} timers at {when} UTC, position {past.position}")


def _end(timer: PastTimer, as_of: datetime) -> tuple[str, str]:
    if timer.paused:
        return "paused", spoken(timer.paused_remaining_ms)
    left = timer.expires_at - (as_of - EPOCH) // timedelta(milliseconds=1)
    ends = EPOCH + timedelta(milliseconds=timer.expires_at)
    return f"{ends:%Y-%m-%d %H:%M:%S}", spoken(left) if left > 0 else "over"


def _show_faults(what: str, faults: list[str]) -> None:
    for fault in faults[:MOST_SHOWN]:
        click.echo(f"{what}: {fault}")
    if len(faults) > MOST_SHOWN:
        click.echo("and more, which --json has")


def _console() -> Console:
    console = Console()
    return console if console.is_terminal else Console(width=PIPED_WIDTH)

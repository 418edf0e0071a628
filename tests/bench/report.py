"""Shows what was measured: a table for people, JSON for programs."""

import os
import platform
import time
from collections.abc import Iterable, Sequence
from pathlib import Path

import msgspec
from rich.console import Console
from rich.table import Table

from boostmon.database.connections.connection import session
from tests.bench.runner import Place, Row

SYNCS = 200

console = Console()


async def machine(place: Place) -> dict[str, str]:
    """Describe where this run measures, without a name of the machine or of a folder."""
    async with session(place.superuser_url) as connection:
        version = await connection.fetchval("SHOW server_version")
        settings = [
            f"{name} {await connection.fetchval(f'SHOW {name}')}"
            for name in ("fsync", "synchronous_commit", "shared_buffers")
        ]
    return {
        "cores": str(len(os.sched_getaffinity(0))),
        "system": f"{platform.system()} {platform.machine()}",
        "Python": platform.python_version(),
        "PostgreSQL": f"{version}, {', '.join(settings)}",
        "disk": f"8 kB written and synced in {_sync(place.folder) * 1e6:.0f} µs",
    }


def _sync(folder: Path) -> float:
    """Return the median of seconds that a page takes to the disk."""
    path, page, taken = folder / "sync", bytes(8192), []
    with path.open("wb", buffering=0) as file:
        for _ in range(SYNCS):
            started = time.perf_counter()
            file.seek(0)
            file.write(page)
            os.fdatasync(file.fileno())
            taken.append(time.perf_counter() - started)
    path.unlink()
    return sorted(taken)[SYNCS // 2]


def heading(described: dict[str, str]) -> None:
    """Print where this run measures."""
    for name, value in described.items():
        console.print(f"[dim]{name}:[/] {value}")


def table(name: str, rows: Iterable[Row]) -> None:
    """Print the *rows* of the measure *name*."""
    shown = Table(title=name, title_justify="left", show_edge=False, pad_edge=False)
    for column in ("", "figure", "unit", "limit", "beside", "ratio", "goal"):
        numeric = column in ("figure", "limit", "ratio")
        shown.add_column(column, justify="right" if numeric else "left")
    for row in rows:
        shown.add_row(
            row.name,
            _number(row.figure),
            row.unit,
            _number(row.limit),
            row.beside,
            _number(row.ratio),
            _goal(row),
        )
    console.print(shown)
    for row in rows:
        if row.note:
            console.print(f"[dim]{row.name}: {row.note}[/]")
    console.print()


def write(path: Path, described: dict[str, str], rows: Sequence[Row]) -> None:
    """Write the machine and *rows*, with their ratios, as JSON."""
    shown = [msgspec.to_builtins(row) | {"ratio": row.ratio, "is_met": row.is_met} for row in rows]
    document = msgspec.json.encode({"machine": described, "rows": shown})
    path.write_bytes(msgspec.json.format(document))


def markdown(rows: Iterable[Row]) -> str:
    """Return *rows* as the table of docs/performance.md."""
    lines = ["| what | figure | beside | ratio | goal |", "| --- | ---: | --- | ---: | --- |"]
    for row in rows:
        limit = f"{row.beside}: {_number(row.limit)}" if row.limit else row.beside
        goal = _goal(row).rpartition("]")[0].partition("]")[2].partition("[")[0]
        cells = (row.name, f"{_number(row.figure)} {row.unit}", limit, _number(row.ratio), goal)
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def _number(value: float | None) -> str:
    if value is None:
        return ""
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def _goal(row: Row) -> str:
    if row.is_met is None:
        return ""
    goal = f"≥ {row.at_least:g}" if row.at_least is not None else f"≤ {row.at_most:g}"
    return f"[green]{goal} ✓[/]" if row.is_met else f"[red]{goal} ✗[/]"

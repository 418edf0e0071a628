"""What docs/performance.md says of a log that grows, and the measure it comes from."""

import re

import asyncpg
import pytest

from tests.bench import growth
from tests.bench.__main__ import run
from tests.bench.logs import fill
from tests.support.places import ROOT

PERFORMANCE = (ROOT / "docs" / "performance.md").read_text(encoding="utf-8")
GROWTH = PERFORMANCE.split("\n## Growth\n")[1].split("\n## ")[0]
EVENTS = 20_000
UNITS = {"MB": 1, "GB": 1000, "s": 1, "min": 60}


def figures(cell: str) -> list[float]:
    """Return the sizes in MB and the times in seconds of one cell, such as "18 min, 8 GB"."""
    found = []
    for part in cell.removeprefix("about ").split(", "):
        amounts = re.findall(r"([\d.]+) (MB|GB|min|s)\b", part) or [(part, "s")]
        found.append(sum(float(number) * UNITS[unit] for number, unit in amounts))
    return found


def computed() -> list[tuple[str, list[float], list[float]]]:
    """Return of each row of the table what was measured last, and what was computed from it."""
    _, _, *rows = re.findall(r"^\| (.*) \|$", GROWTH, re.MULTILINE)
    cells = [row.split(" | ") for row in rows]
    return [(name, figures(measured), figures(told)) for name, _, _, measured, told in cells]


def test_what_is_computed_is_ten_times_what_was_measured() -> None:
    rows = computed()
    assert 6 == len(rows)
    for name, measured, told in rows:
        times = 1 if name.startswith("an append") else 10
        assert [times * figure for figure in measured] == pytest.approx(told, rel=0.15), name


async def test_an_event_takes_as_much_disk_as_is_written(owner: asyncpg.Connection) -> None:
    (said,) = re.findall(r"an event takes (\d+) bytes, (\d+) % of that in indexes", GROWTH)
    await fill(owner, events=EVENTS, timers=EVENTS // growth.EVENTS_OF_A_TIMER)

    disk, indexes = await owner.fetchrow(growth.DISK)

    assert int(said[0]) == pytest.approx(int(disk) / EVENTS, rel=0.1)
    assert int(said[1]) == pytest.approx(100 * indexes / disk, abs=5)


async def test_growth_is_measured_in_disk_append_check_backup_and_restore(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(growth, "SIZES", (200, 400))
    monkeypatch.setattr(growth, "LIVES", 2)
    monkeypatch.setattr(growth, "ROUNDS", 1)

    _, rows = await run(["growth"], big=False)

    measured = ["disk", "an append", "replay --check", "pg_dump", "pg_restore"]
    assert [f"{name}, {n} events" for n in ("200", "400") for name in measured] == [
        row.name for row in rows
    ]
    assert all(row.figure > 0 for row in rows)

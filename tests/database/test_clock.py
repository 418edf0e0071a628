"""Timer time: exact, deaf to the host's clock, and what a file says in development."""

import asyncio
import time
from pathlib import Path

import asyncpg
import pytest

from boostmon.database.clocks.clock import (
    HANDOVER,
    DatabaseClock,
    DrivenClock,
    FileClock,
    open_clock,
    write_clock,
)
from boostmon.database.connections.pool import Database
from boostmon.errors import ConfigurationError, DatabaseError

HOUR = 60 * 60 * 1000


async def test_the_database_tells_the_time(database: Database, owner: asyncpg.Connection) -> None:
    async with open_clock(database, None) as clock:
        before = await owner.fetchval("SELECT extract(epoch FROM clock_timestamp()) * 1000")
        told = clock.now()
        after = await owner.fetchval("SELECT extract(epoch FROM clock_timestamp()) * 1000")

    assert before - 50 <= told <= after + 50


async def test_a_jump_of_the_hosts_clock_is_not_noticed(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = DatabaseClock()
    await clock.measure(database)
    true = clock.now()
    monkeypatch.setattr(time, "time", lambda: 0.0)

    assert 0 <= clock.now() - true < 1000


async def test_time_passes_with_the_monotonic_clock(database: Database) -> None:
    seconds = 100.0
    clock = DatabaseClock(lambda: seconds)
    await clock.measure(database)
    start = clock.now()
    seconds += 3600

    assert clock.now() == start + HOUR


async def test_half_of_the_way_there_and_back_is_taken_off(database: Database) -> None:
    ticks = iter([0.0, 10.0, 20.0, 20.0, 30.0, 38.0, 29.0])
    clock = DatabaseClock(lambda: next(ticks))
    before = time.time() * 1000
    await clock.measure(database)  # the answers took 10, 0 and 8 seconds: the second counts

    assert clock.now() - before == pytest.approx(9000, abs=1000)  # asked at 20, now it is 29


def test_a_clock_that_was_not_measured_tells_no_time() -> None:
    with pytest.raises(DatabaseError, match="not measured"):
        DatabaseClock().now()


async def test_a_wait_ends_when_it_is_due_and_not_before(database: Database) -> None:
    async with open_clock(database, None) as clock:
        due = clock.now() + 30
        await clock.wait_until(due, at_most=10, wake=asyncio.Event())

        assert due <= clock.now() < due + 5000


@pytest.mark.parametrize("due_in", [None, HOUR])
async def test_a_wait_ends_at_the_latest_when_told(database: Database, due_in: int | None) -> None:
    async with open_clock(database, None) as clock:
        started = time.monotonic()
        due = None if due_in is None else clock.now() + due_in
        await clock.wait_until(due, at_most=0.02, wake=asyncio.Event())

    assert 0.02 <= time.monotonic() - started < 5


async def test_a_wait_ends_when_woken(tmp_path: Path) -> None:
    write_clock(tmp_path / "clock", now=0, speed=1)
    wake = asyncio.Event()
    waiting = asyncio.create_task(
        FileClock(tmp_path / "clock").wait_until(HOUR, at_most=60, wake=wake)
    )
    await asyncio.sleep(0)
    wake.set()

    await asyncio.wait_for(waiting, 5)


def test_a_file_sets_the_time_and_its_speed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(time, "time", lambda: 1000.0)
    write_clock(tmp_path / "clock", now=5 * HOUR, speed=60)
    clock = FileClock(tmp_path / "clock")
    assert clock.now() == 5 * HOUR

    monkeypatch.setattr(time, "time", lambda: 1060.0)
    assert clock.now() == 6 * HOUR


def test_a_file_that_changes_is_read_again(tmp_path: Path) -> None:
    write_clock(tmp_path / "clock", now=0, speed=0)
    clock = FileClock(tmp_path / "clock")
    assert clock.now() == 0

    write_clock(tmp_path / "clock", now=HOUR, speed=0)
    assert clock.now() == HOUR
    assert [path.name for path in tmp_path.iterdir()] == ["clock"]


async def test_a_file_that_leaps_ahead_ends_a_wait(tmp_path: Path) -> None:
    write_clock(tmp_path / "clock", now=0, speed=0)
    clock = FileClock(tmp_path / "clock")
    waiting = asyncio.create_task(clock.wait_until(HOUR, at_most=60, wake=asyncio.Event()))
    await asyncio.sleep(0)
    assert not waiting.done()

    write_clock(tmp_path / "clock", now=HOUR, speed=0)
    await asyncio.wait_for(waiting, 2)


async def test_a_fast_clock_is_not_overslept(tmp_path: Path) -> None:
    write_clock(tmp_path / "clock", now=0, speed=36000)  # an hour in 100 ms
    clock = FileClock(tmp_path / "clock")
    started = time.monotonic()
    await clock.wait_until(HOUR, at_most=60, wake=asyncio.Event())

    assert clock.now() >= HOUR
    assert time.monotonic() - started < 0.24  # one look every 250 ms would be too late


@pytest.mark.parametrize("text", [None, "", "{}", '{"real": 1, "now": "x", "speed": 1}', "\xff"])
def test_a_file_that_is_no_clock_is_refused_by_name(tmp_path: Path, text: str | None) -> None:
    if text is not None:
        (tmp_path / "clock").write_text(text, encoding="latin-1")

    with pytest.raises(ConfigurationError, match=r"^BOOSTMON_CLOCK names .*clock, which cannot"):
        FileClock(tmp_path / "clock")


@pytest.mark.parametrize("speed", [0, 1, 60, 3600])
def test_who_looks_while_a_clock_is_driven_never_sees_it_go_backwards(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, speed: float
) -> None:
    at, before = 1_000_000.0, 0
    monkeypatch.setattr(time, "time", lambda: at)
    driven = DrivenClock(tmp_path / "clock")
    driven.drive(600)
    at += 1
    reader = FileClock(tmp_path / "clock")

    def replaced(path: Path, target: Path) -> Path:
        nonlocal at, before
        at += HANDOVER / 1000  # as long as it may take
        before = reader.now()
        return path.rename(target)

    monkeypatch.setattr(Path, "replace", replaced)
    driven.drive(speed)
    assert 0 < before <= reader.now() == driven.now()

    driven.skip_to(driven.now() - HOUR)
    assert 0 < before <= reader.now() == driven.now()


def test_a_skip_keeps_the_speed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    at = 1_000_000.0
    monkeypatch.setattr(time, "time", lambda: at)
    driven = DrivenClock(tmp_path / "clock")
    driven.drive(60)
    moment = driven.now() + HOUR
    driven.skip_to(moment)
    assert moment == driven.now()

    at += 2
    assert moment + 2 * 60 * 1000 == driven.now()

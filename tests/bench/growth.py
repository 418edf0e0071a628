"""Growth: what a log costs in disk, append, replay and backup when it has become large."""

import asyncio
import os
import subprocess
import time
from pathlib import Path

from msgspec import Struct

from boostmon.database.connections.connection import session
from boostmon.database.connections.pool import connect
from boostmon.events.append import Append
from boostmon.events.store import EventStore
from tests.bench.append import elapsed, pieces
from tests.bench.generator import LIFE, Lives
from tests.bench.logs import fill
from tests.bench.replay import run_command
from tests.bench.runner import Place, Row, Tables

SIZES = (100_000, 1_000_000)
BIG_SIZE = 10_000_000
EVENTS_OF_A_TIMER = 10
LIVES = 200  # of the caller who appends alone
ROUNDS = 5
UNUSED = 100_000_000  # the number of the first life that `fill` has not lived
MB = 1_000_000
RESTORED = "bench_restored"
DISK = """
SELECT sum(pg_total_relation_size(c.oid)), sum(pg_indexes_size(c.oid))
FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
WHERE n.nspname = current_schema() AND c.relkind = 'r'
"""


class Cost(Struct, frozen=True, kw_only=True):
    """What a log of *events* costs; times in seconds, sizes in bytes."""

    events: int
    disk: int
    indexes: int
    append: float
    check: float
    check_kilobytes: int
    dump: float
    dump_size: int
    restore: float


async def measure(place: Place) -> list[Row]:
    """Measure logs of some sizes one after the other; the largest only when it is big."""
    sizes = (*SIZES, BIG_SIZE) if place.big else SIZES
    costs = [await _cost(place, events) for events in sizes]
    return [row for cost in costs for row in _rows(cost, costs[0])]


async def _cost(place: Place, events: int) -> Cost:
    async with place.tables() as tables:
        async with session(tables.owner_url) as owner:
            await fill(owner, events=events, timers=events // EVENTS_OF_A_TIMER)
            disk, indexes = await owner.fetchrow(DISK)
            schema = await owner.fetchval("SELECT current_schema()")
        async with session(place.superuser_url) as superuser:
            await superuser.execute("CHECKPOINT")  # what was filled is not the append's to write
        check, kilobytes = await run_command(tables, "replay", "--check")
        append = await _append(tables)
        dump, size, restore = await asyncio.to_thread(_back_up, place, schema)
    return Cost(
        events=events,
        disk=int(disk),
        indexes=int(indexes),
        append=append,
        check=check,
        check_kilobytes=kilobytes,
        dump=dump,
        dump_size=size,
        restore=restore,
    )


async def _append(tables: Tables) -> float:
    """Return the seconds of one append by one caller, in the fastest of some rounds."""
    lives = Lives(first=UNUSED)
    async with await connect(tables.bot_url) as database:
        store = EventStore(database)

        async def append_all(work: list[Append]) -> None:
            for append in work:
                await store.append(append)

        rounds = []
        for _ in range(ROUNDS):
            work = [append for _ in range(LIVES) for append in pieces(lives)]
            rounds.append(await elapsed(append_all, [work]))
    return min(rounds) / (LIVES * LIFE)


def _back_up(place: Place, schema: str) -> tuple[float, int, float]:
    """Dump the schema and restore it elsewhere; return seconds, bytes and seconds."""
    dump = place.folder / "growth.dump"
    began = time.perf_counter()
    _run(place.binaries / "pg_dump", place.superuser_url, "-Fc", f"-n{schema}", f"-f{dump}")
    dumped = time.perf_counter()
    size = dump.stat().st_size
    _run(place.binaries / "psql", place.superuser_url, "-c", f"CREATE DATABASE {RESTORED}")
    try:
        target = place.superuser_url.replace("/boostmon?", f"/{RESTORED}?")
        restoring = time.perf_counter()
        _run(place.binaries / "pg_restore", "-d", target, "-j2", str(dump))
        return dumped - began, size, time.perf_counter() - restoring
    finally:
        drop = f"DROP DATABASE {RESTORED} WITH (FORCE)"
        _run(place.binaries / "psql", place.superuser_url, "-c", drop)
        dump.unlink()


def _run(program: Path, *arguments: str) -> None:
    subprocess.run(  # noqa: S603 - PostgreSQL's own programs
        [program, *arguments], check=True, env=os.environ, stdout=subprocess.DEVNULL
    )


def _rows(cost: Cost, small: Cost) -> list[Row]:
    n, beside = f"{cost.events:,} events", f"{small.events:,} events"
    log = "" if cost is small else beside
    return [
        Row(
            name=f"disk, {n}",
            figure=cost.disk / MB,
            unit="MB",
            note=f"{cost.disk / cost.events:.0f} bytes an event, "
            f"{cost.indexes / cost.disk:.0%} of it indexes",
        ),
        Row(
            name=f"an append, {n}",
            figure=cost.append * 1e6,
            unit="µs",
            limit=small.append * 1e6 if log else None,
            beside=log,
        ),
        Row(
            name=f"replay --check, {n}",
            figure=cost.check,
            unit="s",
            note=f"{cost.check_kilobytes / 1024:.0f} MB of memory",
        ),
        Row(
            name=f"pg_dump, {n}",
            figure=cost.dump,
            unit="s",
            note=f"{cost.dump_size / MB:.0f} MB, {cost.dump_size / cost.events:.0f} bytes an event",
        ),
        Row(name=f"pg_restore, {n}", figure=cost.restore, unit="s"),
    ]

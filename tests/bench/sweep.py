"""The due scan and a sweep: their cost depends on what is due, not on what exists."""

import json
import statistics
import time

import asyncpg

from boostmon.commands.decider import SetTime, decide
from boostmon.commands.handler import Origin, piece
from boostmon.commands.sweeper import FIRST, PAGE, Sweeper
from boostmon.database.clocks.clock import DatabaseClock
from boostmon.database.connections.connection import session
from boostmon.database.connections.pool import Database, connect
from boostmon.events.append import Append
from boostmon.events.store import EventStore, History
from boostmon.events.timer import HOUR, NoTimer, TimerId
from boostmon.projections.role_timers import RoleTimers
from boostmon.projections.sql import statement
from tests.bench.generator import BEGIN
from tests.bench.runner import Place, Row

SIZES = (1_000, 100_000, 1_000_000)
DUE = (0, 100, 1_000)
LATER = BEGIN + 1_000 * HOUR  # when the timers end that are not due
SCANS = 20
SWEEPS = 5
# Timers that are not due are a row and nothing else: a sweep does not look at more of them.
FILL = """
INSERT INTO role_timers (user_id, role_id, expires_at, guild_id, version, next_due_at)
SELECT
    1000000000000000000 + n, 1400000000000000000 + n % 40, $2::bigint + n,
    1100000000000000000 + n % 40, 1, $2::bigint + n
FROM generate_series(1, $1::bigint) AS n
"""


async def measure(place: Place) -> list[Row]:
    """Scan and sweep tables of each size."""
    rows, small = list[Row](), dict[int, float]()
    for size in SIZES:
        async with place.tables() as tables, session(tables.owner_url) as owner:
            await owner.execute(FILL, size, LATER)
            await owner.execute("VACUUM ANALYZE role_timers")
            rows += await _scan(owner, size)
            async with await connect(tables.bot_url) as database:
                for due in DUE:
                    seconds = await _sweep(database, due)
                    rows.append(_row(size, due, seconds, small.setdefault(due, seconds)))
    return rows


async def _scan(owner: asyncpg.Connection, size: int) -> list[Row]:
    """Ask for what is due when nothing is."""
    explain = "EXPLAIN (ANALYZE, BUFFERS, TIMING OFF, FORMAT JSON) " + statement("due")
    plans = [
        json.loads(await owner.fetchval(explain, BEGIN, *FIRST, PAGE))[0] for _ in range(SCANS)
    ]
    buffers = [p["Plan"]["Shared Hit Blocks"] + p["Plan"]["Shared Read Blocks"] for p in plans]
    milliseconds = statistics.median(plan["Execution Time"] for plan in plans)
    name = f"due scan, nothing due among {size:,}"
    return [
        Row(name=name, figure=max(buffers), unit="buffers", at_most=10),
        Row(name=name, figure=milliseconds, unit="ms", at_most=1),
    ]


async def _sweep(database: Database, due: int) -> float:
    """Return the median of seconds in which *due* timers that end are swept."""
    store, taken = EventStore(database), list[float]()
    sweeper = Sweeper(
        store=store, timers=RoleTimers(database), clock=DatabaseClock(), interval=30.0
    )
    for number in range(SWEEPS):
        if due:
            await store.append(*(_due_piece(number, each, due) for each in range(due)))
        started = time.perf_counter()
        swept = await sweeper.sweep(BEGIN + HOUR)
        taken.append(time.perf_counter() - started)
        assert swept.answered == due, swept
    return statistics.median(taken)


def _due_piece(number: int, each: int, due: int) -> Append:
    member = 1_200_000_000_000_000_000 + due * 1_000_000 + number * 10_000 + each
    timer = TimerId("1100000000000000001", str(member), "1400000000000000001")
    events = decide(NoTimer(), SetTime(BEGIN, HOUR, ()))
    return piece(
        History(timer, None), events, Origin(command_id=f"bench:{member}", source="import")
    )


def _row(size: int, due: int, seconds: float, small: float) -> Row:
    return Row(
        name=f"sweep, {due:,} due among {size:,}",
        figure=seconds * 1000,
        unit="ms",
        limit=small * 1000,
        beside=f"the same {due:,} among {SIZES[0]:,}",
    )

"""Replay: how fast the whole log is read, judged and folded, next to a bare cursor over it."""

import asyncio
import os
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable

from asyncpg import Connection

from boostmon.commands.decider import SetTime
from boostmon.commands.handler import CommandHandler, Origin
from boostmon.config import PoolConfig
from boostmon.database.connections.connection import session
from boostmon.database.connections.pool import connect
from boostmon.events.chain import Faults
from boostmon.events.log import read_log
from boostmon.events.store import EventStore
from boostmon.events.timer import HOUR, TimerId
from boostmon.projections.replay.folding import Fold, uncollected
from boostmon.projections.replay.run import check
from tests.bench.logs import BEGIN, M, fill
from tests.bench.runner import Place, Row, Tables

EVENTS, TIMERS = 1_000_000, 100_000
MANY_EVENTS, MANY_TIMERS = 5_000_000, 500_000
BARE = "SELECT * FROM events ORDER BY position"
FETCHED = 2_000  # rows a round trip, for the cursor that is not asyncpg's default
PAUSE = 0.02  # seconds between appends while a replay runs
MB = 1024  # kilobytes, which is what Linux counts in


async def measure(place: Place) -> list[Row]:
    """Measure a log of 1M events over 100k timers; the memory with 5M over 500k when it is big."""
    async with place.tables() as tables:
        async with session(tables.owner_url) as owner:
            await fill(owner, events=EVENTS, timers=TIMERS)
            rows = await _reading(owner)
            await owner.execute("TRUNCATE role_timers")
        rows += await _rebuilding(tables, rows[2].limit or 0)
    if place.big:
        async with place.tables() as tables:
            rows.append(await _memory(tables))
    return rows


async def _reading(owner: Connection) -> list[Row]:
    """Measure what reads only; by turns, and each by its best, so that all get the same calm."""
    bare, folding = [], []
    for _ in range(2):
        bare.append(await _timed(_bare(owner)))
        folding.append(await _timed(_folding(owner)))
    quick = await _timed(_bare(owner, prefetch=FETCHED))
    checking = await _timed(_checking(owner))
    seconds, fold_seconds = min(bare), min(folding)
    return [
        Row(
            name="read, decode and fold",
            figure=EVENTS / fold_seconds,
            unit="events/s",
            limit=EVENTS / seconds,
            beside="bare cursor",
            at_least=0.6,
        ),
        Row(
            name="read, decode and fold",
            figure=EVENTS / fold_seconds,
            unit="events/s",
            limit=EVENTS / quick,
            beside=f"bare cursor, prefetch={FETCHED}",
        ),
        Row(
            name="replay --check",
            figure=checking,
            unit="s",
            limit=seconds,
            beside="bare cursor",
            at_most=4,
        ),
    ]


async def _timed(work: Awaitable[None]) -> float:
    began = time.perf_counter()
    await work
    return time.perf_counter() - began


async def _bare(owner: Connection, **options: int) -> None:
    async with owner.transaction(isolation="repeatable_read", readonly=True):
        async for _ in owner.cursor(BARE, **options):
            pass


async def _folding(owner: Connection) -> None:
    with uncollected():
        await read_log(owner, until=EVENTS, take=Fold(Faults()).take)


async def _checking(owner: Connection) -> None:
    report = await check(owner)
    if not report.clean:
        raise RuntimeError("the log that was made for this is not sound")


async def _rebuilding(tables: Tables, bare: float) -> list[Row]:
    """Measure a rebuild by another process, and the appends that it holds up meanwhile."""
    async with await connect(tables.bot_url, pool=PoolConfig()) as database:
        handler = CommandHandler(EventStore(database))
        alone = [seconds async for seconds in _appends(handler, 0, lambda n: n < 200)]
        rebuild = asyncio.create_task(run_command(tables, "replay"))
        beside = [s async for s in _appends(handler, 10_000, lambda _: not rebuild.done())]
        seconds, most = await rebuild
    usual = sorted(alone)
    return [
        Row(
            name="rebuild of an emptied table, while the bot appends",
            figure=seconds,
            unit="s",
            limit=bare,
            beside="bare cursor",
            at_most=8,
        ),
        Row(
            name=f"longest of {len(beside)} appends meanwhile",
            figure=max(beside) * 1000,
            unit="ms",
            at_most=50,
            note=f"without a replay {usual[-1] * 1000:.1f} ms, "
            f"median {usual[len(usual) // 2] * 1000:.1f} ms",
        ),
        _peak(EVENTS, most),
    ]


async def _appends(
    handler: CommandHandler, first: int, goes_on: Callable[[int], bool]
) -> AsyncIterator[float]:
    """Start timers, some every second, and yield the seconds that each took."""
    number = 0
    while goes_on(number):
        timer = TimerId("1400000000000000001", str(14 * 10**17 + 10 + first + number), "1" * 18)
        origin = Origin(command_id=f"bench {first + number}", source="slash", actor_id=None)
        began = time.perf_counter()
        await handler.handle(timer, SetTime(BEGIN, HOUR, M), origin)
        yield time.perf_counter() - began
        number += 1
        await asyncio.sleep(PAUSE)


async def _memory(tables: Tables) -> Row:
    """Measure the most memory that a rebuild needs at a time when there is much to rebuild."""
    async with session(tables.owner_url) as owner:
        await fill(owner, events=MANY_EVENTS, timers=MANY_TIMERS)
        await owner.execute("TRUNCATE role_timers")
    _, most = await run_command(tables, "replay")
    return _peak(MANY_EVENTS, most)


def _peak(events: int, kilobytes: int) -> Row:
    name = f"peak memory of a rebuild, {events:,} events"
    return Row(name=name, figure=kilobytes / MB, unit="MB", at_most=600)


async def run_command(tables: Tables, *arguments: str) -> tuple[float, int]:
    """Run the command line; return the seconds and the most memory (KB) that it took."""
    began = time.perf_counter()
    process = subprocess.Popen(  # noqa: ASYNC220, S603 - started at once, waited for in a thread
        [sys.executable, "-m", "boostmon", *arguments],
        env=os.environ | {"DATABASE_URL": tables.owner_url},
        stdout=subprocess.DEVNULL,
    )
    _, status, usage = await asyncio.to_thread(os.wait4, process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise RuntimeError(f"`boostmon {' '.join(arguments)}` failed")
    return time.perf_counter() - began, usage.ru_maxrss

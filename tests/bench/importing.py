"""Import of a data.json of 100,000 timers, beside COPY of the rows that it leaves."""

import asyncio
import json
import os
import random
import subprocess
import sys
import time
from itertools import count
from pathlib import Path
from typing import Any

from msgspec import Struct

from boostmon.commands.decider import SetTime, decide
from boostmon.commands.handler import Origin, piece
from boostmon.database.connections.connection import session
from boostmon.database.connections.pool import connect
from boostmon.events.store import EventStore, History
from boostmon.events.timer import HOUR, MINUTE, TimerId
from tests.bench.runner import Place, Row, Tables

TIMERS = 100_000
ROLES = 50
GUILD = "1100000000000000001"
M = (60, 10, 1)
PAUSE = 0.01  # seconds between two appends of the other one
COPIED = ("people", "streams", "events", "role_timers")


class Run(Struct, frozen=True, kw_only=True):
    """What the command took, and the longest that another append waited meanwhile."""

    seconds: float
    peak_bytes: int
    longest_wait: float


async def measure(place: Place) -> list[Row]:
    """Import once, as a person does, while somebody else appends."""
    file = place.folder / "data.json"
    await asyncio.to_thread(_write, file)
    async with place.tables() as tables:
        run = await _import(file, tables)
        async with place.tables() as copy:
            copied = await _copy(tables, copy, place.folder)
    return [
        Row(
            name=f"import of {TIMERS:,} timers",
            figure=TIMERS / run.seconds,
            unit="timers/s",
            limit=TIMERS / copied,
            beside="COPY of the same rows",
        ),
        Row(name="import, whole command", figure=run.seconds, unit="s", at_most=12),
        Row(
            name="longest wait of another append",
            figure=run.longest_wait * 1000,
            unit="ms",
            at_most=300,
        ),
        Row(
            name="import, peak memory",
            figure=run.peak_bytes / 1_000_000,
            unit="MB",
            at_most=400,
        ),
    ]


def _write(file: Path) -> None:
    """Write the data.json, member by member; a tenth of the timers is paused, a third was warned.

    What this process holds, the command would count as its own peak.
    """
    choose, now = random.Random(1), round(time.time() * 1000)  # noqa: S311 - the same each time
    with file.open("w", encoding="utf-8") as out:
        for number in range(TIMERS):
            member = json.dumps(_member(choose, now), indent=2)
            out.write(f'{"," if number else "{"}\n"{1_200_000_000_000_000_000 + number}": {member}')
        out.write("\n}\n")


def _member(choose: random.Random, now: int) -> dict[str, Any]:
    paused = choose.random() < 0.1
    fields = {
        "expiresAt": now + choose.randrange(HOUR, 1000 * HOUR),
        "warnChannelId": str(1_300_000_000_000_000_000 + choose.randrange(9)),
        "warningsSent": {"60": True} if choose.random() < 1 / 3 else {},
        "paused": paused,
        "pausedAt": now - HOUR if paused else None,
        "pausedRemainingMs": choose.randrange(MINUTE, HOUR) if paused else 0,
    }
    return {"roles": {str(1_100_000_000_000_000_100 + choose.randrange(ROLES)): fields}}


async def _import(file: Path, tables: Tables) -> Run:
    waits: list[float] = []
    other = asyncio.create_task(_append_on_and_on(tables.bot_url, waits))
    began = time.monotonic()
    peak = await asyncio.to_thread(_command, file, tables)
    seconds = time.monotonic() - began
    other.cancel()
    await asyncio.gather(other, return_exceptions=True)
    return Run(seconds=seconds, peak_bytes=peak, longest_wait=max(waits))


def _command(file: Path, tables: Tables) -> int:
    """Run the command; return the most memory that it had, in bytes."""
    environ = {"DATABASE_URL": tables.bot_url, "BOOSTMON_OWNER_DATABASE_URL": tables.owner_url}
    process = subprocess.Popen(  # noqa: S603 - our own command
        [sys.executable, "-m", "boostmon", "import", str(file), "--guild", GUILD, "--unverified"],
        env=os.environ | environ,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise RuntimeError(f"the import failed with exit code {process.returncode}")
    return usage.ru_maxrss * 1024


async def _append_on_and_on(url: str, waits: list[float]) -> None:
    async with await connect(url) as database:
        store = EventStore(database)
        for number in count(1):
            timer = TimerId(GUILD, str(1_400_000_000_000_000_000 + number), "77")
            history = History(timer, None)
            events = decide(history.state, SetTime(0, HOUR, M))
            origin = Origin(command_id=f"bench:{number}", source="slash")
            began = time.monotonic()
            await store.append(piece(history, events, origin))
            waits.append(time.monotonic() - began)
            await asyncio.sleep(PAUSE)


async def _copy(source: Tables, target: Tables, folder: Path) -> float:
    """Bring all rows from *source* to *target*, and return how many seconds COPY wrote."""
    seconds = 0.0
    async with session(source.owner_url) as reader, session(target.owner_url) as writer:
        for table in COPIED:
            rows = folder / f"{table}.copy"
            await reader.copy_from_table(table, output=rows, format="binary")
            began = time.monotonic()
            await writer.copy_to_table(table, source=rows, format="binary")
            seconds += time.monotonic() - began
            rows.unlink()
    return seconds

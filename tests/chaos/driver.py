"""One run: people, trouble, then quiet, then the oracle."""

import asyncio
import os
import signal
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from random import Random

import asyncpg
from msgspec import Struct, field

from boostmon.database.clock import FileClock, write_clock
from boostmon.sandbox import Sandbox
from tests.chaos import oracle, people, trouble
from tests.chaos.cluster import Alone, Database, Pair
from tests.chaos.oracle import Violation
from tests.chaos.processes import ROOT, Bot
from tests.chaos.world import World, specification

BOTS = 2
WARNINGS = "10,3,1"
PLANTED = "tests.chaos.planted"
READY = 30.0  # seconds for the first start
LOOK = 0.25
NUDGE = 2.0
UNSETTLED = """
SELECT (SELECT count(*) FROM effects WHERE state IN ('owed', 'stuck'))
    + (SELECT count(*) FROM role_timers WHERE next_due_at <= $1)
"""

Moment = trouble.Blow | people.Order


class Plan(Struct, frozen=True, kw_only=True):
    """What a run is to be."""

    minutes: float
    seed: int
    per_second: float = 2.0
    speed: float = 60.0
    trouble_every: float = 1.5
    longest: float = 30.0
    settle: float = 120.0
    plant: str | None = None
    standby: bool = False


class Summary(Struct, kw_only=True):
    """What a run was."""

    plan: Plan
    given: int = 0
    acknowledged: int = 0
    events: Counter[str] = field(default_factory=Counter)
    troubles: Counter[str] = field(default_factory=Counter)
    notices: int = 0
    settled_after: float = 0.0
    violations: list[Violation] = []

    def of(self, kind: str) -> int:
        """Count the violations of one kind."""
        return sum(violation.kind == kind for violation in self.violations)


class Stage:
    """Everything that is on during a run."""

    def __init__(self, world: World, bots: list[Bot], database: Database, folder: Path) -> None:
        self.world, self.bots, self.database = world, bots, database
        self.clock_file = folder / "clock.json"
        self.trouble = trouble.Troublemaker(world, bots, database)


async def run(plan: Plan, folder: Path) -> Summary:
    """Carry out *plan*, with its files in *folder*, and judge what came of it."""
    summary = Summary(plan=plan)
    async with _stage(plan, folder) as stage:
        await _act(plan, stage, summary)
        summary.settled_after = await _settle(plan, stage)
        for bot in stage.bots:
            await bot.stop()
            summary.violations += [Violation("wrong", fault) for fault in bot.faults]
        evidence = await oracle.gather(stage.database.superuser_url, stage.world)
        summary.violations += oracle.judge(evidence)
        summary.violations += await _replayed(stage.database)
    _count(summary, evidence)
    summary.troubles = stage.trouble.counts
    return summary


@asynccontextmanager
async def _stage(plan: Plan, folder: Path) -> AsyncIterator[Stage]:
    clock_file = folder / "clock.json"
    database = (Pair if plan.standby else Alone)(folder / "database")
    write_clock(clock_file, now=round(time.time() * 1000), speed=plan.speed)
    async with (
        Sandbox(world=specification()) as sandbox,
        database,
    ):
        world = World(sandbox)
        environ = {
            "DATABASE_URL": database.url,
            "BOOSTMON_OWNER_DATABASE_URL": database.owner_url,
            "DISCORD_TOKEN": sandbox.token,
            "BOOSTMON_DISCORD_API": sandbox.api,
            "BOOSTMON_CLOCK": str(clock_file),
            "BOOSTMON_WARNING_MINUTES": WARNINGS,
        }
        module = "boostmon"
        if plan.plant:
            module, environ = PLANTED, environ | {"CHAOS_PLANT": plan.plant}
        bots = [Bot(n, module, environ, folder / f"bot{n}.log") for n in range(BOTS)]
        try:
            for bot in bots:
                await bot.start()
            await _until(lambda: world.offers_commands and world.listens == BOTS, READY)
            yield Stage(world, bots, database, folder)
        finally:
            for bot in bots:
                bot.signal(signal.SIGCONT)
                await bot.kill()


async def _act(plan: Plan, stage: Stage, summary: Summary) -> None:
    """Let people and trouble have their way for as long as planned."""
    seconds = plan.minutes * 60
    orders = people.orders(_seeded(plan.seed), seconds, plan.per_second)
    blows = trouble.blows(_seeded(plan.seed + 1), seconds, plan.trouble_every, plan.longest)
    moments: list[Moment] = sorted([*orders, *blows], key=lambda moment: moment.at)
    start = time.monotonic()
    for moment in moments:
        await _wait_until(start + moment.at, stage.bots)
        if isinstance(moment, trouble.Blow):
            stage.trouble.deal(moment)
        else:
            summary.given += people.give(stage.world, moment)
    await stage.trouble.end()


def _seeded(seed: int) -> Random:
    return Random(seed)  # noqa: S311 - a plan to be had again, no secret


async def _wait_until(moment: float, bots: Sequence[Bot]) -> None:
    while True:
        for bot in bots:
            await bot.tend()
        left = moment - time.monotonic()
        if left <= 0:
            return
        await asyncio.sleep(min(left, LOOK))


async def _settle(plan: Plan, stage: Stage) -> float:
    """Stop timer time, take the trouble back, and wait until nothing is left to do."""
    now = FileClock(stage.clock_file).now()
    write_clock(stage.clock_file, now=now, speed=0)
    stage.world.calm()
    start, nudged, quiet = time.monotonic(), 0.0, 0
    while time.monotonic() - start < plan.settle and quiet < 3:
        await _wait_until(time.monotonic() + LOOK, stage.bots)
        if time.monotonic() - nudged > NUDGE:
            nudged = time.monotonic()
            stage.world.nudge()
        quiet = 0 if await _unsettled(stage.database, now) else quiet + 1
    await asyncio.sleep(1.0)
    return time.monotonic() - start


async def _unsettled(database: Database, now: int) -> bool:
    try:
        connection = await asyncpg.connect(database.superuser_url, timeout=5)
        try:
            return bool(await connection.fetchval(UNSETTLED, now))
        finally:
            await connection.close(timeout=5)
    except (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError):
        return True


async def _replayed(database: Database) -> list[Violation]:
    environ = {"DATABASE_URL": database.url, "BOOSTMON_OWNER_DATABASE_URL": database.owner_url}
    process = await asyncio.create_subprocess_exec(
        *[sys.executable, "-m", "boostmon", "replay", "--check"],
        env=os.environ | environ,
        cwd=ROOT,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    said, _ = await process.communicate()
    if process.returncode:
        return [Violation("wrong", f"boostmon replay --check: {said.decode()}")]
    return []


def _count(summary: Summary, evidence: oracle.Evidence) -> None:
    summary.events = Counter(event.type for event in evidence.events)
    summary.notices = sum("message_id" in effect.receipt for effect in evidence.effects)
    summary.acknowledged = sum(map(oracle.acknowledged, evidence.state["interactions"]))


async def _until(is_so: Callable[[], bool], seconds: float) -> None:
    async with asyncio.timeout(seconds):
        while not is_so():  # noqa: ASYNC110 - no event tells
            await asyncio.sleep(LOOK)

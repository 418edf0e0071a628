"""One run: people, trouble, then quiet, then the oracle."""

import asyncio
import os
import signal
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from random import Random

import asyncpg
from msgspec import Struct, field

from boostmon.database.clock import FileClock, write_clock
from boostmon.sandbox import Sandbox
from tests.chaos import evidence, oracle, people
from tests.chaos.blows import Blow, blows
from tests.chaos.cluster import Alone, Database, Pair
from tests.chaos.oracle import Violation
from tests.chaos.processes import ROOT, Bot
from tests.chaos.trouble import Troublemaker
from tests.chaos.world import World, specification

BOTS = 2
WARNINGS = "10,3,1"
PLANTED = "tests.chaos.planted"
READY = 30.0  # seconds for the first start
LOOK = 0.25
QUIET = 3  # looks in a row at which nothing is left to do
HELD_UP = 12.0  # seconds; a statement to a frozen server is given up after 10, and then repeated
PATIENCE = 30.0  # seconds in which what was stuck is tried again: a lease, and a little
NUDGE = 2.0
DUE = "SELECT count(*) FROM role_timers WHERE next_due_at <= $1"
UNSETTLED = """
SELECT (SELECT count(*) FROM effects WHERE state IN ('owed', 'stuck'))
    + (SELECT count(*) FROM role_timers WHERE next_due_at <= $1)
"""

Moment = Blow | people.Order


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


def short(seed: int) -> Plan:
    """Plan what is over in 75 seconds, the start and the settling included."""
    return Plan(minutes=0.35, seed=seed, trouble_every=0.7, longest=8.0, settle=40.0)


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
        self.trouble = Troublemaker(world, bots, database)


async def run(plan: Plan, folder: Path) -> Summary:
    """Carry out *plan*, with its files in *folder*, and judge what came of it."""
    summary = Summary(plan=plan)
    async with _stage(plan, folder) as stage:
        await _act(plan, stage, summary)
        await _settle(plan, stage, summary)
        for bot in stage.bots:
            await bot.stop()
            summary.violations += [Violation("wrong", fault) for fault in bot.faults]
        found = await evidence.gather(stage.database.superuser_url, stage.world)
        summary.violations += oracle.judge(found)
        summary.violations += await _replayed(stage.database)
    _count(summary, found)
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
            await _ready(world, folder)
            yield Stage(world, bots, database, folder)
        finally:
            for bot in bots:
                bot.signal(signal.SIGCONT)
                await bot.kill()


async def _act(plan: Plan, stage: Stage, summary: Summary) -> None:
    """Let people and trouble have their way for as long as planned."""
    seconds = plan.minutes * 60
    orders = people.orders(_seeded(plan.seed), seconds, plan.per_second)
    planned = blows(_seeded(plan.seed + 1), seconds, plan.trouble_every, plan.longest)
    moments: list[Moment] = sorted([*orders, *planned], key=lambda moment: moment.at)
    start = time.monotonic()
    for moment in moments:
        await _wait_until(start + moment.at, stage.bots)
        if isinstance(moment, Blow):
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


async def _settle(plan: Plan, stage: Stage, summary: Summary) -> None:
    """Stop timer time, take the trouble back, and wait until nothing is left to do."""
    now = FileClock(stage.clock_file).now()
    write_clock(stage.clock_file, now=now, speed=0)
    stage.world.calm()
    start, nudged, quiet = time.monotonic(), 0.0, 0
    while (passed := time.monotonic() - start) < plan.settle:
        if quiet >= QUIET and passed > HELD_UP:
            break
        await _wait_until(time.monotonic() + LOOK, stage.bots)
        if passed > PATIENCE and not nudged:
            summary.violations += await _stuck(stage.database)
        if passed > PATIENCE and passed - nudged > NUDGE:
            nudged = passed
            stage.world.nudge()
        quiet = quiet + 1 if await _ask(stage.database, UNSETTLED, now) == 0 else 0
    if due := await _ask(stage.database, DUE, now):
        summary.violations.append(Violation("lost", f"{due} timers are due and were not swept"))
    await asyncio.sleep(1.0)
    summary.settled_after = time.monotonic() - start


async def _stuck(database: Database) -> list[Violation]:
    number = await _ask(database, "SELECT count(*) FROM effects WHERE state = 'stuck'")
    if not number:
        return []
    return [Violation("wrong", f"{number} effects are stuck although nothing is in the way")]


async def _ask(database: Database, question: str, *arguments: int) -> int | None:
    """Return a number from the database; None when it does not answer."""
    try:
        connection = await asyncpg.connect(database.superuser_url, timeout=5)
        try:
            number: int = await connection.fetchval(question, *arguments)
            return number
        finally:
            connection.terminate()
    except (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError):
        return None


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


def _count(summary: Summary, found: evidence.Evidence) -> None:
    summary.events = Counter(event.type for event in found.events)
    summary.notices = sum("message_id" in effect.receipt for effect in found.effects)
    summary.acknowledged = sum(map(evidence.acknowledged, found.state["interactions"]))


async def _ready(world: World, folder: Path) -> None:
    """Wait until all bots are connected and their commands are offered."""
    end = time.monotonic() + READY
    while not world.offers_commands or world.listens < BOTS:
        if time.monotonic() > end:
            raise RuntimeError(f"the bots do not get ready; see their logs in {folder}")
        await asyncio.sleep(LOOK)

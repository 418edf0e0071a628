"""One run: people, trouble, then quiet, then the oracle."""

import asyncio
import os
import sys
import time
from collections import Counter
from pathlib import Path
from random import Random

from msgspec import Struct, field

from tests.chaos import evidence, oracle, people
from tests.chaos.blows import ROUND, Blow, blows
from tests.chaos.cluster import Database
from tests.chaos.oracle_time import judge_time
from tests.chaos.processes import ROOT
from tests.chaos.settling import settle
from tests.chaos.stage import Stage, on_stage
from tests.chaos.violation import Violation

Moment = Blow | people.Order


class Plan(Struct, frozen=True, kw_only=True):
    """What a run is to be."""

    minutes: float
    seed: int
    per_second: float = 2.0
    speed: float | None = 60.0
    """How fast timer time goes; None is in step with this machine's clock, as in life."""
    trouble_every: float = 1.5
    longest: float = 30.0
    settle: float = 240.0
    without: frozenset[str] = frozenset()
    """The kinds of trouble that are left out."""
    plant: str | None = None
    standby: bool = False
    old: bool = False
    """Whether one of the bots is of the release before."""


def short(seed: int) -> Plan:
    """Plan what is over in two minutes, the start and the settling included."""
    without = frozenset({"freeze past the lease"})
    return Plan(
        minutes=0.35, seed=seed, trouble_every=0.7, longest=8.0, settle=90.0, without=without
    )


class Summary(Struct, kw_only=True):
    """What a run was."""

    plan: Plan
    given: int = 0
    acknowledged: int = 0
    events: Counter[str] = field(default_factory=Counter)
    troubles: Counter[str] = field(default_factory=Counter)
    notices: int = 0
    carried_out: list[int] = []
    """How many effects each bot has carried out, the one of the release before first."""
    agreed_after: float = 0.0
    """Seconds from when all trouble was over until Discord and the log agreed for good."""
    settled_after: float = 0.0
    violations: list[Violation] = []

    def of(self, kind: str) -> int:
        """Count the violations of one kind."""
        return sum(violation.kind == kind for violation in self.violations)


async def run(plan: Plan, folder: Path) -> Summary:
    """Carry out *plan*, with its files in *folder*, and judge what came of it."""
    summary = Summary(plan=plan)
    scene = on_stage(folder, speed=plan.speed, standby=plan.standby, plant=plan.plant, old=plan.old)
    async with scene as stage:
        await _act(plan, stage, summary)
        settled = await settle(stage, plan.settle)
        summary.agreed_after, summary.settled_after = settled.agreed_after, settled.after
        summary.violations += settled.violations
        for bot in stage.bots:
            await bot.stop()
            summary.violations += [Violation("wrong", fault) for fault in bot.faults]
        found = await stage.gather()
        summary.violations += oracle.judge(found)
        if plan.speed is None:
            summary.violations += judge_time(found)
        summary.violations += await replayed(stage.database)
    _count(summary, found)
    summary.troubles = stage.trouble.counts
    summary.carried_out = [bot.carried_out for bot in stage.bots]
    return summary


async def _act(plan: Plan, stage: Stage, summary: Summary) -> None:
    """Let people and trouble have their way for as long as planned."""
    seconds = plan.minutes * 60
    longest = people.LONGEST if plan.speed else people.LONGEST_IN_LIFE
    orders = people.orders(_seeded(plan.seed), seconds, plan.per_second, longest)
    kinds = ROUND.keys() - plan.without
    planned = blows(_seeded(plan.seed + 1), seconds, plan.trouble_every, plan.longest, kinds)
    moments: list[Moment] = sorted([*orders, *planned], key=lambda moment: moment.at)
    start = time.monotonic()
    for moment in moments:
        await stage.tend_until(start + moment.at)
        if isinstance(moment, Blow):
            stage.trouble.deal(moment)
        else:
            summary.given += people.give(stage.world, moment)
    await stage.trouble.end()


def _seeded(seed: int) -> Random:
    return Random(seed)  # noqa: S311 - a plan to be had again, no secret


async def replayed(database: Database) -> list[Violation]:
    """See what `boostmon replay --check` says of a database."""
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

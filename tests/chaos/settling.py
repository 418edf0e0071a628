"""What follows the trouble: quiet, in which Discord and the log have to come to agree."""

import asyncio
import time

import asyncpg
from msgspec import Struct

from tests.chaos.cluster import Database
from tests.chaos.oracle_roles import held_roles
from tests.chaos.stage import LOOK, Stage
from tests.chaos.violation import Violation

HELD_UP = 12.0  # seconds; a statement to a frozen server is given up after 10, and then repeated
PATIENCE = 30.0  # seconds in which what was stuck is tried again: a lease, and a little
NUDGE = 2.0
SWEPT_WITHIN = 2000  # ms, where timer time does not stand still
STAYS = 15.0  # seconds for which what has come to agree must stay so
COMPARE = 1.0  # seconds from one look at all roles to the next
DUE = "SELECT count(*) FROM role_timers WHERE next_due_at <= $1"
UNSETTLED = """
SELECT (SELECT count(*) FROM effects WHERE state IN ('owed', 'stuck'))
    + (SELECT count(*) FROM role_timers WHERE next_due_at <= $1)
"""


class Settled(Struct, kw_only=True):
    """How Discord and the log came to agree: *agreed_after* so many seconds of quiet."""

    agreed_after: float = 0.0
    after: float = 0.0
    violations: list[Violation] = []


async def settle(stage: Stage, patience: float) -> Settled:
    """Stop timer time, take the trouble back, and wait until all agree and all is done."""
    stage.stop_time()
    await _calm(stage)
    settled, start, nudged = Settled(), time.monotonic(), 0.0
    agreed: float | None = None
    while (passed := time.monotonic() - start) < patience:
        if agreed is not None and passed > max(HELD_UP, agreed + STAYS):
            break
        await stage.tend_until(time.monotonic() + LOOK)
        if passed > PATIENCE and not nudged:
            settled.violations += await _stuck(stage.database)
        if passed > PATIENCE and passed - nudged > NUDGE:
            nudged = passed
            stage.world.nudge()
        if await unsettled(stage) == 0 and await _agrees(stage):
            agreed = passed if agreed is None else agreed
        else:
            agreed = None
    if due := await _ask(stage.database, DUE, stage.now() - SWEPT_WITHIN):
        settled.violations.append(Violation("lost", f"{due} timers are due and were not swept"))
    settled.agreed_after = patience if agreed is None else agreed
    settled.after = time.monotonic() - start
    return settled


async def unsettled(stage: Stage) -> int | None:
    """Count what is owed, and the timers that are due; None when the database does not answer."""
    return await _ask(stage.database, UNSETTLED, stage.now())


async def _calm(stage: Stage) -> None:
    """Take back all trouble; what Discord still carries out late is part of it.

    Events that were lost are made up for as they are in life: by a session that begins anew.
    """
    stage.world.calm()
    stage.clock.set(0.0)
    await stage.world.until_done()
    stage.world.change("gateway", action="invalidate")


async def _agrees(stage: Stage) -> bool:
    """Tell whether everybody holds the roles that the log says, and no others."""
    await asyncio.sleep(COMPARE)
    return not list(held_roles(await stage.gather()))


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

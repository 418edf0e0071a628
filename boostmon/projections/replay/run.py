"""Replay: fold the log again and hold every row of the read model against it."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from asyncpg import Connection
from msgspec import Struct
from msgspec.structs import replace

from boostmon.database.schema.turns import turn
from boostmon.errors import DatabaseError
from boostmon.events.chain import Head
from boostmon.projections.replay.comparing import Compared, Drift, compare
from boostmon.projections.replay.folding import Folded, Progress, fold_log, told
from boostmon.projections.replay.repair import mend
from boostmon.projections.replay.snapshot import snapshot
from boostmon.projections.sql import statement

ONE_AT_A_TIME = "(7263111::bigint << 32) | 'events'::regclass::oid::bigint"


MISREAD = (
    "position 1: 0.1.0 has hashed the first event in a session with standard_conforming_strings = "
    "off, so its hash is another one than it should be; nobody has altered it, and an export that "
    "is imported into a new database is sealed anew"
)


def silent(_what: str, _done: int, _of: int) -> None:
    """Show no progress."""


class Report(Struct, frozen=True, kw_only=True):
    """What a replay found: *timers* rows that the log asks for, and what differed.

    *unreadable* are the timers of which nobody knows how they stand; their rows were not compared.
    Of very many *drifts* and *broken* these are the first. *remarks* is what harms nothing.
    """

    events: int
    timers: int
    head: str
    rows_differing: int
    rows_mended: int = 0
    drifts: list[Drift]
    broken: list[str]
    unreadable: list[str]
    remarks: list[str] = []

    @property
    def clean(self) -> bool:
        """Whether every row follows from the log, which is whole and can be read."""
        return not self.rows_differing and not self.broken and not self.unreadable


async def check(
    connection: Connection, *, noted: Head | None = None, progress: Progress = silent
) -> Report:
    """Compare every row with the log in one snapshot; change nothing, hold up nobody.

    *noted* is a head from earlier, which the log must still contain.
    """
    report, _ = await _compare(connection, noted, progress)
    return report


async def replay(connection: Connection, *, progress: Progress = silent) -> Report:
    """Mend in place every row that differs; return what differed.

    Takes the connection of the owner of the tables. Raise `DatabaseError` when another replay runs,
    or on a standby. From a broken log nothing is mended: what it says may be wrong.
    """
    if await connection.fetchval("SELECT pg_is_in_recovery()"):
        raise DatabaseError(
            "This server is a standby, where nothing can be mended; name the primary, or check "
            "with `boostmon replay --check`."
        )
    async with _alone(connection):
        report, compared = await _compare(connection, None, progress)
        if report.broken:
            return report
        await mend(connection, compared.differing, progress)
    return replace(report, rows_mended=report.rows_differing)


async def _compare(
    connection: Connection, noted: Head | None, progress: Progress
) -> tuple[Report, Compared]:
    async with snapshot(connection):
        until = await connection.fetchval(statement("head"))
        folded = await fold_log(connection, until=until, noted=noted, progress=progress)
        broken = [*folded.broken, *await _cut_off(connection, folded, until)]
        unreadable = await told(connection, folded)
        compared = await compare(connection, folded, progress)
    return _report(folded, compared, broken, unreadable), compared


async def _cut_off(connection: Connection, folded: Folded, until: int) -> list[str]:
    """Find traces of events behind the end of the log, which had them when they were recorded.

    Not every event leaves one: only a head that was noted outside shows for certain.
    """
    traces = await connection.fetchrow(statement("traces"))
    broken = []
    if traces["position"] > until:
        broken.append(
            f"the log ends at position {until}, and there are effects of position "
            f"{traces['position']}: the newest events are gone"
        )
    if (gone := traces["streams"] - len(folded.streams)) > 0:
        broken.append(f"streams without events: {gone}; the newest events are gone")
    if traces["nobodies"]:
        broken.append(f"people whom the log names and nobody knows: {traces['nobodies']}")
    return broken


def _report(folded: Folded, compared: Compared, broken: list[str], unreadable: list[str]) -> Report:
    return Report(
        events=folded.events,
        timers=compared.timers,
        head=str(folded.head),
        rows_differing=len(compared.differing),
        drifts=compared.drifts,
        broken=broken,
        unreadable=unreadable,
        remarks=[MISREAD] if folded.is_misread else [],
    )


@asynccontextmanager
async def _alone(connection: Connection) -> AsyncIterator[None]:
    """Refuse a second replay of the same tables while one runs."""
    if not await connection.fetchval(turn(ONE_AT_A_TIME)):
        raise DatabaseError("Another `boostmon replay` is running; wait until it has ended.")
    try:
        yield
    finally:
        await connection.execute(f"SELECT pg_advisory_unlock({ONE_AT_A_TIME})")

"""Replay: fold the log again and hold every row of the read model against it."""

from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime

import msgspec
from asyncpg import Connection, Record
from msgspec import Struct

from boostmon.errors import DatabaseError
from boostmon.events.chain import Chain
from boostmon.events.sql import statement as event_statement
from boostmon.events.store import decode
from boostmon.events.timer import INITIAL, Timer, evolve
from boostmon.projections.role_timers import RowImage, image
from boostmon.projections.sql import statement

BATCH = 250
PREFETCH = 2_000
IMAGE_COLUMNS = RowImage.__struct_fields__
ONE_AT_A_TIME = "(7263111::bigint << 32) | 'events'::regclass::oid::bigint"

Progress = Callable[[int], None]


class Drift(Struct, frozen=True):
    """One column of row *number* that is not what the log says; column `row`: all of it."""

    number: int
    column: str
    log: object
    table: object


class Folded(Struct, frozen=True):
    """The log, added up: each stream's version and timer, and what is wrong with the chain."""

    streams: dict[int, tuple[int, Timer]]
    events: int
    head: str
    broken: list[str]


class Report(Struct, frozen=True, kw_only=True):
    """What a replay found: *timers* rows that the log asks for, and what differed."""

    events: int
    timers: int
    head: str
    drifts: list[Drift]
    broken: list[str]

    @property
    def rows_differing(self) -> int:
        """How many rows differ, however many of their columns do."""
        return len({drift.number for drift in self.drifts})

    @property
    def clean(self) -> bool:
        """Whether every row follows from the log and the chain is whole."""
        return not self.drifts and not self.broken


async def check(connection: Connection, progress: Progress | None = None) -> Report:
    """Compare every row with the log in one snapshot; change nothing, hold up nobody.

    *progress* is called with the number of events folded so far.
    """
    report, _ = await _compare(connection, progress)
    return report


async def replay(connection: Connection, progress: Progress | None = None) -> Report:
    """Mend in place every row that differs; return what differed.

    Takes the connection of the owner of the tables. Raise `DatabaseError` when another replay runs.
    A stream with an event newer than the fold is left alone: that event has written its own row.
    """
    async with _alone(connection):
        report, folded = await _compare(connection, progress)
        differing = sorted({drift.number for drift in report.drifts})
        wrong = [n for n in differing if not _has_row(folded, n) or _is_another(report, n)]
        for batch in _batches(wrong):
            await _delete(connection, batch, folded)
        for batch in _batches([n for n in differing if _has_row(folded, n)]):
            await _write(connection, batch, folded)
    return report


async def _compare(connection: Connection, progress: Progress | None) -> tuple[Report, Folded]:
    async with connection.transaction(isolation="repeatable_read", readonly=True):
        folded = await _fold_log(connection, progress)
        drifts, seen = [], set()
        async for row in connection.cursor(statement("rows"), prefetch=PREFETCH):
            drifts += list(_drifts(row, folded))
            seen.add(row["id"])
    with_row = {number for number in folded.streams if _has_row(folded, number)}
    drifts += [Drift(number, "row", "a row", "none") for number in sorted(with_row - seen)]
    report = Report(
        events=folded.events,
        timers=len(with_row),
        head=folded.head,
        drifts=drifts,
        broken=folded.broken,
    )
    return report, folded


async def _fold_log(connection: Connection, progress: Progress | None) -> Folded:
    chain, broken, count = Chain(), list[str](), 0
    streams: dict[int, tuple[int, Timer]] = {}
    async for row in connection.cursor(event_statement("read_log"), prefetch=PREFETCH):
        broken += chain.follow(row)
        stream = row["stream_id"]
        _, state = streams.get(stream, (0, INITIAL))
        streams[stream] = (row["version"], evolve(state, decode(row["data"])))
        count += 1
        if progress and count % PREFETCH == 0:
            progress(count)
    if progress:
        progress(count)
    return Folded(streams, count, chain.head, broken)


def _drifts(row: Record, folded: Folded) -> Iterator[Drift]:
    number = row["id"]
    version, timer = folded.streams.get(number, (0, INITIAL))
    expected = image(timer)
    if expected is None:
        yield Drift(number, "row", "none", "a row")
        return
    for column in ("user_id", "role_id", "guild_id"):
        if row[column] != row[f"log_{column}"]:
            yield Drift(number, column, row[f"log_{column}"], row[column])
    if row["version"] != version:
        yield Drift(number, "version", version, row["version"])
    for column in IMAGE_COLUMNS:
        by_log, by_table = _comparable(column, getattr(expected, column)), row[column]
        if column == "warnings_sent" and by_table is not None:
            by_table = msgspec.json.decode(by_table)
        if by_log != by_table:
            yield Drift(number, column, by_log, by_table)


def _comparable(column: str, value: object) -> object:
    if column in ("created_at", "updated_at") and isinstance(value, int):
        seconds, ms = divmod(value, 1000)
        moment = datetime.fromtimestamp(seconds, UTC).replace(microsecond=ms * 1000)
        return moment.replace(tzinfo=None)
    return value


def _has_row(folded: Folded, number: int) -> bool:
    _, timer = folded.streams.get(number, (0, INITIAL))
    return timer != INITIAL


def _is_another(report: Report, number: int) -> bool:
    """Whether the row stands under another's name, and may hold the place of the right one."""
    names = ("user_id", "role_id")
    return any(d.number == number and d.column in names for d in report.drifts)


def _batches(numbers: Sequence[int]) -> Iterator[Sequence[int]]:
    for start in range(0, len(numbers), BATCH):
        yield numbers[start : start + BATCH]


async def _delete(connection: Connection, numbers: Sequence[int], folded: Folded) -> None:
    versions = [folded.streams.get(number, (0, INITIAL))[0] for number in numbers]
    async with connection.transaction():
        await _lock_log(connection)
        await connection.execute(statement("delete_rows"), list(numbers), versions)


async def _write(connection: Connection, numbers: Sequence[int], folded: Folded) -> None:
    rows = []
    for number in numbers:
        version, timer = folded.streams[number]
        rows.append({"id": number, "version": version} | msgspec.structs.asdict(_image(timer)))
    async with connection.transaction():
        await _lock_log(connection)
        await connection.execute(statement("write_rows"), msgspec.json.encode(rows).decode())


def _image(timer: Timer) -> RowImage:
    row = image(timer)
    if row is None:
        raise ValueError("a timer that has ended has no row")
    return row


async def _lock_log(connection: Connection) -> None:
    """Keep appends out; if this process freezes, PostgreSQL ends it rather than let them wait."""
    await connection.execute("SET LOCAL idle_in_transaction_session_timeout = '2s'")
    await connection.execute("SELECT lock_log()")


@asynccontextmanager
async def _alone(connection: Connection) -> AsyncIterator[None]:
    """Refuse a second replay of the same tables while one runs."""
    if not await connection.fetchval(f"SELECT pg_try_advisory_lock({ONE_AT_A_TIME})"):
        raise DatabaseError("Another `boostmon replay` is running; wait until it has ended.")
    try:
        yield
    finally:
        await connection.execute(f"SELECT pg_advisory_unlock({ONE_AT_A_TIME})")

"""Holds every row of the read model against the log."""

from collections.abc import Iterator
from datetime import datetime, timedelta

import msgspec
from asyncpg import Connection, Record
from msgspec import Struct

from boostmon.events.append import RowImage
from boostmon.events.timer import NoTimer
from boostmon.projections.replay.folding import NO_STREAM, Folded, Progress, Stream
from boostmon.projections.role_timers import image
from boostmon.projections.sql import statement

PREFETCH = 2_000
MOST_NAMED = 10_000
IMAGE_COLUMNS = RowImage.__struct_fields__
TIMES = ("created_at", "updated_at")
EPOCH = datetime(1970, 1, 1)  # noqa: DTZ001 - the table holds UTC without saying so


class Drift(Struct, frozen=True):
    """One column of row *number* that is not what the log says; column `row`: all of it."""

    number: int
    column: str
    log: object
    table: object


class Compared(Struct, frozen=True):
    """How many rows the log asks for, the streams whose rows differ, and what of them does.

    Of very many *drifts* these are the first.
    """

    timers: int
    differing: dict[int, Stream]
    drifts: list[Drift]


async def compare(connection: Connection, folded: Folded, progress: Progress) -> Compared:
    """Compare the table with *folded*, whose streams are used up on the way."""
    streams, compared = folded.streams, 0
    for number in folded.unreadable:
        del streams[number]
    timers = sum(map(has_row, streams.values()))
    differing: dict[int, Stream] = {}
    drifts: list[Drift] = []
    async for row in connection.cursor(statement("rows"), None, prefetch=PREFETCH):
        number = row["id"]
        if number in folded.unreadable:
            continue
        stream = streams.pop(number, NO_STREAM)
        if found := list(drifts_of(row, stream)):
            differing[number] = stream
            drifts += found[: MOST_NAMED - len(drifts)]
        compared += 1
        if compared % PREFETCH == 0:
            progress("comparing rows", compared, timers)
    for number, stream in streams.items():  # what is left has no row
        if has_row(stream):
            differing[number] = stream
            if len(drifts) < MOST_NAMED:
                drifts.append(Drift(number, "row", "a row", "none"))
    return Compared(timers, differing, drifts)


def has_row(stream: Stream) -> bool:
    """Tell whether the log asks for a row."""
    return not isinstance(stream.timer, NoTimer)


def drifts_of(row: Record, stream: Stream) -> Iterator[Drift]:
    """Yield what in *row* is not as *stream* asks for."""
    number, expected = row["id"], image(stream.timer)
    if expected is None:
        yield Drift(number, "row", "none", "a row")
        return
    for column in ("user_id", "role_id", "guild_id"):
        if row[column] != row[f"log_{column}"]:
            yield Drift(number, column, row[f"log_{column}"], row[column])
    if row["version"] != stream.version:
        yield Drift(number, "version", stream.version, row["version"])
    for column in IMAGE_COLUMNS:
        by_log, by_table = getattr(expected, column), row[column]
        if column in TIMES:
            by_log = _moment(by_log)
        elif column == "warnings_sent":
            by_table = _warnings(by_table)
        if by_log != by_table:
            yield Drift(number, column, by_log, by_table)


def _moment(ms: int) -> datetime | int:
    """Return *ms* as the table holds it, unless no timestamp can."""
    try:
        return EPOCH + timedelta(milliseconds=ms)
    except OverflowError:
        return ms


def _warnings(by_table: str | None) -> object:
    """Return what the table holds, unless it has another shape: 1 is not true."""
    try:
        return msgspec.json.decode(by_table or "null", type=dict[str, bool])
    except msgspec.ValidationError:
        return by_table

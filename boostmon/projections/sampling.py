"""Holds a sample of the read model against the log: a part of what `replay --check` does."""

from asyncpg import Connection
from msgspec import Struct

from boostmon.errors import UnknownEventError
from boostmon.events.document import decode
from boostmon.events.timer import evolve
from boostmon.projections.comparing import Drift, drifts_of, has_row
from boostmon.projections.folding import NO_STREAM, Stream
from boostmon.projections.sql import statement


class Sample(Struct, frozen=True):
    """How many timers were compared, the drifts among them, and those with unknown events."""

    timers: int
    drifts: list[Drift]
    unreadable: set[int]


async def compare_sample(connection: Connection, size: int) -> Sample:
    """Compare about *size* timers that changed last and twice as many others, in one snapshot."""
    numbers = [row["id"] for row in await connection.fetch(statement("sample"), size)]
    streams, unreadable = await _fold(connection, numbers)
    drifts: list[Drift] = []
    for row in await connection.fetch(statement("rows"), numbers):
        stream = streams.pop(row["id"], NO_STREAM)
        if row["id"] not in unreadable:
            drifts += drifts_of(row, stream)
    drifts += [
        Drift(number, "row", "a row", "none")
        for number, stream in streams.items()
        if has_row(stream) and number not in unreadable
    ]
    return Sample(len(numbers), drifts, unreadable)


async def _fold(connection: Connection, numbers: list[int]) -> tuple[dict[int, Stream], set[int]]:
    streams, unreadable = dict[int, Stream](), set[int]()
    for row in await connection.fetch(statement("events_of_streams"), numbers):
        stream = streams.setdefault(row["stream_id"], Stream())
        try:
            stream.timer = evolve(stream.timer, decode(row["data"]))
        except UnknownEventError:
            unreadable.add(row["stream_id"])
        stream.version = row["version"]
    return streams, unreadable

"""Holds a sample of the read model against the log: a part of what `replay --check` does."""

from asyncpg import Connection
from msgspec import Struct

from boostmon.errors import UnknownEventError
from boostmon.events.document import Reading
from boostmon.projections.replay.comparing import Drift, drifts_of, has_row
from boostmon.projections.replay.folding import NO_STREAM, Stream
from boostmon.projections.sql import statement


class Sample(Struct, frozen=True):
    """How many timers were compared, the drifts among them, and why some cannot be read."""

    timers: int
    drifts: list[Drift]
    unreadable: dict[int, UnknownEventError]


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


async def _fold(
    connection: Connection, numbers: list[int]
) -> tuple[dict[int, Stream], dict[int, UnknownEventError]]:
    streams, readings = dict[int, Stream](), dict[int, Reading]()
    for row in await connection.fetch(statement("events_of_streams"), numbers):
        reading = readings.setdefault(row["stream_id"], Reading())
        reading.take(row["data"])
        streams[row["stream_id"]] = Stream(row["version"], reading.timer)
    errors = {number: reading.error for number, reading in readings.items() if reading.error}
    return streams, errors

"""Mends rows in place: whoever reads the table keeps it, its rights and its numbers."""

from collections.abc import Iterator, Mapping, Sequence

import msgspec
from asyncpg import Connection

from boostmon.projections.replay.comparing import has_row
from boostmon.projections.replay.folding import Progress, Stream
from boostmon.projections.role_timers import image
from boostmon.projections.sql import statement

BATCH = 250


async def mend(connection: Connection, streams: Mapping[int, Stream], progress: Progress) -> None:
    """Write the rows of *streams* as the log has them, or delete those it knows nothing of.

    Batch by batch, each in one transaction: killed at any point, it leaves rows mended or as they
    were. A stream with a newer event than the fold's is passed over: it has written its own row.
    A role that stayed because of a row that was there by hand is to be taken again.
    """
    for done, numbers in _batches(sorted(streams)):
        batch = {number: streams[number] for number in numbers}
        await _mend(connection, batch)
        progress("mending rows", done, len(streams))


def _batches(numbers: Sequence[int]) -> Iterator[tuple[int, Sequence[int]]]:
    for start in range(0, len(numbers), BATCH):
        batch = numbers[start : start + BATCH]
        yield start + len(batch), batch


async def _mend(connection: Connection, batch: Mapping[int, Stream]) -> None:
    numbers, streams = list(batch), batch.values()
    versions, kept = [stream.version for stream in streams], [has_row(each) for each in streams]
    rows = msgspec.json.encode([_row(*each) for each in batch.items() if has_row(each[1])])
    async with connection.transaction(isolation="read_committed"):  # sees what it waited for
        # Appends wait meanwhile; if this process freezes, PostgreSQL ends it rather than let them.
        await connection.execute("SET LOCAL idle_in_transaction_session_timeout = '2s'")
        await connection.execute("SELECT lock_log()")
        deleted = await connection.fetch(statement("delete_rows"), numbers, versions, kept)
        await connection.fetch(statement("reopen_mended"), [row["id"] for row in deleted])
        await connection.execute(statement("write_rows"), rows.decode())


def _row(number: int, stream: Stream) -> dict[str, object]:
    row = image(stream.timer)
    assert row is not None  # noqa: S101 - `has_row` was asked
    return {"id": number, "version": stream.version} | msgspec.structs.asdict(row)

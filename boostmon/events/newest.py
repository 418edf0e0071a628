"""The newest part of the log, and whether it is as it was recorded."""

from asyncpg import Connection, Record
from msgspec import Struct

from boostmon.events.chain import MISREAD_START, event_hash, hashed_texts
from boostmon.events.sql import statement


class Density(Struct, frozen=True):
    """How many events the log has, and the position of the last; a whole log has as many."""

    events: int
    head: int


async def density(connection: Connection) -> Density:
    """Count the events."""
    return Density(**await connection.fetchrow(statement("density")))


async def altered(connection: Connection, most: int) -> list[int]:
    """Return the positions, among the newest *most*, of what is not as it was recorded."""
    rows = await connection.fetch(statement("newest"), most)
    return [row["position"] for row in rows if row["hash"] not in _hashes(row)]


def _hashes(row: Record) -> list[bytes]:
    """Return the hashes that an event may have: the first one has two."""
    numbers = (row["position"], row["stream_id"], row["version"], row["ordinal"])
    texts = (row["data"], row["actor"], row["source"], row["command_id"])
    recorded = int.from_bytes(row["recorded_at"], signed=True)
    before = [row["previous"], *([MISREAD_START] if row["position"] == 1 else [])]
    return [
        event_hash(previous, (*numbers, recorded), hashed_texts(texts), row["named"])
        for previous in before
    ]

"""The timers as they stood at an earlier time."""

from datetime import datetime

from asyncpg import Connection, Record
from msgspec import Struct

from boostmon.projections.replay.comparing import has_row
from boostmon.projections.replay.folding import Progress, Stream, fold_log, told
from boostmon.projections.replay.snapshot import snapshot
from boostmon.projections.role_timers import image
from boostmon.projections.sql import statement


class PastTimer(Struct, frozen=True, kw_only=True):
    """A timer as it stood; times in epoch milliseconds."""

    guild_id: str
    user_id: str
    role_id: str
    version: int
    expires_at: int
    paused: bool
    paused_remaining_ms: int
    warn_channel_id: str | None


class Past(Struct, frozen=True, kw_only=True):
    """What the events that were recorded by *as_of* say, the last of them at *position*."""

    as_of: datetime
    position: int
    timers: list[PastTimer]
    broken: list[str]
    unreadable: list[str]


async def past(connection: Connection, as_of: datetime, *, progress: Progress) -> Past:
    """Fold the log up to *as_of*, by the time of recording; timers that end first come first."""
    async with snapshot(connection):
        until = await connection.fetchval(statement("position_at"), as_of)
        folded = await fold_log(connection, until=until, progress=progress)
        timers = []
        async for names in connection.cursor(statement("stream_names"), prefetch=2_000):
            stream = folded.streams.get(names["stream_id"])
            if stream and has_row(stream) and names["stream_id"] not in folded.unreadable:
                timers.append(_timer(names, stream))
        unreadable = await told(connection, folded)
    timers.sort(key=lambda timer: (timer.guild_id, timer.expires_at, timer.user_id, timer.role_id))
    return Past(
        as_of=as_of,
        position=until,
        timers=timers,
        broken=folded.broken,
        unreadable=unreadable,
    )


def _timer(names: Record, stream: Stream) -> PastTimer:
    row = image(stream.timer)
    assert row is not None  # noqa: S101 - `has_row` was asked
    return PastTimer(
        guild_id=names["guild_id"],
        user_id=names["user_id"],
        role_id=names["role_id"],
        version=stream.version,
        expires_at=row.expires_at,
        paused=row.paused,
        paused_remaining_ms=row.paused_remaining_ms,
        warn_channel_id=row.warn_channel_id,
    )

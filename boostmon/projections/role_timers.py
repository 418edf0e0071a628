"""The read model: what the row of a timer holds, as its events left it."""

from asyncpg import Connection, Record
from msgspec import Struct

from boostmon.database.connections.pool import Database
from boostmon.events.append import RowImage
from boostmon.events.timer import NoTimer, OnHold, Running, Timer, TimerId, next_due_at
from boostmon.projections.sql import statement


def image(timer: Timer) -> RowImage | None:
    """Return the row that *timer* has in the read model; None when it has none."""
    match timer:
        case Running():
            return _image(timer, expires_at=timer.expires_at)
        case OnHold(paused_at=at, remaining_ms=left):
            return _image(timer, expires_at=at + left, paused_at=at, paused_remaining_ms=left)
        case NoTimer():
            return None


def _image(
    timer: Running | OnHold,
    *,
    expires_at: int,
    paused_at: int | None = None,
    paused_remaining_ms: int = 0,
) -> RowImage:
    return RowImage(
        expires_at=expires_at,
        warn_channel_id=timer.warn_channel_id,
        paused=paused_at is not None,
        paused_at=paused_at,
        paused_remaining_ms=paused_remaining_ms,
        warnings_sent={str(minutes): True for minutes in sorted(timer.warned, reverse=True)},
        created_at=timer.since,
        updated_at=timer.at,
        next_due_at=next_due_at(timer),
    )


class TimerRow(Struct, frozen=True, kw_only=True):
    """A timer that has not ended, as the read model has it; times in epoch milliseconds."""

    timer: TimerId
    expires_at: int
    paused: bool
    paused_remaining_ms: int
    warn_channel_id: str | None


class DueTimer(Struct, frozen=True):
    """A timer for which a sweep has something to do; *number* is its `role_timers.id`."""

    timer: TimerId
    number: int
    version: int
    next_due_at: int


class RoleTimers:
    """Reads the read model; writes nothing."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def of_member(self, guild_id: str, user_id: str) -> list[TimerRow]:
        """Return the timers of a member in one server, the one that ends first first."""

        async def fetch(connection: Connection) -> list[TimerRow]:
            rows = await connection.fetch(statement("of_member"), guild_id, user_id)
            return [_timer_row(row) for row in rows]

        return await self._database.run(fetch)

    async def due(self, now: int, after: tuple[int, int], limit: int) -> list[DueTimer]:
        """Return up to *limit* timers due by *now*, behind *after* (`next_due_at`, `id`)."""

        async def fetch(connection: Connection) -> list[DueTimer]:
            rows = await connection.fetch(statement("due"), now, *after, limit)
            return [
                DueTimer(_timer_id(row), row["id"], row["version"], row["next_due_at"])
                for row in rows
            ]

        return await self._database.run(fetch)

    async def next_due_at(self, after: int) -> int | None:
        """Return when the next timer is due later than *after*; None when none is."""

        async def fetch(connection: Connection) -> int | None:
            due: int | None = await connection.fetchval(statement("next_due_at"), after)
            return due

        return await self._database.run(fetch)


def _timer_id(row: Record) -> TimerId:
    return TimerId(row["guild_id"], row["user_id"], row["role_id"])


def _timer_row(row: Record) -> TimerRow:
    return TimerRow(
        timer=_timer_id(row),
        expires_at=row["expires_at"],
        paused=row["paused"],
        paused_remaining_ms=row["paused_remaining_ms"],
        warn_channel_id=row["warn_channel_id"],
    )

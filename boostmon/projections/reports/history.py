"""Tells what happened to a member's timers: each event between the states before and after it."""

from datetime import datetime
from typing import Literal

import msgspec
from asyncpg import Connection, Record
from msgspec import Struct

from boostmon.errors import UnknownEventError, UnknownPersonError
from boostmon.events.append import Source
from boostmon.events.document import Reading
from boostmon.events.timer import (
    Cleared,
    Expired,
    NoTimer,
    OnHold,
    Paused,
    Resumed,
    Running,
    TimeAdded,
    Timer,
    TimeRemoved,
    TimerEvent,
    TimerId,
    TimerSet,
    WarningSent,
    remaining_ms,
)
from boostmon.projections.effects.kinds import KINDS, EffectKind, EffectState
from boostmon.projections.sql import statement

PREFETCH = 500


class Stand(Struct, frozen=True, kw_only=True):
    """How a timer stood at the moment of an event; *expires_at* is None unless it ran.

    It is unknown behind an event that cannot be read, until the timer ends.
    """

    state: Literal["none", "running", "paused", "unknown"]
    expires_at: int | None = None
    remaining_ms: int = 0


class Effect(Struct, frozen=True, kw_only=True):
    """What Discord was owed for an event, and what became of it.

    *last_error* of a stuck one is its remedy; a *receipt* with a `reason` says why nothing came.
    """

    kind: EffectKind
    state: EffectState
    attempts: int
    done_at: datetime | None
    last_error: str | None
    receipt: dict[str, str | None] | None

    @property
    def reason(self) -> str | None:
        """Why nothing came of it, though it is done; None when it was carried out."""
        return (self.receipt or {}).get("reason")

    @property
    def channel_id(self) -> str | None:
        """The channel in which a notice stands."""
        return (self.receipt or {}).get("channel_id")


class Happening(Struct, frozen=True, kw_only=True):
    """One event of a member's timer, with who caused it and what it changed.

    *actor_id* is None when nobody in person did; *recorded_at* is the database's clock.
    *event* is None when it cannot be read, and *unread* says why.
    """

    position: int
    recorded_at: datetime
    timer: TimerId
    version: int
    event: TimerEvent | None
    source: Source
    actor_id: str | None
    command_id: str
    before: Stand
    after: Stand
    effects: list[Effect]
    unread: str | None = None

    @property
    def notice_channel_id(self) -> str | None:
        """The channel that a notice was to go to; None: a direct message."""
        match self.event:
            case WarningSent(warn_channel_id=channel) | Expired(warn_channel_id=channel):
                return channel
            case TimerSet() | TimeAdded() | TimeRemoved() | Paused() | Resumed() | Cleared() | None:
                return None


async def history(
    connection: Connection, user_id: str, *, guild_id: str | None, role_id: str | None
) -> list[Happening]:
    """Return what happened to the timers of *user_id*, oldest first; None: in every server, role.

    *user_id* may be a pseudonym. Raise `UnknownPersonError` for one that the log does not know.
    """
    happenings, timers = list[Happening](), dict[int, Reading]()
    async with connection.transaction(isolation="repeatable_read", readonly=True):
        if await connection.fetchval(statement("person"), user_id) is None:
            raise UnknownPersonError(
                f"BoostMon knows no person {user_id}: they never had a timer and never gave a "
                "command, or they were erased; check the id."
            )
        rows = connection.cursor(
            statement("history_of_person"), user_id, guild_id, role_id, KINDS, prefetch=PREFETCH
        )
        async for row in rows:
            reading = timers.setdefault(row["stream_id"], Reading())
            was = None if reading.error else reading.timer
            event = reading.take(row["data"])
            happenings.append(_happening(row, event, was, None if reading.error else reading.timer))
    return happenings


def _happening(
    row: Record, found: TimerEvent | UnknownEventError, before: Timer | None, after: Timer | None
) -> Happening:
    event = None if isinstance(found, UnknownEventError) else found
    at = event.at if event else int(row["recorded_at"].timestamp() * 1000)
    return Happening(
        position=row["position"],
        recorded_at=row["recorded_at"],
        timer=TimerId(row["guild_id"], row["user_id"], row["role_id"]),
        version=row["version"],
        event=event,
        source=row["source"],
        actor_id=row["actor_id"],
        command_id=row["command_id"],
        before=_stand(before, at),
        after=_stand(after, at),
        effects=msgspec.json.decode(row["effects"], type=list[Effect]),
        unread=None if event else str(found),
    )


def _stand(timer: Timer | None, at: int) -> Stand:
    if timer is None:
        return Stand(state="unknown")
    left = remaining_ms(timer, at)
    match timer:
        case NoTimer():
            return Stand(state="none")
        case Running(expires_at=end):
            return Stand(state="running", expires_at=end, remaining_ms=left)
        case OnHold():
            return Stand(state="paused", remaining_ms=left)

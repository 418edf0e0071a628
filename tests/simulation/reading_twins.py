"""The statements that read, as Python functions over the tables in memory."""

from bisect import bisect_right
from collections.abc import Sequence
from typing import Any

import msgspec

from tests.simulation.tables import OPEN, Effect, Row, Stream, Tables, moment

Rows = list[dict[str, Any]]
INFINITE = 1 << 62


def read(tables: Tables, users: Sequence[str], roles: Sequence[str]) -> Rows:
    """Return the events of streams."""
    wanted = enumerate(zip(users, roles, strict=True), start=1)
    return [
        {
            "number": number,
            "guild_id": stream.guild_id,
            "data": event.data,
            "version": event.version,
            "position": event.position,
            "command_id": event.command_id,
        }
        for number, key in wanted
        if (stream := tables.streams.get(key)) is not None
        for event in stream.events
    ]


def timer_of_command(tables: Tables, command_id: str) -> Rows:
    """Return the timer of a command."""
    streams = [e.stream for e in tables.events if e.command_id == command_id and not e.ordinal]
    return [{"guild_id": s.guild_id, "user_id": s.user_id, "role_id": s.role_id} for s in streams]


def head(tables: Tables) -> Rows:
    """Return the newest position."""
    return [{"head": len(tables.events)}]


def due(tables: Tables, now: int, after_due: int, after_number: int, limit: int) -> Rows:
    """Return timers that are due."""
    first = bisect_right(tables.due, (after_due, after_number))
    last = min(bisect_right(tables.due, (now, INFINITE)), first + limit)
    return [_due(tables.rows[number]) for _, number in tables.due[first:last]]


def _due(row: Row) -> dict[str, Any]:
    stream = row.stream
    return {
        "id": stream.number,
        "version": row.version,
        "guild_id": stream.guild_id,
        "user_id": stream.user_id,
        "role_id": stream.role_id,
        "next_due_at": row.next_due_at,
    }


def next_due_at(tables: Tables, after: int) -> Rows:
    """Return when the next timer is due."""
    first = bisect_right(tables.due, (after, INFINITE))
    return [{"next_due_at": tables.due[first][0]}] if first < len(tables.due) else []


def open_effects(tables: Tables) -> Rows:
    """Return what is owed."""
    return _owed(tables, list(tables.open.values()))


def open_effects_since(tables: Tables, position: int) -> Rows:
    """Return what is owed for the timers with a later event."""
    streams = {e.stream.number: e.stream for e in tables.events[max(0, position) :]}
    open_ones = [s for s in streams.values() if s.open]
    return _owed(tables, [e for s in open_ones for e in s.effects if e.state in OPEN])


def open_effects_of_streams(tables: Tables, numbers: Sequence[int]) -> Rows:
    """Return what is owed for streams."""
    wanted = set(numbers)
    return _owed(tables, [e for e in tables.open.values() if e.stream.number in wanted])


def look_at_lease(tables: Tables, _: str) -> Rows:
    """Return who holds the lease."""
    lease = tables.lease
    ahead = lease.expires_at - tables.clock()
    return [{"holder": lease.holder, "writing": str(lease.writing), "ahead": ahead}]


def _owed(tables: Tables, effects: list[Effect]) -> Rows:
    now = tables.clock()
    effects.sort(key=lambda effect: (effect.position, effect.kind == "notice"))
    return [_open_effect(tables, effect, now) for effect in effects]


def _open_effect(tables: Tables, effect: Effect, now: float) -> dict[str, Any]:
    event, stream = tables.events[effect.position - 1], effect.stream
    return {
        "position": effect.position,
        "kind": effect.kind,
        "stream_id": stream.number,
        "state": effect.state,
        "attempts": effect.attempts,
        "last_error": effect.last_error,
        **_names(stream),
        "command_id": event.command_id,
        "source": event.source,
        "data": event.data,
        "channel_id": event.channel_id,
        **_facts(tables, stream),
        "due_in": max(0.0, effect.due_at - now),
        "recorded_ago": now - event.recorded_at,
        "opened": stream.user_id in tables.direct_channels,
    }


def _names(stream: Stream) -> dict[str, Any]:
    return {
        "guild_id": stream.guild_id,
        "user_id": stream.user_id,
        "role_id": stream.role_id,
    }


def _facts(tables: Tables, stream: Stream) -> dict[str, Any]:
    row = tables.rows.get(stream.number)
    runs = row is not None and row.paused_at is None
    return {
        "has_row": row is not None,
        "runs_until": row.expires_at if row is not None and runs else None,
    }


def owed_effect(tables: Tables, position: int, kind: str) -> Rows:
    """Return one open effect."""
    effect = tables.open.get((position, kind))
    if effect is None:
        return []
    event, attempted_at = tables.events[position - 1], effect.attempted_at
    look_again_at = tables.doubted(effect)
    return [
        {
            "position": position,
            "kind": kind,
            "state": effect.state,
            "attempts": effect.attempts,
            "attempted_ago": None if attempted_at is None else tables.clock() - attempted_at,
            "look_again_at": None if look_again_at is None else moment(look_again_at),
            "looks": effect.looks,
            "role_name": (effect.receipt or {}).get("role_name"),
            "recorded_at": moment(event.recorded_at),
            "data": event.data,
            "source": event.source,
            "hash": event.hash.hex(),
            "actor_id": event.actor_id,
            "command_id": event.command_id,
            **_names(effect.stream),
            **_facts(tables, effect.stream),
            "nearest_warned": _nearest_warned(tables, effect.stream),
        }
    ]


def _nearest_warned(tables: Tables, stream: Stream) -> int | None:
    row = tables.rows.get(stream.number)
    told = [] if row is None else [int(key) for key in msgspec.json.decode(row.warnings_sent)]
    return min(told, default=None)


def effects_of_event(tables: Tables, position: int) -> Rows:
    """Return how far the effects of an event have come."""
    if not 0 < position <= len(tables.events):
        return []
    stream = tables.events[position - 1].stream
    return [
        {
            "kind": effect.kind,
            "state": effect.state,
            "last_error": effect.last_error or (effect.receipt or {}).get("reason"),
        }
        for effect in stream.effects
        if effect.position == position
    ]


def receipted(tables: Tables, position: int, message_ids: Sequence[str]) -> Rows:
    """Return which messages are receipts."""
    wanted, user_id = set(message_ids), tables.events[position - 1].stream.user_id
    found = [
        (effect.receipt or {}).get("message_id")
        for stream in tables.of_user[user_id]
        for effect in stream.effects
        if effect.receipt
    ]
    return [{"message_id": message_id} for message_id in found if message_id in wanted]


def direct_channel(tables: Tables, user_id: str) -> Rows:
    """Return a user's channel."""
    channel_id = tables.direct_channels.get(user_id)
    return [] if channel_id is None else [{"channel_id": channel_id}]


def of_member(tables: Tables, guild_id: str, user_id: str) -> Rows:
    """Return the timers of a member."""
    streams = tables.of_member(guild_id, user_id)
    rows = [tables.rows[s.number] for s in streams if s.number in tables.rows]
    rows.sort(key=lambda row: (row.paused_at is not None, row.expires_at, row.stream.number))
    return [
        {
            **_names(row.stream),
            "expires_at": row.expires_at,
            "paused": row.paused_at is not None,
            "paused_remaining_ms": row.paused_remaining_ms,
            "warn_channel_id": row.warn_channel_id,
        }
        for row in rows
    ]


def to_open(tables: Tables, after: int, until: int, limit: int) -> Rows:
    """Return who is told something first, and has no channel."""
    first = bisect_right(tables.due, (after, INFINITE))
    last = bisect_right(tables.due, (until, INFINITE))
    due: dict[str, int] = {}
    for due_at, number in tables.due[first:last]:
        row = tables.rows[number]
        user_id, began = row.stream.user_id, [e for e in row.stream.events if e.type == "TimerSet"]
        is_known = user_id in tables.direct_channels or row.warn_channel_id is not None
        if not is_known and began and began[-1].source == "slash":
            due.setdefault(user_id, due_at)
    found = sorted((due_at, user_id) for user_id, due_at in due.items())
    return [{"user_id": user_id} for _, user_id in found[:limit]]


def timed_roles(tables: Tables, guild_id: str) -> Rows:
    """Return the roles that have timers."""
    roles = {row.stream.role_id for row in tables.rows.values() if row.stream.guild_id == guild_id}
    return [{"role_id": role_id} for role_id in sorted(roles)]


def timers_of_role(tables: Tables, guild_id: str, role_id: str) -> Rows:
    """Return the timers of a role."""
    rows = sorted(tables.rows.values(), key=lambda row: row.stream.number)
    return [
        _held(row)
        for row in rows
        if row.stream.guild_id == guild_id and row.stream.role_id == role_id
    ]


def _held(row: Row) -> dict[str, Any]:
    stream = row.stream
    return {
        "id": stream.number,
        "user_id": stream.user_id,
        "role_id": stream.role_id,
        "version": row.version,
    }


def begin_of_life(stream: Stream) -> int:
    """Return the position of the last end of a stream; 0 when there is none."""
    for event in reversed(stream.events):
        if event.type in ("Expired", "Cleared"):
            return event.position
    return 0


def clock(tables: Tables) -> Rows:
    """Return the time of the database."""
    return [{"now": tables.clock() * 1000}]

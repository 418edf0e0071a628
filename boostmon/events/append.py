"""A piece of history to record, what `append` asks of PostgreSQL for it, and what becomes of it."""

from collections.abc import Hashable, Sequence
from typing import Literal

import msgspec
from asyncpg import Record
from msgspec import Struct

from boostmon.events.document import encode
from boostmon.events.sql import statement
from boostmon.events.timer import TimerEvent, TimerId, is_snowflake

Source = Literal["slash", "sweeper", "discord", "import", "cli"]
_encoder = msgspec.json.Encoder()


class RowImage(Struct, frozen=True, kw_only=True):
    """The columns of `role_timers` that a timer's state decides; times in epoch milliseconds."""

    expires_at: int
    warn_channel_id: str | None
    paused: bool
    paused_at: int | None
    paused_remaining_ms: int
    warnings_sent: dict[str, bool]
    created_at: int
    updated_at: int
    next_due_at: int | None


class Append(Struct, frozen=True, kw_only=True):
    """One piece of history to record, all or nothing.

    *row* is the row of `role_timers` after the events, or None for no row. *effects* has, for each
    event, the kinds of effects that it causes.
    """

    timer: TimerId
    expected_version: int
    command_id: str
    actor_id: str | None
    source: Source
    events: Sequence[TimerEvent]
    row: RowImage | None
    effects: Sequence[Sequence[str]]


class Appended(Struct, frozen=True):
    """Recorded; *version* and *position* are those of its last event."""

    version: int
    position: int


class Conflict(Struct, frozen=True):
    """Not recorded: the stream has moved on, to *version*."""

    version: int


class Repeated(Struct, frozen=True):
    """Not recorded again: that command was recorded before, for *timer*."""

    timer: TimerId


class Elsewhere(Struct, frozen=True):
    """Not recorded: the role belongs to the server *guild_id*."""

    guild_id: str


class Failed(Struct, frozen=True):
    """Not recorded: PostgreSQL refused it with *error*."""

    error: Exception


Outcome = Appended | Conflict | Repeated | Elsewhere | Failed


def call_for(appends: Sequence[Append]) -> tuple[str, Sequence[object]]:
    """Return the statement that records *appends*, and its arguments."""
    if len(appends) == 1 and len(appends[0].events) == 1:
        return statement("append_event"), _of_one(appends[0])
    return statement("append_batch"), _of_many(appends)


def _of_one(append: Append) -> Sequence[object]:
    return (
        append.timer.guild_id,
        append.timer.user_id,
        append.timer.role_id,
        append.expected_version,
        append.command_id,
        append.actor_id,
        append.source,
        encode(append.events[0]),
        append.effects[0],
        *_columns(append.row),
    )


def _of_many(appends: Sequence[Append]) -> Sequence[object]:
    effects = [kinds for a in appends for kinds in a.effects]
    return (
        [a.timer.guild_id for a in appends],
        [a.timer.user_id for a in appends],
        [a.timer.role_id for a in appends],
        [a.expected_version for a in appends],
        [a.command_id for a in appends],
        [a.actor_id for a in appends],
        [a.source for a in appends],
        [len(a.events) for a in appends],
        [encode(event) for a in appends for event in a.events],
        [number for number, kinds in enumerate(effects, start=1) for _ in kinds],
        [kind for kinds in effects for kind in kinds],
        *zip(*(_columns(a.row) for a in appends), strict=True),
        _earlier([(a.timer.user_id, a.timer.role_id) for a in appends]),
        _earlier([a.command_id for a in appends]),
    )


def _columns(row: RowImage | None) -> Sequence[object]:
    if row is None:
        return (None,) * 8
    return (
        row.expires_at,
        row.warn_channel_id,
        row.paused_at,
        row.paused_remaining_ms,
        _encoder.encode(row.warnings_sent).decode(),
        row.created_at,
        row.updated_at,
        row.next_due_at,
    )


def _earlier(keys: Sequence[Hashable]) -> list[int]:
    """Return, for each of *keys*, the number (from 1) of the one before that is equal, else 0."""
    last: dict[Hashable, int] = {}
    earlier = []
    for number, key in enumerate(keys, start=1):
        earlier.append(last.get(key, 0))
        last[key] = number
    return earlier


def outcome_of(row: Record) -> Outcome:
    """Return what PostgreSQL answers about one piece."""
    match row["outcome"]:
        case "appended":
            return Appended(row["version"], row["position"])
        case "conflict":
            return Conflict(row["version"])
        case "repeated":
            return Repeated(TimerId(row["guild_id"], row["user_id"], row["role_id"]))
        case "elsewhere":
            return Elsewhere(row["guild_id"])
        case unknown:
            raise ValueError(unknown)


def check(append: Append) -> None:
    """Refuse what PostgreSQL would refuse for the whole batch, or misread later."""
    timer = append.timer
    for snowflake in (timer.guild_id, timer.user_id, timer.role_id, append.actor_id):
        if snowflake is not None and not is_snowflake(snowflake):
            raise ValueError(f"{snowflake!r} is no snowflake")
    if not append.events or len(append.events) != len(append.effects):
        raise ValueError("an append needs events, and the effects of each")
    if "\0" in append.command_id:
        raise ValueError("a command id holds no NUL")

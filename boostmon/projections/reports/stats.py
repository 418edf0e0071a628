"""Counts timers set, extended, paused and ended, by day and by role, and what is stuck."""

from collections.abc import Iterator
from datetime import date, datetime

from asyncpg import Connection, Record
from msgspec import Struct, structs

from boostmon.projections.effects.open_effects import OpenEffects, open_effects
from boostmon.projections.replay.snapshot import snapshot
from boostmon.projections.sql import statement


class Counts(Struct, frozen=True, kw_only=True):
    """What was done to timers.

    *renewed* is a part of *set*: those of a member who had a timer for that role before, ended or
    not. *median_ms* is how long the lives were that ended, from their first `TimerSet` to their
    end, pauses included; None when none ended.
    """

    set: int = 0
    renewed: int = 0
    extended: int = 0
    paused: int = 0
    ended: int = 0
    median_ms: int | None = None


class OfDay(Counts, frozen=True, kw_only=True):
    """What was done on one day, in UTC."""

    day: date


class OfRole(Counts, frozen=True, kw_only=True):
    """What was done to the timers of one role, and how many it has now."""

    guild_id: str
    role_id: str
    running: int = 0
    on_hold: int = 0


class Stats(Struct, frozen=True, kw_only=True):
    """What was recorded from *since* on; days and roles without anything are left out."""

    since: datetime
    total: Counts
    days: list[OfDay]
    roles: list[OfRole]
    stuck: list[OpenEffects]


async def stats(
    connection: Connection, days: int, *, guild_id: str | None = None, role_id: str | None = None
) -> Stats:
    """Count what was recorded in the last *days*, today (UTC) included; None: everywhere."""
    async with snapshot(connection):
        since = await connection.fetchval(statement("day_before"), days - 1)
        counted = await connection.fetch(statement("timer_counts"), since, guild_id, role_id)
        lengths = await connection.fetch(statement("life_lengths"), since, guild_id, role_id)
        now = await connection.fetch(statement("timers_now"), guild_id, role_id)
        still_open = await open_effects(connection, guild_id=guild_id, role_id=role_id)
    medians = {_group(row): row["median_ms"] for row in lengths}
    counts = {_group(row): _counts(row, medians.get(_group(row))) for row in counted}
    return Stats(
        since=since,
        total=counts[None, None, None],
        days=[
            OfDay(day=day, **structs.asdict(found))
            for (day, _, _), found in counts.items()
            if day is not None
        ],
        roles=sorted(_roles(counts, now), key=lambda role: (role.guild_id, role.role_id)),
        stuck=[effects for effects in still_open if effects.state == "stuck"],
    )


Group = tuple[date | None, str | None, str | None]


def _group(row: Record) -> Group:
    return row["day"], row["guild_id"], row["role_id"]


def _counts(row: Record, median_ms: float | None) -> Counts:
    return Counts(
        set=row["set"],
        renewed=row["renewed"],
        extended=row["extended"],
        paused=row["paused"],
        ended=row["ended"],
        median_ms=None if median_ms is None else round(median_ms),
    )


def _roles(counts: dict[Group, Counts], now: list[Record]) -> Iterator[OfRole]:
    """Join what was done to a role with what there is now; either may be nothing."""
    standing = {(row["guild_id"], row["role_id"]): row for row in now}
    done = {(guild, role): found for (_, guild, role), found in counts.items() if guild and role}
    for guild_id, role_id in standing.keys() | done.keys():
        row = standing.get((guild_id, role_id))
        yield OfRole(
            guild_id=guild_id,
            role_id=role_id,
            running=row["running"] if row else 0,
            on_hold=row["on_hold"] if row else 0,
            **structs.asdict(done.get((guild_id, role_id), Counts())),
        )

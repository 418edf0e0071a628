"""Looks at the log, the read model and what Discord is owed, for `boostmon doctor`."""

import math
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

from asyncpg import Connection

from boostmon.errors import UnreadableEventError
from boostmon.events.newest import altered, density
from boostmon.finding import Finding, green, red, yellow
from boostmon.projections.effects.open_effects import (
    OUTAGE,
    OWED,
    STOPPED,
    OpenEffects,
    open_effects,
    unmarked,
)
from boostmon.projections.replay.sampling import Sample, compare_sample
from boostmon.projections.sql import statement

NEWEST = 1_000  # events whose chain is verified
SAMPLE = 200  # timers of each kind that are compared
LATE_MS = 60_000  # a sweep comes when something is due, not only every interval
WAITING = timedelta(minutes=5)
MOST_SHOWN = 20
DAY = 86_400.0  # seconds
RUN = "Start `boostmon run`."
KEEP_UP = "Look in the log of the bot for `effect`; if none runs, start `boostmon run`."
STAND_STILL = "Wait until then: BoostMon asks nothing before, and goes on by itself."
COMES_BACK = "Wait: BoostMon goes on when Discord shows the server again."
LONGEST_STOP = 3_660.0  # seconds; an hour, and what clocks may be apart
LOOK_AGAIN = (
    "As the owner: UPDATE effects SET looks = 0 WHERE look_again_at IS NOT NULL; and find out who "
    "changed the table."
)
NAME_A_CHANNEL = "Name a channel in `/settime`: what is said there needs no direct message."
RESTORE = "Restore a backup; `boostmon replay --check` tells which events are sound."


async def look_at_log(connection: Connection) -> list[Finding]:
    """See whether events are missing, and whether the newest are as they were recorded."""
    dense = await density(connection)
    positions = await altered(connection, NEWEST)
    found = [_density(dense.events, dense.head)]
    if positions:
        listed = ", ".join(map(str, positions[:MOST_SHOWN]))
        many = "Events are" if len(positions) > 1 else "An event is"
        found.append(
            red("log", f"{many} not as recorded, the chain is broken: position {listed}.", RESTORE)
        )
    else:
        newest = min(NEWEST, dense.events)
        found.append(green("log", f"The chain of the newest {newest:,} events is whole."))
    return found


def _density(events: int, head: int) -> Finding:
    if events == head:
        return green("log", f"The log has {events:,} events without a gap.")
    return red("log", f"Events are missing: the log has {events:,} up to position {head}.", RESTORE)


async def look_at_drift(connection: Connection) -> list[Finding]:
    """Hold a sample of role_timers against the log."""
    sample = await compare_sample(connection, SAMPLE)
    if sample.drifts:
        rows = sorted({drift.number for drift in sample.drifts})
        columns = ", ".join(sorted({drift.column for drift in sample.drifts}))
        listed = ", ".join(map(str, rows[:MOST_SHOWN]))
        found = f"role_timers differs from the log: row {listed} in {columns}."
        remedy = "Run `boostmon replay`, which mends it, and find out who changed the table."
        return [red("log", found, remedy)]
    if sample.unreadable:
        return list(_unreadable(sample))
    return [green("log", f"Of {sample.timers} timers compared, each row follows from the log.")]


def _unreadable(sample: Sample) -> Iterator[Finding]:
    senseless = [
        number
        for number, error in sample.unreadable.items()
        if isinstance(error, UnreadableEventError)
    ]
    if senseless:
        found = f"There are events that make no sense, in timers: {len(senseless)}."
        yield red("log", found, "Run `boostmon replay --check`, which names them and what to do.")
    if len(senseless) < len(sample.unreadable):
        newer = len(sample.unreadable) - len(senseless)
        found = f"There are events that only a newer BoostMon knows, in timers: {newer}."
        yield red("log", found, "Update this one.")


async def look_at_sweep(connection: Connection, now: int) -> list[Finding]:
    """See whether something is due that nobody has swept; *now* is timer time."""
    lives = await connection.fetchval(statement("relay_lives"))
    late = await connection.fetchrow(statement("overdue"), now - LATE_MS)
    working = (
        green("log", "A bot is at work: it holds the lease to speak to Discord.")
        if lives
        else yellow("log", "No bot is at work: nobody holds the lease to speak to Discord.", RUN)
    )
    if not late["timers"]:
        return [working, green("log", "Nothing is due that was not swept.")]
    ago = timedelta(seconds=(now - late["since"]) // 1000)
    found = f"Timers that are due and not swept: {late['timers']}, the first for {ago}."
    look = (
        "Look in the log of the bot for `timer not swept` and `sweep failed`, and run "
        "`boostmon replay --check`."
    )
    return [working, red("log", found, look if lives else RUN)]


async def look_at_effects(connection: Connection) -> list[Finding]:
    """List what is stuck with its remedy, and what has waited too long."""
    open_ones = await open_effects(connection)
    now = await connection.fetchval("SELECT clock_timestamp()")
    stuck = [effects for effects in open_ones if effects.state == "stuck"]
    owed = [effects for effects in open_ones if effects.state == "owed"]
    findings = [
        red(
            "log",
            f"Stuck: {_told(effects)}.",
            unmarked(effects.reason or "Look in the log of the bot."),
        )
        for effects in stuck[:MOST_SHOWN]
    ]
    if len(stuck) > MOST_SHOWN:
        more = len(stuck) - MOST_SHOWN
        findings.append(red("log", f"{more} more are stuck.", "`boostmon stats` lists them."))
    if astray := await connection.fetchval(statement("looks_astray")):
        found = f"Role changes in doubt that nobody can look at, for looks is no count: {astray}."
        findings.append(red("log", found, LOOK_AGAIN))
    return findings + (_waiting(owed, now) or ([] if stuck else [_calm(owed)]))


async def look_at_openings(connection: Connection) -> list[Finding]:
    """See whether Discord lets the bot open channels of direct messages."""
    seconds = await connection.fetchval(statement("openings_closed"))
    if not seconds:
        return []
    if seconds > LONGEST_STOP:
        found = "Direct messages to new people are stopped for more than the hour after which"
        found = f"{found} BoostMon tries again: somebody else wrote that, or a clock was wrong."
        return [red("log", found, "As the owner: UPDATE openings SET closed_until = NULL.")]
    minutes = math.ceil(seconds / 60)
    found = f"Direct messages to new people are stopped for {minutes} minutes (40003): Discord"
    found = f"{found} found that BoostMon opened too many. Notices to them wait; nothing else does."
    return [yellow("log", found, NAME_A_CHANNEL)]


async def look_at_differences(connection: Connection) -> list[Finding]:
    """List where Discord shows other roles than the log wants and somebody must decide."""
    places: dict[tuple[str, str], list[str]] = {}
    for row in await connection.fetch(statement("undecided"), None):
        whose = f"member {row['user_id']} (role {row['role_id']})"
        places.setdefault((row["guild_id"], row["found"]), []).append(whose)
    waiting = [_undecided(*place, whose) for place, whose in places.items()]
    rows = await connection.fetch(statement("differences_found"), DAY)
    if not rows:
        lately = "Discord was not found to show other roles than the log within a day."
    else:
        told = ", ".join(f"{row['found']} {row['timers']}" for row in rows)
        lately = f"Discord was found to show other roles than the log within a day, timers: {told}."
    return [*waiting, green("log", lately)]


def _undecided(guild_id: str, found: str, whose: list[str]) -> Finding:
    if found == "too_many_taken":
        told = f"{len(whose)} timed roles went missing at once in the server {guild_id}; BoostMon"
        told = f"{told} neither ends these timers nor gives the roles back until somebody decides."
        command = f"`boostmon resolve-removals {guild_id} --end`"
        remedy = f"Run {command} to end the timers, or with `--restore` to give the roles back."
        return red("log", told, remedy)
    listed = ", ".join(whose[:MOST_SHOWN])
    if len(whose) > MOST_SHOWN:
        listed += f" and {len(whose) - MOST_SHOWN} more"
    told = f"Imported timers of the server {guild_id} whose members do not hold the role: {listed}."
    remedy = "Give the role with `/addtime` or `/settime`, or end the timer with `/cleartime`."
    return yellow("log", told, remedy)


def _waiting(owed: list[OpenEffects], now: datetime) -> list[Finding]:
    late = [each for each in owed if each.due_at < now - WAITING or _is_stopped(each)]
    return [
        yellow(
            "log",
            f"Waiting for long: {_told(effects)}{_because(effects)}.",
            STAND_STILL
            if _is_stopped(effects)
            else (COMES_BACK if effects.reason == OUTAGE else KEEP_UP),
        )
        for effects in late[:MOST_SHOWN]
    ]


def _is_stopped(effects: OpenEffects) -> bool:
    return (effects.reason or "").startswith(STOPPED)


def _calm(owed: list[OpenEffects]) -> Finding:
    count = sum(effects.count for effects in owed)
    return green("log", f"Nothing is stuck; {count} changes in Discord wait for their turn.")


def _told(effects: OpenEffects) -> str:
    times = f", {effects.count} times" if effects.count > 1 else ""
    since = f"{effects.since.astimezone(UTC):%Y-%m-%d %H:%M}"
    return (
        f"{OWED[effects.kind]}{times} since {since} UTC (server {effects.guild_id}, role "
        f"{effects.role_id})"
    )


def _because(effects: OpenEffects) -> str:
    return f": {unmarked(effects.reason).rstrip('.')}" if effects.reason else ""

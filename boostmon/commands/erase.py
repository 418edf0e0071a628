"""Erasing a person: their timers end, Discord is given what it is owed, their id is replaced."""

import asyncio
from collections.abc import Callable, Sequence
from itertools import groupby

import asyncpg
from asyncpg import Connection
from msgspec import Struct

from boostmon import machine
from boostmon.commands.decider import Clear
from boostmon.commands.handler import CommandHandler, Origin
from boostmon.errors import EraseRefusedError, RejectedError
from boostmon.events.document import Reading
from boostmon.events.names import new_pseudonym
from boostmon.events.timer import NoTimer, TimerId
from boostmon.projections.effects.kinds import (
    GIVE_ROLE,
    NOTICE,
    TAKE_ROLE,
    EffectKind,
    EffectState,
    known,
)
from boostmon.projections.sql import statement

LOOK_AGAIN = 0.25  # seconds
MOST_NAMED = 3
OWED: dict[EffectKind, str] = {
    GIVE_ROLE: "the role",
    TAKE_ROLE: "the loss of the role",
    NOTICE: "a notice about the role",
}

Progress = Callable[[int], None]


class Debt(Struct, frozen=True, kw_only=True):
    """What Discord is owed for a timer; *refused*: it was tried, and somebody must act.

    *in_doubt*: it is settled, but Discord may still carry out what was given up.
    """

    stream_id: int
    guild_id: str
    role_id: str
    kind: EffectKind
    state: EffectState
    last_error: str | None
    refused: bool
    in_doubt: bool

    def __str__(self) -> str:
        if self.in_doubt:
            return (
                f"a look at the role {self.role_id} in server {self.guild_id}, ten minutes after a "
                "request that was not answered"
            )
        why = f" ({self.state}: {self.last_error.rstrip('.')})" if self.last_error else ""
        return f"{OWED[self.kind]} {self.role_id} in server {self.guild_id}{why}"


async def is_known(connection: Connection, user_id: str) -> bool:
    """Tell whether the log knows the person *user_id*."""
    return await connection.fetchval(statement("person"), user_id) is not None


async def end_timers(
    connection: Connection, handler: CommandHandler, user_id: str, now: int
) -> int:
    """End every timer of *user_id* at *now* (timer time); return how many there were.

    Of one with an event that cannot be read nobody knows whether it runs: it is ended, too.

    The command ids are of the streams' numbers, since an id in them would outlive this.
    """
    ended = 0
    timers = await _timers(connection, user_id)
    for stream in await connection.fetch(statement("streams_of_person"), user_id):
        number, version = stream["stream_id"], stream["version"]
        if number in timers and not _may_run(timers[number]):  # one that is new is not among them
            continue
        timer = TimerId(stream["guild_id"], user_id, stream["role_id"])
        origin = Origin(command_id=f"erase:{number}:{version}", source="cli")
        try:
            await handler.handle(timer, Clear(now, "erased"), origin)
        except RejectedError:
            continue  # it has ended meanwhile
        ended += 1
    return ended


async def settled(
    connection: Connection, user_id: str, *, seconds: float, progress: Progress
) -> None:
    """Wait until Discord is owed nothing for *user_id*; *progress* is told how much it still is.

    Raise `EraseRefusedError` after *seconds*, or when nothing more will come of it by itself.
    """
    end = machine.monotonic() + seconds
    while debts := await debts_of(connection, user_id):
        if machine.monotonic() > end or _is_hopeless(debts):
            raise await _still_owed(connection, debts)
        progress(len(debts))
        await asyncio.sleep(LOOK_AGAIN)


async def replace(connection: Connection, user_id: str) -> str:
    """Put a pseudonym in the place of *user_id*, all or nothing, and return it.

    Takes the connection of the owner of the tables. Raise `EraseRefusedError` when a timer of
    theirs runs again, or Discord is owed something: both are looked at while nobody can append.
    """
    naming = await connection.fetch(statement("effects_naming"), user_id)
    pseudonym = new_pseudonym()
    try:
        async with connection.transaction(isolation="read_committed"):  # sees what it waited for
            await _lock(connection)
            await _refuse_unsettled(connection, user_id)
            places = [row["position"] for row in naming], [row["kind"] for row in naming]
            await connection.execute(statement("erase_receipts"), user_id, pseudonym, *places)
            await connection.execute(statement("erase_direct_channel"), user_id)
            await connection.execute(statement("erase_rows"), user_id, pseudonym)
            await connection.execute(statement("erase_person"), user_id, pseudonym)
    except asyncpg.LockNotAvailableError as error:
        raise EraseRefusedError(
            "Somebody else is at work on the tables; nothing was replaced, run it again later."
        ) from error
    return pseudonym


async def _timers(connection: Connection, user_id: str) -> dict[int, Reading]:
    """Fold the streams of a person; by their numbers."""
    timers: dict[int, Reading] = {}
    for row in await connection.fetch(statement("events_of_person"), user_id):
        timers.setdefault(row["stream_id"], Reading()).take(row["data"])
    return timers


def _may_run(timer: Reading) -> bool:
    return timer.error is not None or not isinstance(timer.timer, NoTimer)


async def debts_of(connection: Connection, user_id: str) -> list[Debt]:
    """Return what Discord is owed for *user_id*, each timer's oldest first."""
    rows = await connection.fetch(statement("owed_to_person"), user_id)
    return [Debt(**row) for row in known(rows)]


def _is_hopeless(debts: Sequence[Debt]) -> bool:
    """Tell whether of each timer the effect was refused that all others of it wait for."""
    by_timer = groupby(debts, key=lambda debt: debt.stream_id)
    return all(next(of_timer).refused for _, of_timer in by_timer)


async def _lock(connection: Connection) -> None:
    """Keep appends and the relay out; if this process freezes, PostgreSQL lets them go on."""
    await connection.execute("SET LOCAL idle_in_transaction_session_timeout = '2s'")
    await connection.execute("SELECT lock_log()")
    await connection.execute("SET LOCAL lock_timeout = '2s'")
    await connection.execute(statement("lock_effects"))


async def _refuse_unsettled(connection: Connection, user_id: str) -> None:
    timers = await _timers(connection, user_id)
    if any(map(_may_run, timers.values())):
        raise EraseRefusedError(
            "A timer of theirs was started meanwhile, so nothing was replaced; tell the staff, and "
            "run it again."
        )
    if debts := await debts_of(connection, user_id):
        raise await _still_owed(connection, debts)


async def _still_owed(connection: Connection, debts: Sequence[Debt]) -> EraseRefusedError:
    named = ", ".join(map(str, debts[:MOST_NAMED]))
    more = f" and {len(debts) - MOST_NAMED} more" if len(debts) > MOST_NAMED else ""
    if await connection.fetchval(statement("relay_lives")):
        remedy = "when that is done, run it again"
    else:
        remedy = "no bot is at work: start `boostmon run`, and run it again"
    return EraseRefusedError(
        f"Discord is still owed {named}{more}; nothing was replaced. Their timers have ended; "
        f"{remedy}."
    )

"""Effects: what Discord is owed for an event, and how far it has come."""

from collections.abc import Iterable
from typing import Final, Literal, get_args

from asyncpg import Connection, Record
from msgspec import Struct

from boostmon.database.connections.pool import Database
from boostmon.errors import ReadOnlyError
from boostmon.events.append import Source
from boostmon.events.timer import (
    Cleared,
    Expired,
    Paused,
    Resumed,
    TimeAdded,
    TimeRemoved,
    TimerEvent,
    TimerId,
    TimerSet,
    WarningSent,
)
from boostmon.projections.sql import statement

EffectKind = Literal["give_role", "take_role", "notice"]
EffectState = Literal["owed", "stuck", "done", "superseded"]
OpenState = Literal["owed", "stuck"]

GIVE_ROLE: Final = "give_role"
TAKE_ROLE: Final = "take_role"
NOTICE: Final = "notice"
KINDS: tuple[EffectKind, ...] = get_args(EffectKind)


def effects_of(event: TimerEvent, source: Source) -> tuple[EffectKind, ...]:
    """Return what Discord is owed for *event*, in the order in which it is to be done.

    An imported timer owes nothing: its member holds the role already. A role that was deleted
    cannot be taken, nor one of a server that was given up.
    """
    if source == "import":
        return ()
    match event:
        case TimerSet() | TimeAdded() | Resumed():
            return (GIVE_ROLE,)
        case WarningSent():
            return (NOTICE,)
        case Expired():
            return (TAKE_ROLE, NOTICE)
        case Cleared(reason="role_deleted") | Cleared(because="server_given_up"):
            return ()
        case TimeRemoved() | Paused():
            return ()
        case Cleared():
            return (TAKE_ROLE,)


def known(effects: Iterable[Record]) -> list[Record]:
    """Leave out the effects of a kind that only a newer release knows: they are its own to do."""
    return [effect for effect in effects if effect["kind"] in KINDS]


class EffectProgress(Struct, frozen=True, kw_only=True):
    """How far an effect has come.

    *last_error* has the remedy when it is stuck, and when it is done why nothing came of it.
    """

    kind: EffectKind
    state: EffectState
    last_error: str | None


class StuckEffect(Struct, frozen=True, kw_only=True):
    """An effect that Discord refuses until somebody does what *last_error* says."""

    timer: TimerId
    kind: EffectKind
    last_error: str


class OpenEffects(Struct, frozen=True, kw_only=True):
    """How many effects of a kind are open in a state; the oldest was decided *age* seconds ago."""

    kind: EffectKind
    state: OpenState
    number: int
    age: float


class Effects:
    """Reads what Discord is owed; the relay alone writes it."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def of_event(self, position: int) -> list[EffectProgress]:
        """Return the effects of the event at *position*."""

        async def fetch(connection: Connection) -> list[EffectProgress]:
            rows = await connection.fetch(statement("effects_of_event"), position)
            return [EffectProgress(**row) for row in known(rows)]

        return await self._database.run(fetch)

    async def stuck_of_member(self, guild_id: str, user_id: str) -> list[StuckEffect]:
        """Return what is stuck for a member in one server."""

        async def fetch(connection: Connection) -> list[StuckEffect]:
            rows = await connection.fetch(statement("stuck_of_member"), guild_id, user_id)
            return [
                StuckEffect(
                    timer=TimerId(guild_id, user_id, row["role_id"]),
                    kind=row["kind"],
                    last_error=row["last_error"],
                )
                for row in known(rows)
            ]

        return await self._database.run(fetch)

    async def open_now(self) -> list[OpenEffects]:
        """Count what is open; raise `ReadOnlyError` where nothing can be settled."""
        (session,) = await self._database.fetch(statement("may_write"))
        if not session["may_write"]:
            raise ReadOnlyError
        rows = await self._database.fetch(statement("open_effects_counted"))
        return [OpenEffects(**row) for row in known(rows)]

"""Standings: what the log wants of a member's timed roles beside what Discord has confirmed."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Literal

from asyncpg import Record
from msgspec import Struct

from boostmon.database.connections.pool import Database
from boostmon.events.timer import TimerId
from boostmon.projections.effects.kinds import EffectKind, EffectState
from boostmon.projections.sql import statement

Found = Literal[
    "not_held",  # a give had not arrived, or was undone by an older take: it is done again
    "left_and_returned",  # the member lost the role by leaving: it is given again
    "held_after_end",  # a take had not arrived, or was undone by an older give: it is done again
    "taken_by_hand",  # BOOSTMON_ROLE_TAKEN has decided
    "too_many_taken",  # of one server at once: somebody must decide
    "import_not_held",  # an imported timer whose member lacks the role: somebody must decide
]
UNDECIDED: frozenset[Found] = frozenset({"too_many_taken", "import_not_held"})

IMPORTED = "imported"  # what processes are told; any other text is a position of the log

# Seconds after an attempt whose answer was lost: 30, then 2 minutes, then 10.
FIRST_LOOK = 30.0
NEXT_LOOKS = (90.0, 480.0)
LONGEST_LOOK = 600.0


class RoleChange(Struct, frozen=True, kw_only=True):
    """The newest effect that gives or takes a role; *unfulfilled*: it was settled without.

    Discord made the change after *given_after* and before *given_before*, each by whichever clock
    errs on the safe side; None while it is open.
    """

    position: int
    kind: EffectKind
    state: EffectState
    done_at: datetime | None
    unfulfilled: bool
    given_after: datetime | None
    given_before: datetime | None


class Standing(Struct, frozen=True, kw_only=True):
    """How one timed role of a member stands.

    *wanted*: the timer lives. *ended* is the position of the last end, 0 without one; *position*
    that of the newest event. *in_doubt*: Discord may still do what was given up. *held_back*: too
    many roles were missing at once, and nobody has decided yet.
    """

    timer: TimerId
    number: int
    version: int
    position: int
    ended: int
    begun_at: datetime | None
    wanted: bool
    change: RoleChange | None
    is_open: bool
    in_doubt: bool
    held_back: bool

    @property
    def given(self) -> RoleChange | None:
        """The newest give of the present life; None for an imported timer that was never given."""
        change = self.change
        return change if change is not None and change.position > self.ended else None


class TimedMember(Struct, frozen=True, kw_only=True):
    """A member with timers: the roles to hold, and the streams of those never given (imported).

    *reported*: roles of imported timers that were found missing, first at *reported_at*, which
    waits for somebody.
    *held_back*: too many roles were missing at once, one of theirs among them.
    """

    user_id: str
    role_ids: frozenset[str]
    never_given: tuple[int, ...]
    reported: frozenset[str]
    reported_at: datetime | None
    held_back: bool


class Undecided(Struct, frozen=True, kw_only=True):
    """What Discord shows otherwise than the log, and nobody has decided."""

    timer: TimerId
    number: int
    found: Found
    found_at: datetime


class Standings:
    """Reads how timed roles stand, and notes what was found; every method may be repeated."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def of_member(self, guild_id: str, user_id: str) -> list[Standing]:
        """Return how each timed role of a member stands, those of ended timers too."""
        rows = await self._database.fetch(statement("standings"), guild_id, user_id)
        return [_standing(row, guild_id, user_id) for row in rows]

    async def reopen(self, change: RoleChange, user_id: str) -> bool:
        """Owe *change* again, unless something became of it meanwhile; tell whether it is owed."""
        arguments = (change.position, change.kind, change.done_at, user_id)
        return bool(await self._database.fetch(statement("reopen_effect"), *arguments))

    async def owe_roles(self, guild_id: str, user_id: str) -> int:
        """Owe a member the roles of timers of which none was ever owed; return how many.

        They were imported, while the member held the roles already.
        """
        (row,) = await self._database.fetch(statement("owe_roles"), guild_id, user_id)
        return int(row["owed"])

    async def owe_nothing(self, held: Mapping[int, datetime | None], *, seconds_ago: float) -> int:
        """Note that imported timers' roles are held, asked for *seconds_ago*; return how many.

        *held* has since when each is a member, by the stream's number; None for a guest.
        """
        arguments = (list(held), list(held.values()), seconds_ago)
        (row,) = await self._database.fetch(statement("owe_nothing"), *arguments)
        return int(row["noted"])

    async def confirm_take(self, change: RoleChange) -> None:
        """Note that a take was done by leaving: the member is back without the role."""
        arguments = (change.position, change.done_at)
        await self._database.fetch(statement("confirm_take"), *arguments)

    async def in_doubt(self, most: int) -> list[tuple[str, str]]:
        """Return up to *most* (server, user) whose members are to be read again by now."""
        rows = await self._database.fetch(statement("members_in_doubt"), LONGEST_LOOK, most)
        return [(row["guild_id"], row["user_id"]) for row in rows]

    async def looked(self, numbers: Sequence[int]) -> None:
        """Note that streams were looked at; they are in doubt until the last look."""
        await self._database.fetch(statement("looked"), numbers, NEXT_LOOKS, LONGEST_LOOK)

    async def put_off(self, numbers: Sequence[int], seconds: float) -> None:
        """Have streams that cannot be looked at now be due again in *seconds*."""
        await self._database.fetch(statement("put_off_looks"), numbers, seconds, LONGEST_LOOK)

    async def note(self, standing: Standing, found: Found) -> None:
        """Note a difference, for `boostmon doctor`."""
        waits = found in UNDECIDED
        arguments = (standing.number, found, standing.position, waits)
        await self._database.fetch(statement("note_difference"), *arguments)

    async def decided(self, numbers: Sequence[int]) -> None:
        """Note that what was found of streams waits for nobody any more."""
        await self._database.fetch(statement("decide_differences"), numbers)

    async def undecided(self, guild_id: str | None = None) -> list[Undecided]:
        """Return what waits for somebody, in one server or in all."""
        rows = await self._database.fetch(statement("undecided"), guild_id)
        return [
            Undecided(
                timer=TimerId(row["guild_id"], row["user_id"], row["role_id"]),
                number=row["stream_id"],
                found=row["found"],
                found_at=row["found_at"],
            )
            for row in rows
        ]

    async def tell_reopened(self) -> None:
        """Tell all processes that effects were opened again."""
        await self._database.fetch(statement("tell_all"), "")

    async def tell_imported(self) -> None:
        """Tell all processes that timers were imported, whose members are to be read."""
        await self._database.fetch(statement("tell_all"), IMPORTED)

    async def servers(self) -> list[str]:
        """Return the servers that have timers."""
        rows = await self._database.fetch(statement("servers_with_timers"))
        return [row["guild_id"] for row in rows]

    async def members(self, guild_id: str, *, after: str, most: int) -> list[TimedMember]:
        """Return up to *most* members of a server with timers, behind the user *after* ("")."""
        arguments = (guild_id, after, most)
        rows = await self._database.fetch(statement("members_with_timers"), *arguments)
        return [
            TimedMember(
                user_id=row["user_id"],
                role_ids=frozenset(row["role_ids"]),
                never_given=tuple(row["never_given"] or ()),
                reported=frozenset(row["reported"] or ()),
                reported_at=row["reported_at"],
                held_back=row["held_back"],
            )
            for row in rows
        ]


def _standing(row: Record, guild_id: str, user_id: str) -> Standing:
    return Standing(
        timer=TimerId(guild_id, user_id, row["role_id"]),
        number=row["stream_id"],
        version=row["version"],
        position=row["position"],
        ended=row["ended"],
        begun_at=row["begun_at"],
        wanted=row["wanted"],
        change=_change(row),
        is_open=row["is_open"],
        in_doubt=row["in_doubt"],
        held_back=row["held_back"],
    )


def _change(row: Record) -> RoleChange | None:
    if row["change_position"] is None:
        return None
    return RoleChange(
        position=row["change_position"],
        kind=row["kind"],
        state=row["state"],
        done_at=row["done_at"],
        unfulfilled=bool(row["unfulfilled"]) or row["state"] == "superseded",
        given_after=row["given_after"],
        given_before=row["given_before"],
    )

"""Puts what Discord is still owed together by what it waits for."""

from datetime import datetime

from asyncpg import Connection
from msgspec import Struct

from boostmon.projections.effects.kinds import (
    GIVE_ROLE,
    NOTICE,
    TAKE_ROLE,
    EffectKind,
    OpenState,
    known,
)
from boostmon.projections.sql import statement

STOPPED = "Discord stops all requests"
OUTAGE = "the server has an outage"
OWED: dict[EffectKind, str] = {
    GIVE_ROLE: "role to be given",
    TAKE_ROLE: "role to be taken",
    NOTICE: "to be told",
}


class OpenEffects(Struct, frozen=True, kw_only=True):
    """Effects of one kind, for one role, that wait for the same.

    *reason* has the remedy when they are stuck. *since* is when the first was recorded; *due_at*
    when it is tried next.
    """

    state: OpenState
    guild_id: str
    role_id: str
    kind: EffectKind
    reason: str | None
    count: int
    since: datetime
    due_at: datetime


async def open_effects(
    connection: Connection, *, guild_id: str | None = None, role_id: str | None = None
) -> list[OpenEffects]:
    """Return what is owed or stuck, the oldest first; None: in every server, for every role."""
    rows = await connection.fetch(statement("open_by_reason"), guild_id, role_id)
    return [OpenEffects(**row) for row in known(rows)]


def unmarked(reason: str) -> str:
    """Return *reason*, which was written for Discord, without its bold type."""
    return reason.replace("**", "")

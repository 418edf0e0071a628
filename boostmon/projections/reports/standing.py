"""Takes one snapshot of everything: the newest events, the rows, what Discord is owed."""

import msgspec
from asyncpg import Connection, Record
from msgspec import Struct

from boostmon.events.following import LogEntry, entries_after
from boostmon.projections.sql import statement


class RowDocument(Struct, frozen=True, kw_only=True):
    """A row of the read model with all of its columns."""

    user_id: str
    role_id: str
    guild_id: str
    next_due_at: int | None
    document: msgspec.Raw


class OwedInShort(Struct, frozen=True, kw_only=True):
    """How many effects wait for Discord, and which are stuck, with the remedy as `last_error`."""

    waiting: int
    stuck: msgspec.Raw


class Standing(Struct, frozen=True, kw_only=True):
    """What was read in one snapshot; *head* is the position of the newest event in the log."""

    head: int
    entries: list[LogEntry]
    rows: list[RowDocument]
    owed: OwedInShort


async def read_standing(connection: Connection, *, after: int, limit: int) -> Standing:
    """Read how everything stands, with the newest *limit* of the events later than *after*."""
    async with connection.transaction(isolation="repeatable_read", readonly=True):
        head = await connection.fetchval(statement("head"))
        owed = await connection.fetchrow(statement("owed_in_short"))
        return Standing(
            head=head,
            entries=await entries_after(connection, max(after, head - limit), limit),
            rows=[_row(row) for row in await connection.fetch(statement("rows_as_documents"))],
            owed=OwedInShort(waiting=owed["waiting"], stuck=msgspec.Raw(owed["stuck"].encode())),
        )


def _row(row: Record) -> RowDocument:
    return RowDocument(
        user_id=row["user_id"],
        role_id=row["role_id"],
        guild_id=row["guild_id"],
        next_due_at=row["next_due_at"],
        document=msgspec.Raw(row["document"].encode()),
    )

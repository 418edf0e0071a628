"""Departures: the servers that the bot is not in any more, and what they are owed meanwhile."""

from collections.abc import Collection
from datetime import datetime

from asyncpg import Connection
from msgspec import Struct

from boostmon.database.connections.pool import Database
from boostmon.projections.sql import statement

GIVEN_UP = "the server was given up"
ABSENT = "the bot is not in the server any more"


class Departure(Struct, frozen=True, kw_only=True):
    """A server that the bot is not in *since* then; *parked*: nothing is tried there any more."""

    guild_id: str
    since: datetime
    parked: bool


class Departures:
    """Notes which servers the bot is in, as a bot."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def in_use(self) -> set[str]:
        """Return the servers that have timers, or to which something is owed."""
        rows = await self._database.fetch(statement("servers_in_use"))
        return {row["guild_id"] for row in rows}

    async def left(self, guild_ids: Collection[str]) -> None:
        """Note that the bot is not in *guild_ids*."""

        async def note(connection: Connection) -> None:
            await connection.execute(statement("note_departures"), list(guild_ids))

        if guild_ids:
            await self._database.run(note)

    async def present(self, guild_ids: Collection[str]) -> set[str]:
        """Note that the bot is in *guild_ids*; return those in which it was not."""
        rows = await self._database.fetch(statement("note_returns"), list(guild_ids))
        return {row["guild_id"] for row in rows}


async def departed(connection: Connection) -> list[Departure]:
    """Return the servers that the bot is known not to be in."""
    return [Departure(**row) for row in await connection.fetch(statement("departed"))]


async def write_off_server(connection: Connection, guild_id: str) -> int:
    """Owe a server nothing any more, which was given up; return how much it was owed.

    Takes the connection of the owner of the tables.
    """
    async with connection.transaction():
        done = await connection.execute(statement("write_off_server"), guild_id, GIVEN_UP)
        await connection.execute(statement("forget_departure"), guild_id)
    await connection.execute(statement("tell_all"), "")
    return int(done.split()[-1])


async def write_off_person(connection: Connection, user_id: str, guild_ids: Collection[str]) -> int:
    """Owe a person nothing in servers that the bot is not in; return how much it was."""
    arguments = (user_id, list(guild_ids), ABSENT)
    done = await connection.execute(statement("write_off_person"), *arguments)
    return int(done.split()[-1])

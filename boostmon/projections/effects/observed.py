"""Reads what the bot must know, and opens again what it may, when Discord acts on its own."""

from asyncpg import Connection
from msgspec import Struct

from boostmon.database.connections.pool import Database
from boostmon.events.timer import HOUR, TimerId
from boostmon.projections.sql import statement


class HeldTimer(Struct, frozen=True):
    """A timer that has not ended; *number* is its stream's, *version* that of its newest event."""

    timer: TimerId
    number: int
    version: int


class Observed:
    """Timers by role or member, and effects to be opened again; all may be repeated."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def timed_roles(self, guild_id: str) -> list[str]:
        """Return the roles of a server that have timers."""

        async def fetch(connection: Connection) -> list[str]:
            rows = await connection.fetch(statement("timed_roles"), guild_id)
            return [row["role_id"] for row in rows]

        return await self._database.run(fetch)

    async def of_role(self, guild_id: str, role_id: str) -> list[HeldTimer]:
        """Return the timers of a role."""
        return await self._timers("timers_of_role", guild_id, role_id)

    async def bot_returned(self, guild_id: str, *, now: int | None) -> None:
        """Owe a server everything, but the notices that are older than an hour at *now*.

        *now* is timer time in milliseconds; None while it is not known: then no notice is old.
        """

        async def catch_up(connection: Connection) -> None:
            if now is not None:
                await connection.execute(statement("close_old_notices"), guild_id, now - HOUR)
            await connection.execute(statement("hasten_effects"), guild_id)

        await self._database.run(catch_up)

    async def _timers(self, name: str, guild_id: str, other_id: str) -> list[HeldTimer]:
        async def fetch(connection: Connection) -> list[HeldTimer]:
            rows = await connection.fetch(statement(name), guild_id, other_id)
            return [
                HeldTimer(
                    TimerId(guild_id, row["user_id"], row["role_id"]),
                    row["id"],
                    row["version"],
                )
                for row in rows
            ]

        return await self._database.run(fetch)

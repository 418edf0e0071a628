"""Remembers which channel a user's direct messages go to."""

from asyncpg import Connection

from boostmon.database.connections.pool import Database
from boostmon.projections.sql import statement


class DirectChannels:
    """Remembers channels of direct messages, which Discord should seldom be asked to open."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def find(self, user_id: str) -> str | None:
        """Return the channel of direct messages with a user, if one was opened."""

        async def fetch(connection: Connection) -> str | None:
            channel_id: str | None = await connection.fetchval(statement("direct_channel"), user_id)
            return channel_id

        return await self._database.run(fetch)

    async def note(self, user_id: str, channel_id: str) -> None:
        """Remember that a user's direct messages go to *channel_id*."""

        async def note(connection: Connection) -> None:
            await connection.execute(statement("note_direct_channel"), user_id, channel_id)

        await self._database.run(note)

    async def take_opening(self, limit: int, seconds: float) -> float:
        """Tell for how many seconds yet no channel may be opened; at 0 one is counted.

        That is *limit* in any *seconds*, by all processes together, and none while that is closed.
        """
        (row,) = await self._database.fetch(statement("take_opening"), limit, seconds)
        wait: float = row["seconds"]
        return wait

    async def close(self, seconds: float) -> None:
        """Have none be opened for *seconds*, by whichever process."""

        async def close(connection: Connection) -> None:
            await connection.execute(statement("close_openings"), seconds)

        await self._database.run(close)

    async def to_open(self, after: int, until: int, limit: int) -> list[str]:
        """Return up to *limit* people, whom timers set by a command tell in that time (ms) first.

        Who is told first comes first; those with a channel are left out.
        """
        rows = await self._database.fetch(statement("to_open"), after, until, limit)
        return [row["user_id"] for row in rows]

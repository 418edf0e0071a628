"""Which channel a user's direct messages go to."""

from asyncpg import Connection

from boostmon.database.pool import Database
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

"""Owner: the application at Discord whose database this is; another one's bot must not lead."""

from asyncpg import Connection

from boostmon.database.connections.pool import Database
from boostmon.projections.sql import statement


class Owner:
    """Reads and claims whose database it is, as a bot."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def application_id(self) -> str | None:
        """Return the id of the application whose database this is; None: it is nobody's yet."""
        rows = await self._database.fetch(statement("owner"))
        return rows[0]["application_id"] if rows else None

    async def claim(self, application_id: str) -> None:
        """Let it be that of *application_id*, unless somebody was first."""

        async def claim(connection: Connection) -> None:
            await connection.execute(statement("claim_database"), application_id)

        await self._database.run(claim)

    async def servers_in_use(self) -> set[str]:
        """Return the servers that have timers, or to which something is owed."""
        rows = await self._database.fetch(statement("servers_in_use"))
        return {row["guild_id"] for row in rows}


async def owner_of(connection: Connection) -> str | None:
    """Return the id of the application whose database this is; None: it is nobody's yet."""
    owner: str | None = await connection.fetchval(statement("owner"))
    return owner


async def adopt(connection: Connection, application_id: str) -> None:
    """Hand the database over to *application_id*; takes the connection of the tables' owner."""
    async with connection.transaction():
        await connection.execute(statement("adopt_database"), application_id)
        await connection.execute(statement("forget_direct_channels"))

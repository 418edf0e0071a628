"""The lease: which process speaks to Discord."""

from collections.abc import Callable

from asyncpg import Connection

from boostmon import machine
from boostmon.database.pool import Database
from boostmon.projections.sql import statement

TERM = 20.0  # seconds on the database's clock; a process that died is replaced after it


class Lease:
    """The duty of one name, held by at most one process at a time.

    Whether it is held is judged on this machine's monotonic clock from before the question was
    sent, so a slow answer can only make the term shorter.
    """

    def __init__(
        self,
        database: Database,
        *,
        name: str,
        holder: str,
        monotonic: Callable[[], float] = machine.monotonic,
    ) -> None:
        self._database = database
        self._name = name
        self._holder = holder
        self._monotonic = monotonic
        self._until = 0.0

    @property
    def held(self) -> bool:
        """Whether this process may act now."""
        return self.left > 0

    @property
    def left(self) -> float:
        """For how many seconds more this process may act without renewing."""
        return self._until - self._monotonic()

    async def claim(self) -> bool:
        """Take the lease, or renew it; return whether it is held."""
        asked = self._monotonic()

        async def claim(connection: Connection) -> bool:
            claimed = await connection.fetchval(
                statement("claim_lease"), self._name, self._holder, TERM
            )
            return claimed is not None

        if await self._database.run(claim):
            self._until = asked + TERM
        else:
            self._until = 0.0
        return self.held

    async def release(self, seconds: float) -> None:
        """Give the lease up, to be taken by another process *seconds* from now."""
        self._until = 0.0

        async def release(connection: Connection) -> None:
            await connection.execute(statement("release_lease"), self._name, self._holder, seconds)

        await self._database.run(release)

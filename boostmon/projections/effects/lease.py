"""The lease: which process speaks to Discord."""

from collections.abc import Callable

from asyncpg import Connection
from msgspec import Struct

from boostmon import machine
from boostmon.database.connections.pool import Database
from boostmon.projections.sql import statement

TERM = 20.0  # seconds; a process that died is replaced after it


class Sighting(Struct, frozen=True):
    """A lease that is not ours, as one *writing* of its row has left it, first seen at *since*.

    *rest*: for how many seconds from then on whoever let go of it has asked others to wait; None
    while somebody holds it. Times are of this machine's monotonic clock.
    """

    writing: str
    since: float
    rest: float | None

    def is_free(self, now: float) -> bool:
        """Tell whether it may be taken at *now*, if nobody has written it again.

        A holder who is alive writes it within a term. What the row says of the time proves
        nothing: any clock may have jumped since, and the holder counts on its own.
        """
        wait = TERM if self.rest is None else min(self.rest, TERM)
        return now - self.since >= wait


class Lease:
    """The duty of one name, held by at most one process at a time.

    Whether it is held is judged on this machine's monotonic clock from before the question was
    sent, so a slow answer can only make the term shorter. Whoever stands by counts a term from
    when it has seen the holder's last writing, so never from earlier than the holder does. With an
    *application_id* it is held only while the database is not another application's.
    """

    def __init__(
        self,
        database: Database,
        *,
        name: str,
        holder: str,
        application_id: str | None = None,
        monotonic: Callable[[], float] | None = None,
    ) -> None:
        self._database = database
        self._name = name
        self._holder = holder
        self._application_id = application_id
        self._monotonic = monotonic or (lambda: machine.monotonic())  # noqa: PLW0108 - a test may set it
        self._until = 0.0
        self._seen: Sighting | None = None

    @property
    def held(self) -> bool:
        """Whether this process may act now."""
        return self.left > 0

    @property
    def left(self) -> float:
        """For how many seconds more this process may act without renewing."""
        return self._until - self._monotonic()

    async def claim(self) -> bool:
        """Renew the lease, or take it once it is free; return whether it is held."""
        asked = self._monotonic()
        if not await self._write(None):
            seen = await self._look()
            asked = self._monotonic()
            if not seen.is_free(asked) or not await self._write(seen.writing):
                self._until = 0.0
                return False
        self._until, self._seen = asked + TERM, None
        return self.held

    async def release(self, seconds: float) -> None:
        """Give the lease up, to be taken by another process *seconds* from now."""
        self._until = 0.0

        async def release(connection: Connection) -> None:
            await connection.execute(statement("release_lease"), self._name, self._holder, seconds)

        await self._database.run(release)

    async def _write(self, writing: str | None) -> bool:
        """Put our name into the row, if it is there, or if *writing* is the newest."""

        async def write(connection: Connection) -> bool:
            arguments = (self._name, self._holder, TERM, writing, self._application_id)
            return await connection.fetchval(statement("claim_lease"), *arguments) is not None

        return await self._database.run(write)

    async def _look(self) -> Sighting:
        row = (await self._database.fetch(statement("look_at_lease"), self._name))[0]
        if self._seen is None or self._seen.writing != row["writing"]:
            rest = row["ahead"] if row["holder"] is None else None
            self._seen = Sighting(row["writing"], self._monotonic(), rest)
        return self._seen

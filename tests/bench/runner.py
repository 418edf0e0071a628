"""What a measure gets and what it returns."""

import secrets
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

from msgspec import Struct

from boostmon.database.connections.connection import session
from boostmon.database.embedded.provision import BOT
from boostmon.database.schema.migrate import migrate
from tests.support.databases import with_schema


class Row(Struct, frozen=True, kw_only=True):
    """A figure, e.g. 2900.0 "appends/s", beside the *limit* in the same unit that *beside* names.

    The goals *at_least* and *at_most* are for figure / limit; without a limit, for the figure.
    """

    name: str
    figure: float
    unit: str
    limit: float | None = None
    beside: str = ""
    at_least: float | None = None
    at_most: float | None = None
    note: str = ""

    @property
    def ratio(self) -> float | None:
        """The figure as a part of its limit."""
        return self.figure / self.limit if self.limit else None

    @property
    def is_met(self) -> bool | None:
        """Whether the goal is reached; None without a goal."""
        judged = self.figure if self.limit is None else self.figure / self.limit
        if self.at_least is not None:
            return judged >= self.at_least
        return None if self.at_most is None else judged <= self.at_most


class Tables(Struct, frozen=True):
    """Freshly migrated tables: where their owner and where the bot connects."""

    owner_url: str
    bot_url: str


class Place(Struct, frozen=True, kw_only=True):
    """The durable server that everything of one run is measured on."""

    owner_url: str
    bot_url: str
    superuser_url: str
    binaries: Path  # psql, pgbench
    folder: Path  # on the same disk as the database, gone after the run
    big: bool = False

    @asynccontextmanager
    async def tables(self) -> AsyncIterator[Tables]:
        """Lend tables of their own, in a schema that is dropped afterwards."""
        name = f"bench_{secrets.token_hex(4)}"
        async with session(self.owner_url) as owner:
            await owner.execute(f"CREATE SCHEMA {name}")
        tables = Tables(with_schema(self.owner_url, name), with_schema(self.bot_url, name))
        try:
            async with session(tables.owner_url) as owner:
                await migrate(owner, BOT)
            yield tables
        finally:
            async with session(self.owner_url) as owner:
                await owner.execute(f"DROP SCHEMA {name} CASCADE")


Measure = Callable[[Place], Awaitable[list[Row]]]

"""Where a command finds its database: at DATABASE_URL, else in an embedded PostgreSQL."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

import click
from msgspec import Struct

from boostmon.config import DatabaseConfig, load, masked
from boostmon.database.connection import role_of, session
from boostmon.database.embedded import EmbeddedPostgres
from boostmon.database.migrate import migrate, pending
from boostmon.errors import DatabaseError

START_WAIT = 30.0  # seconds that `run` waits for the database


class Place(Struct, frozen=True, kw_only=True):
    """A database: the bot's URL and the owner's, which may be the same."""

    url: str
    owner_url: str
    statement_cache: bool


@asynccontextmanager
async def found_database(environ: Mapping[str, str]) -> AsyncIterator[Place]:
    """Lend the database that *environ* names; say on stderr which one was picked."""
    config = load(DatabaseConfig, environ)
    if config.database_url is not None and config.owner_url is not None:
        click.echo(f"database: {masked(config.database_url)}", err=True)
        yield Place(
            url=config.database_url,
            owner_url=config.owner_url,
            statement_cache=config.statement_cache,
        )
        return
    async with EmbeddedPostgres(config.data_dir) as server:
        click.echo(f"database: {server.description}", err=True)
        yield Place(url=server.url, owner_url=server.owner_url, statement_cache=True)


async def bring_up_to_date(place: Place, *, wait: float = 0.0) -> list[str]:
    """Apply what migrations are missing and give the bot its rights; return what was applied."""
    async with session(place.owner_url, wait=wait) as owner:
        return await migrate(owner, role_of(place.url))


async def refuse_outdated(place: Place) -> None:
    """Raise `DatabaseError` when migrations are missing."""
    async with session(place.owner_url) as owner:
        if await pending(owner):
            raise DatabaseError("The database is not up to date; run `boostmon migrate` first.")

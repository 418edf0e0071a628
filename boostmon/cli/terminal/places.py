"""Finds a command's database, and words the refusal of a port that it cannot have."""

from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

import click
from msgspec import Struct

from boostmon.config import DatabaseConfig, load, masked
from boostmon.database.connections.connection import session
from boostmon.database.connections.url import role_of
from boostmon.database.embedded.postgres import EmbeddedPostgres, holds_database
from boostmon.database.schema.migrate import migrate, pending, refuse_read_only
from boostmon.database.schema.naming import another_name
from boostmon.errors import ConfigurationError, DatabaseError

START_WAIT = 30.0  # seconds that `run` waits for the database


class Place(Struct, frozen=True, kw_only=True):
    """A database: the bot's URL and the owner's, which may be the same.

    *variable* and *owner_variable* are what the user must correct when one does not work.
    """

    url: str
    owner_url: str
    statement_cache: bool
    variable: str = "DATABASE_URL"
    owner_variable: str = "DATABASE_URL"

    def owner(self, *, wait: float = 0.0) -> AbstractAsyncContextManager[Any]:
        """Lend a connection as the owner; *wait* seconds for a server that does not answer."""
        return session(self.owner_url, wait=wait, variable=self.owner_variable)


@asynccontextmanager
async def found_database(
    environ: Mapping[str, str], *, may_be_made: bool = False
) -> AsyncIterator[Place]:
    """Lend the database that *environ* names; say on stderr which one was picked.

    Raise `DatabaseError` where an embedded one is not there yet, unless it *may_be_made*.
    """
    config = load(DatabaseConfig, environ)
    if config.database_url is not None and config.owner_url is not None:
        click.echo(f"database: {masked(config.database_url)}", err=True)
        yield Place(
            url=config.database_url,
            owner_url=config.owner_url,
            statement_cache=config.statement_cache,
            owner_variable=(
                "BOOSTMON_OWNER_DATABASE_URL"
                if config.boostmon_owner_database_url
                else "DATABASE_URL"
            ),
        )
        return
    if not may_be_made and not holds_database(config.data_dir):
        raise DatabaseError(
            f"There is no database in {config.data_dir} yet; start `boostmon run`, which makes "
            "one, or set DATABASE_URL to a PostgreSQL."
        )
    async with EmbeddedPostgres(config.data_dir) as server:
        click.echo(f"database: {server.description}", err=True)
        yield Place(
            url=server.url,
            owner_url=server.owner_url,
            statement_cache=True,
            variable="BOOSTMON_DATA_DIR",
            owner_variable="BOOSTMON_DATA_DIR",
        )


async def bring_up_to_date(place: Place, *, wait: float = 0.0) -> list[str]:
    """Apply what migrations are missing and give the bot its rights; return what was applied."""
    async with place.owner(wait=wait) as owner:
        return await migrate(owner, role_of(place.url))


async def refuse_outdated(place: Place, *, must_write: bool = False) -> None:
    """Raise `DatabaseError` when migrations are missing, or the schema was renamed.

    Also where nothing can be written, for a command that *must_write*: `run` waits until it can,
    but whoever gave a command must act.
    """
    async with place.owner() as owner:
        if must_write:
            await refuse_read_only(owner)
        if await pending(owner) or await another_name(owner):
            raise DatabaseError("The database is not up to date; run `boostmon migrate` first.")


def port_taken(
    port: int, error: OSError, *, remedy: str = "give another one with --port"
) -> ConfigurationError:
    """Put into a sentence that nobody can listen on *port*."""
    return ConfigurationError(f"Port {port} cannot be used ({error.strerror}); {remedy}.")

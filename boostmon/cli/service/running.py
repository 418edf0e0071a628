"""`boostmon run`."""

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import click
import structlog
from msgspec import Struct

from boostmon.bot import app
from boostmon.bot.health.endpoints import Endpoints
from boostmon.bot.health.vitals import Vitals
from boostmon.cli.terminal.places import (
    START_WAIT,
    Place,
    bring_up_to_date,
    found_database,
    port_taken,
)
from boostmon.cli.terminal.stopping import run_until_stopped
from boostmon.config import ClockConfig, DiscordConfig, HttpConfig, PoolConfig, SweepConfig, load
from boostmon.database.clocks.agreed_clock import is_here, open_agreed_clock
from boostmon.database.connections.pool import Database, connect
from boostmon.errors import ConfigurationError, DatabaseError
from boostmon.events.log import read_head

HEAD_WAIT = 0.5  # seconds; a stop must not take long, whatever the database does

log = structlog.get_logger()


class Settings(Struct, frozen=True, kw_only=True):
    """All that `run` takes from the environment, but the database."""

    discord: DiscordConfig
    sweep: SweepConfig
    clock: ClockConfig
    pool: PoolConfig
    http: HttpConfig


@click.command()
def run() -> None:
    """Run the bot: serve commands, warn, and end what is over."""
    settings = Settings(
        discord=load(DiscordConfig, os.environ),
        sweep=load(SweepConfig, os.environ),
        clock=load(ClockConfig, os.environ),
        pool=load(PoolConfig, os.environ),
        http=load(HttpConfig, os.environ),
    )
    run_until_stopped(_run(settings))


async def _run(settings: Settings) -> None:
    vitals = Vitals()
    async with (
        _told_of(vitals, settings.http),
        found_database(os.environ, may_be_made=True) as place,
    ):
        await bring_up_to_date(place, wait=START_WAIT)
        await _serve(place, settings, vitals)


@asynccontextmanager
async def _told_of(vitals: Vitals, http: HttpConfig) -> AsyncIterator[None]:
    """Serve *vitals*, if a port is given, from the first moment to the last."""
    if http.port is None:
        yield
        return
    endpoints = Endpoints(vitals)
    try:
        await endpoints.open(http.boostmon_http_host, http.port)
    except UnicodeError as error:
        raise ConfigurationError(
            "BOOSTMON_HTTP_HOST is no address of this machine; write one, such as 127.0.0.1 or ::."
        ) from error
    except OSError as error:
        remedy = "set PORT or BOOSTMON_HTTP_HOST to another one"
        raise port_taken(http.port, error, remedy=remedy) from error
    try:
        yield
    finally:
        await endpoints.close()


async def _serve(place: Place, settings: Settings, vitals: Vitals) -> None:
    async with (
        await connect(
            place.url,
            pool=settings.pool,
            statement_cache=place.statement_cache,
            wait=START_WAIT,
            variable=place.variable,
        ) as database,
        open_agreed_clock(
            database, settings.clock.clock_file, one_witness=is_here(place.url)
        ) as clock,
    ):
        surroundings = app.Surroundings(
            database=database,
            owner_url=place.owner_url,
            clock=clock,
            discord=settings.discord,
            sweep=settings.sweep,
            vitals=vitals,
        )
        await _log_head(database, "at the start")
        try:
            await app.run(surroundings, stop=asyncio.Event())
        finally:
            await _log_head(database, "at the end")


async def _log_head(database: Database, when: str) -> None:
    """Put the head of the log where the owner of the tables may not reach: into our own logs."""
    try:
        head = await database.run(read_head, deadline=HEAD_WAIT)
    except DatabaseError as error:
        log.warning("head of the log not read", when=when, reason=str(error))
    else:
        log.info("head of the log", when=when, head=str(head))

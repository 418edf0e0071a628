"""`boostmon run`."""

import asyncio
import os

import click
import structlog
from msgspec import Struct

from boostmon.bot import app
from boostmon.cli.places import START_WAIT, Place, bring_up_to_date, found_database
from boostmon.cli.stopping import until_stopped
from boostmon.config import ClockConfig, DiscordConfig, PoolConfig, SweepConfig, load
from boostmon.database.clock import open_clock
from boostmon.database.pool import Database, connect
from boostmon.errors import DatabaseError
from boostmon.events.log import read_head

HEAD_WAIT = 1.0  # seconds; a stop must not take long, whatever the database does

log = structlog.get_logger()


class Settings(Struct, frozen=True, kw_only=True):
    """All that `run` takes from the environment, but the database."""

    discord: DiscordConfig
    sweep: SweepConfig
    clock: ClockConfig
    pool: PoolConfig


@click.command()
def run() -> None:
    """Run the bot: serve commands, warn, and end what is over."""
    settings = Settings(
        discord=load(DiscordConfig, os.environ),
        sweep=load(SweepConfig, os.environ),
        clock=load(ClockConfig, os.environ),
        pool=load(PoolConfig, os.environ),
    )
    asyncio.run(until_stopped(_run(settings)))


async def _run(settings: Settings) -> None:
    async with found_database(os.environ) as place:
        await bring_up_to_date(place, wait=START_WAIT)
        await _serve(place, settings)


async def _serve(place: Place, settings: Settings) -> None:
    async with (
        await connect(
            place.url,
            pool=settings.pool,
            statement_cache=place.statement_cache,
            wait=START_WAIT,
        ) as database,
        open_clock(database, settings.clock.clock_file) as clock,
    ):
        surroundings = app.Surroundings(
            database=database,
            owner_url=place.owner_url,
            clock=clock,
            discord=settings.discord,
            sweep=settings.sweep,
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

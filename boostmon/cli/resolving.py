"""`boostmon resolve-removals`."""

import asyncio
import os

import click

from boostmon.bot.durations import counted
from boostmon.cli.ids import Id
from boostmon.cli.places import found_database, refuse_outdated
from boostmon.commands.handler import CommandHandler
from boostmon.commands.removals import end_all, restore_all
from boostmon.config import ClockConfig, PoolConfig, load
from boostmon.database.clock import open_clock
from boostmon.database.pool import connect
from boostmon.events.store import EventStore
from boostmon.projections.standings import Standings

ONE = PoolConfig(boostmon_pool_min=1, boostmon_pool_max=2)


@click.command("resolve-removals")
@click.argument("guild", type=Id())
@click.option("--end", "what", flag_value="end", help="End the timers of the roles that are gone.")
@click.option("--restore", "what", flag_value="restore", help="Give the roles back.")
def resolve_removals(*, guild: str, what: str | None) -> None:
    """Decide what was held back because too many roles were missing in a server at once."""
    if what is None:
        raise click.UsageError("Say what is to be done: --end or --restore.")
    asyncio.run(_resolve(guild, ends=what == "end"))


async def _resolve(guild_id: str, *, ends: bool) -> None:
    async with found_database(os.environ) as place:
        await refuse_outdated(place)
        async with (
            await connect(place.url, pool=ONE, statement_cache=place.statement_cache) as database,
            open_clock(database, load(ClockConfig, os.environ).clock_file) as clock,
        ):
            standings = Standings(database)
            if ends:
                handler = CommandHandler(EventStore(database))
                ended = await end_all(standings, handler, guild_id, now=clock.now())
                click.echo(f"{counted(ended, 'timer')} ended")
            else:
                restored = await restore_all(standings, guild_id)
                click.echo(f"{counted(restored, 'role')} will be given back")

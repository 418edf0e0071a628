"""`boostmon erase`."""

import asyncio
import math
import os
import sys
from typing import Any

import click
from rich.console import Console

from boostmon.bot.wording.durations import counted
from boostmon.cli.terminal.asking import asking_discord
from boostmon.cli.terminal.ids import Id
from boostmon.cli.terminal.places import Place, found_database, refuse_outdated
from boostmon.commands.erase import debts_of, end_timers, is_known, replace, settled
from boostmon.commands.handler import CommandHandler
from boostmon.config import ClockConfig, PoolConfig, load
from boostmon.database.clocks.clock import open_clock
from boostmon.database.connections.pool import connect
from boostmon.errors import AnotherApplicationError, ConfigurationError, DiscordError
from boostmon.events.store import EventStore
from boostmon.projections.effects.departures import departed, write_off_person

QUESTION = (
    "The timers of {user} end, their roles are taken, and a pseudonym takes the place of the id. "
    "This cannot be undone. Go on?"
)
ONE = PoolConfig(boostmon_pool_min=1, boostmon_pool_max=2)


def _number(_: click.Context, __: click.Parameter, seconds: float) -> float:
    if math.isnan(seconds):  # which no range leaves out, and no clock ever reaches
        raise click.BadParameter("nan is no number of seconds.")
    return seconds


@click.command()
@click.argument("user", type=Id())
@click.option("--yes", is_flag=True, help="Do not ask first.")
@click.option(
    "--wait",
    type=click.FloatRange(0, 86_400),
    default=60.0,
    callback=_number,
    show_default=True,
    metavar="SECONDS",
    help="How long to wait until Discord is owed nothing for them.",
)
def erase(*, user: str, yes: bool, wait: float) -> None:
    """End a person's timers and replace their id by a pseudonym, for good."""
    if not yes:
        if not sys.stdin.isatty():
            raise click.UsageError("Nobody is here to be asked; add --yes.")
        click.confirm(QUESTION.format(user=user), abort=True, err=True)
    asyncio.run(_erase(user, wait))


async def _erase(user: str, wait: float) -> None:
    async with found_database(os.environ) as place:
        await refuse_outdated(place, must_write=True)
        async with place.owner() as owner:
            if not await is_known(owner, user):
                click.echo(f"BoostMon knows no person {user}; nothing is to be erased")
                return
            ended = await _end(place, owner, user)
            await _write_off(owner, user)
            console = Console(stderr=True)
            with console.status("waiting for Discord") as status:
                await settled(
                    owner,
                    user,
                    seconds=wait,
                    progress=lambda owed: status.update(
                        f"waiting for Discord, {counted(owed, 'change')} owed"
                    ),
                )
            pseudonym = await replace(owner, user)
    click.echo(f"erased, {counted(ended, 'timer')} ended; the person is now {pseudonym}")


async def _write_off(owner: Any, user: str) -> None:
    """Owe them nothing in servers that the bot is not in; say which these are."""
    servers = {debt.guild_id for debt in await debts_of(owner, user)}
    absent = sorted(await _absent(owner, servers)) if servers else []
    if absent and await write_off_person(owner, user, absent):
        listed = ", ".join(absent)
        _warn(f"The bot is not in the server {listed}, so the roles there stay as they are.")


def _warn(sentence: str) -> None:
    click.echo(f"warning: {sentence}", err=True)


async def _absent(owner: Any, servers: set[str]) -> set[str]:
    """Return those of *servers* that the bot is not in, as Discord tells, or as it was noted."""
    try:
        async with asking_discord(owner) as is_absent:
            if is_absent is not None:
                return {guild_id for guild_id in servers if await is_absent(guild_id)}
    except (AnotherApplicationError, ConfigurationError, DiscordError) as error:
        _warn(str(error))
    return servers & {departure.guild_id for departure in await departed(owner)}


async def _end(place: Place, owner: Any, user: str) -> int:
    async with (
        await connect(place.url, pool=ONE, statement_cache=place.statement_cache) as database,
        open_clock(database, load(ClockConfig, os.environ).clock_file) as clock,
    ):
        return await end_timers(owner, CommandHandler(EventStore(database)), user, clock.now())

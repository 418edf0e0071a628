"""`boostmon forget-server`."""

import asyncio
import os
import sys
from typing import Any

import click
from rich.console import Console
from rich.progress import Progress

from boostmon.bot.wording.durations import counted
from boostmon.cli.terminal.asking import asking_discord
from boostmon.cli.terminal.ids import Id
from boostmon.cli.terminal.places import Place, found_database, refuse_outdated
from boostmon.commands.forget import end_timers
from boostmon.commands.handler import CommandHandler
from boostmon.config import ClockConfig, PoolConfig, load
from boostmon.database.clocks.clock import open_clock
from boostmon.database.connections.pool import connect
from boostmon.errors import ForgetRefusedError
from boostmon.events.store import EventStore
from boostmon.projections.effects.departures import write_off_server

QUESTION = (
    "DISCORD_TOKEN is not set, so nobody asks Discord whether the bot is in the server {guild}. "
    "Its timers end, the members keep the roles, and this cannot be undone. Go on?"
)
POOL = PoolConfig(boostmon_pool_min=1, boostmon_pool_max=2)


@click.command("forget-server")
@click.argument("guild", type=Id(), metavar="ID")
def forget_server(*, guild: str) -> None:
    """Give a server up that the bot has left: its timers end, and it is owed nothing more."""
    if not os.environ.get("DISCORD_TOKEN", "").strip():
        if not sys.stdin.isatty():
            raise ForgetRefusedError(
                "DISCORD_TOKEN is not set, so nobody can tell whether the bot is in the server "
                f"{guild}, and nobody is here to be asked; set it."
            )
        click.confirm(QUESTION.format(guild=guild), abort=True, err=True)
    asyncio.run(_forget(guild))


async def _forget(guild: str) -> None:
    async with found_database(os.environ) as place:
        await refuse_outdated(place, must_write=True)
        async with place.owner() as owner:
            async with asking_discord(owner) as is_absent:
                if is_absent is not None and not await is_absent(guild):
                    raise ForgetRefusedError(
                        f"The bot is in the server {guild}; remove it there first, or end the "
                        "timers with `/cleartime`."
                    )
            ended = await _end(place, owner, guild)
            closed = await write_off_server(owner, guild)
    click.echo(f"{counted(ended, 'timer')} ended, {counted(closed, 'change')} owed no longer")


async def _end(place: Place, owner: Any, guild: str) -> int:
    console = Console(stderr=True)
    async with (
        await connect(place.url, pool=POOL, statement_cache=place.statement_cache) as database,
        open_clock(database, load(ClockConfig, os.environ).clock_file) as clock,
    ):
        with Progress(console=console, transient=True, disable=not console.is_terminal) as bar:
            task = bar.add_task("ending timers", total=None)
            return await end_timers(
                owner,
                CommandHandler(EventStore(database)),
                guild,
                now=clock.now(),
                progress=lambda done, total: bar.update(task, completed=done, total=total),
            )

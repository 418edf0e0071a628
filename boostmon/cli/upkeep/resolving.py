"""`boostmon resolve-removals`."""

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import click

from boostmon.bot.wording.durations import counted
from boostmon.cli.terminal.ids import Id
from boostmon.cli.terminal.places import found_database, refuse_outdated
from boostmon.commands.handler import CommandHandler
from boostmon.commands.removals import Ends, Holds, end_all, restore_all
from boostmon.config import ClockConfig, DiscordConfig, PoolConfig, load
from boostmon.database.clocks.clock import open_clock
from boostmon.database.connections.pool import connect
from boostmon.events.store import EventStore
from boostmon.events.timer import TimerId
from boostmon.projections.effects.owner import owner_of
from boostmon.projections.effects.standings import Standings

NONE = "Nothing is held back in this server; `boostmon doctor` says where something is."
ONE = PoolConfig(boostmon_pool_min=1, boostmon_pool_max=2)


@click.command("resolve-removals")
@click.argument("guild", type=Id())
@click.option("--end", is_flag=True, help="End the timers of the roles that are gone.")
@click.option("--restore", is_flag=True, help="Give the roles back; their timers go on.")
def resolve_removals(*, guild: str, end: bool, restore: bool) -> None:
    """Decide what was held back because too many roles were missing in a server at once."""
    if end == restore:
        raise click.UsageError("Say what is to be done: --end or --restore.")
    asyncio.run(_resolve(guild, ends=end))


async def _resolve(guild_id: str, *, ends: bool) -> None:
    async with found_database(os.environ) as place:
        await refuse_outdated(place, must_write=True)
        async with (
            await connect(place.url, pool=ONE, statement_cache=place.statement_cache) as database,
            open_clock(database, load(ClockConfig, os.environ).clock_file) as clock,
        ):
            standings = Standings(database)
            if ends:
                handler = CommandHandler(EventStore(database))
                async with place.owner() as owner:
                    application_id = await owner_of(owner)
                async with _asking_discord(application_id) as holds:
                    _show(await end_all(standings, handler, guild_id, now=clock.now(), holds=holds))
            else:
                restored = await restore_all(standings, guild_id)
                click.echo(f"{counted(restored, 'role')} will be given back" if restored else NONE)


@asynccontextmanager
async def _asking_discord(owner: str | None) -> AsyncIterator[Holds | None]:
    """Lend a way to ask whether a role is back meanwhile, if there is one.

    What is lent raises `AnotherApplicationError` where the token is not that of *owner*: another
    bot may be in other servers, where it sees nobody.
    """
    if not os.environ.get("DISCORD_TOKEN", "").strip():
        _warn("DISCORD_TOKEN is not set, so nobody asked Discord whether a role is back.")
        yield None
        return
    from boostmon.bot.discord.reads import discord_reads  # noqa: PLC0415 - so does this
    from boostmon.bot.doctor.application_checks import application_of  # noqa: PLC0415 - disnake takes long to load
    from boostmon.bot.doctor.held_roles import holds  # noqa: PLC0415 - so does this
    from boostmon.bot.servers.identity import another  # noqa: PLC0415 - and this

    async with discord_reads(load(DiscordConfig, os.environ)) as reads:
        ours = owner is None  # or it has turned out to be

        async def is_back(timer: TimerId) -> bool:
            nonlocal ours
            if not ours:
                application_id = (await application_of(reads)).application_id
                if owner != application_id:
                    raise another(owner, f"the application {application_id}")
                ours = True
            return await holds(reads, timer)

        yield is_back


def _show(ends: Ends) -> None:
    click.echo(NONE if ends == Ends() else f"{counted(ends.ended, 'timer')} ended")
    if ends.back:
        click.echo(f"{counted(ends.back, 'role')} found to be back: the timer goes on")
    if ends.untold:
        still = f"{counted(ends.untold, 'timer')} held back still, since Discord did not tell"
        _warn(f"{still} whether the role is back ({ends.doubt}); run it again.")


def _warn(sentence: str) -> None:
    click.echo(f"warning: {sentence}", err=True)

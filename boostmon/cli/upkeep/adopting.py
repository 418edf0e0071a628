"""`boostmon adopt-database`."""

import asyncio
import os
import sys

import click

from boostmon.bot.discord.reads import discord_reads
from boostmon.bot.discord.rest import RefusedError, UnansweredError
from boostmon.bot.doctor.application_checks import Application, application_of
from boostmon.cli.terminal.places import found_database, refuse_outdated
from boostmon.config import DiscordConfig, load
from boostmon.errors import DiscordError
from boostmon.projections.effects.owner import adopt, owner_of

QUESTION = (
    "This database becomes that of {new}. Until now it is {old}: a bot of another application ends "
    "within seconds, and where {name} is in no server, its timers wait. Go on?"
)


@click.command("adopt-database")
@click.option("--yes", is_flag=True, help="Do not ask first.")
def adopt_database(*, yes: bool) -> None:
    """Hand this database to the application of DISCORD_TOKEN, after asking."""
    if not yes and not sys.stdin.isatty():
        raise click.UsageError("Nobody is here to be asked; add --yes.")
    asyncio.run(_adopt(load(DiscordConfig, os.environ), asks=not yes))


async def _adopt(discord: DiscordConfig, *, asks: bool) -> None:
    application = await _application(discord)
    new = f"{application.name} ({application.application_id})"
    async with found_database(os.environ) as place:
        await refuse_outdated(place, must_write=True)
        async with place.owner() as owner:
            before = await owner_of(owner)
            if before == application.application_id:
                click.echo(f"this database is that of {new} already")
                return
            if asks:
                old = f"that of the application {before}" if before else "nobody's"
                question = QUESTION.format(new=new, old=old, name=application.name)
                click.confirm(question, abort=True, err=True)
            await adopt(owner, application.application_id)
    click.echo(f"this database is that of {new} now")


async def _application(discord: DiscordConfig) -> Application:
    """Ask Discord whose the token is."""
    try:
        async with discord_reads(discord) as reads:
            return await application_of(reads)
    except (RefusedError, UnansweredError) as error:
        raise DiscordError(f"{error}; nobody knows whose DISCORD_TOKEN is. Try again.") from error

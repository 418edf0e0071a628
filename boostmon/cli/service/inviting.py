"""`boostmon invite`."""

import asyncio
import os

import click

from boostmon.bot.doctor.invitation import invitation
from boostmon.config import DiscordConfig, load


@click.command()
def invite() -> None:
    """Print the link that invites the bot with the rights it needs."""
    found = asyncio.run(invitation(load(DiscordConfig, os.environ)))
    if found.doubt is not None:
        doubt = f"{found.doubt}; the id in the link is the one in DISCORD_TOKEN."
        click.echo(f"warning: {doubt}", err=True)
    click.echo(found.link)

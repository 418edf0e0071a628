"""`boostmon migrate`."""

import asyncio
import os

import click

from boostmon.cli.terminal.places import bring_up_to_date, found_database


@click.command()
def migrate() -> None:
    """Bring the database up to date and give the bot its rights."""
    asyncio.run(_migrate())


async def _migrate() -> None:
    async with found_database(os.environ, may_be_made=True) as place:
        applied = await bring_up_to_date(place)
    for name in applied:
        click.echo(f"applied {name}")
    click.echo(f"{len(applied)} migrations applied; the database is up to date")

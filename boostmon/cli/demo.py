"""`boostmon demo`."""

import click


@click.command()
def demo() -> None:
    """Watch BoostMon do its job, without token or network."""

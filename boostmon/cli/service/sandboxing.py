"""`boostmon sandbox`."""

import click

from boostmon.cli.terminal.places import port_taken
from boostmon.cli.terminal.stopping import run_until_stopped
from boostmon.sandbox import serve


@click.command()
@click.option(
    "--port", type=click.IntRange(0, 65535), default=0, help="Where to listen; 0: any free port."
)
def sandbox(*, port: int) -> None:
    """Serve a simulated Discord on this machine, for any bot."""
    try:
        run_until_stopped(serve(port))
    except OSError as error:
        raise port_taken(port, error) from error

"""`boostmon sandbox`."""

import asyncio

import click

from boostmon.errors import ConfigurationError
from boostmon.sandbox import serve


@click.command()
@click.option(
    "--port", type=click.IntRange(0, 65535), default=0, help="Where to listen; 0: any free port."
)
def sandbox(*, port: int) -> None:
    """Serve a simulated Discord on this machine, for any bot."""
    try:
        asyncio.run(serve(port))
    except OSError as error:
        raise ConfigurationError(
            f"Port {port} cannot be used ({error.strerror}); give another one with --port."
        ) from error

"""The command line: each command loads the settings it needs; an error becomes a sentence."""

import os
import sys

import click

from boostmon import __version__
from boostmon.cli.demo import demo
from boostmon.cli.importing import import_
from boostmon.cli.logs import configure_logs
from boostmon.cli.migrating import migrate
from boostmon.cli.replaying import replay
from boostmon.cli.running import run
from boostmon.cli.sandboxing import sandbox
from boostmon.config import LogConfig, load
from boostmon.errors import BoostmonError


class InOrder(click.Group):
    """Lists the commands in the order in which they are needed."""

    def list_commands(self, _: click.Context) -> list[str]:
        return list(self.commands)


@click.group(cls=InOrder, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="boostmon")
@click.option("--debug", is_flag=True, help="Show where an error comes from.")
def boostmon(*, debug: bool) -> None:
    """Give members of a Discord server roles that end, event-sourced on PostgreSQL."""
    del debug  # read in `main`, which must know it for an error in here, too
    configure_logs(load(LogConfig, os.environ))


for command in (run, demo, sandbox, migrate, replay, import_):
    boostmon.add_command(command)


def main() -> None:
    """Run the command line; the only place that turns an error into an exit code."""
    try:
        boostmon()
    except Exception as error:
        if "--debug" in sys.argv:
            raise
        click.echo(f"boostmon: {_sentence(error)}", err=True)
        sys.exit(1)


def _sentence(error: Exception) -> str:
    if isinstance(error, BoostmonError):
        return str(error)
    what = f"{type(error).__name__}: {error}"
    return f"this should not have happened ({what}); please report it with what --debug prints."

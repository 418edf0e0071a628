"""The command line: each command loads the settings it needs; an error becomes a sentence."""

import os
import sys
from importlib import import_module
from pathlib import Path

import click

from boostmon import __version__
from boostmon.cli.terminal.env_file import NAME, EnvFile, read_env_file
from boostmon.cli.terminal.logs import configure_logs
from boostmon.cli.terminal.output import (
    ReaderGoneError,
    UnwritableOutputError,
    discard_output,
    guard_stderr,
    guard_stdout,
    spelt,
)
from boostmon.config import LogConfig, load
from boostmon.errors import BoostmonError, ConfigurationError

COMMANDS = {  # in the order in which they are needed; each with where it is
    "run": "service.running:run",
    "demo": "service.demo:demo",
    "sandbox": "service.sandboxing:sandbox",
    "migrate": "upkeep.migrating:migrate",
    "replay": "records.replaying:replay",
    "import": "records.importing:import_",
    "export": "records.exporting:export",
    "history": "records.history:history",
    "erase": "upkeep.erasing:erase",
    "adopt-database": "upkeep.adopting:adopt_database",
    "forget-server": "upkeep.forgetting:forget_server",
    "resolve-removals": "upkeep.resolving:resolve_removals",
    "stats": "records.stats:stats",
    "invite": "service.inviting:invite",
    "doctor": "service.doctor:doctor",
}

WITHOUT_ENV_FILE = ("demo", "sandbox")  # which have nothing to do with a bot of one's own


class OnDemand(click.Group):
    """Loads a command when it is given: most do without Discord, which takes long to load."""

    def list_commands(self, _: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, _: click.Context, name: str) -> click.Command | None:
        if name not in COMMANDS:
            return None
        module, function = COMMANDS[name].split(":")
        command: click.Command = getattr(import_module(f"{__name__}.{module}"), function)
        return command


@click.group(cls=OnDemand, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="boostmon")
@click.option("--debug", is_flag=True, help="Show where an error comes from.")
@click.pass_context
def boostmon(context: click.Context, *, debug: bool) -> None:
    """Give members of a Discord server roles that end, event-sourced on PostgreSQL."""
    del debug  # read in `main`, which must know it for an error in here, too
    try:
        if context.invoked_subcommand not in WITHOUT_ENV_FILE:
            context.obj = _take_env_file(tells=context.invoked_subcommand == "doctor")
        configure_logs(load(LogConfig, os.environ))
    except ConfigurationError:
        if context.invoked_subcommand != "doctor":  # who tells what else is wrong as well
            raise
        configure_logs(LogConfig())


def _take_env_file(*, tells: bool) -> EnvFile:
    """Put into the environment what `.env` adds; *tells*: what is wrong with it is returned."""
    try:
        added = read_env_file(Path(NAME), os.environ)
    except ConfigurationError as error:
        if not tells:
            raise
        return EnvFile(complaint=error)
    os.environ.update(added)
    return EnvFile(names=frozenset(added))


def main() -> None:
    """Run the command line; the only place that turns an error into an exit code."""
    guard_stderr()
    guard_stdout()
    try:
        boostmon()
    except ReaderGoneError:
        discard_output()
    except Exception as error:
        if isinstance(error, UnwritableOutputError):
            discard_output()
        if "--debug" in sys.argv:
            raise
        click.echo(f"boostmon: {_sentence(error)}", err=True)
        sys.exit(1)
    finally:
        if told := spelt():
            click.echo(f"boostmon: {told}", err=True)


def _sentence(error: Exception) -> str:
    if isinstance(error, BoostmonError):
        return str(error)
    if isinstance(error, UnwritableOutputError):
        return error.sentence
    what = f"{type(error).__name__}: {error}"
    return f"this should not have happened ({what}); please report it with what --debug prints."

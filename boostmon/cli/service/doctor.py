"""`boostmon doctor`."""

import asyncio
import os
import sys
from collections.abc import Mapping

import click
import msgspec
from rich.console import Console
from rich.text import Text

from boostmon.cli.checks.database_checks import look_at_database
from boostmon.cli.checks.discord_checks import look_at_discord
from boostmon.cli.checks.settings_checkup import look_at_settings
from boostmon.cli.terminal.env_file import EnvFile
from boostmon.finding import Finding

PIPED_WIDTH = 1_000  # characters, so that in a pipe nothing is folded
INDENT = 12  # characters: as wide as a mark with the space around it
MARKS = {"green": "✓ green ", "yellow": "! yellow", "red": "✗ red   "}


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
@click.make_pass_decorator(EnvFile, ensure=True)
def doctor(env_file: EnvFile, *, as_json: bool) -> None:
    """Look for what is wrong, and say what to do about it; exit 1 if anything is red."""
    findings = asyncio.run(_doctor(os.environ, env_file))
    count = {colour: sum(f.colour == colour for f in findings) for colour in MARKS}
    if as_json:
        click.echo(msgspec.json.encode({"findings": findings, **count}))
    else:
        _show(findings, count)
    if count["red"]:
        sys.exit(1)


async def _doctor(environ: Mapping[str, str], env_file: EnvFile) -> list[Finding]:
    """Look at everything, and change nothing."""
    with Console(stderr=True).status("looking at the settings") as status:
        settings = look_at_settings(environ, env_file)
        status.update("looking at the database")
        database = await look_at_database(settings)
        status.update("looking at Discord")
        discord = await look_at_discord(settings, database)
    return [*settings.findings, *database.findings, *discord]


def _show(findings: list[Finding], count: dict[str, int]) -> None:
    console = Console(highlight=False)
    console = console if console.is_terminal else Console(width=PIPED_WIDTH)
    area = None
    for finding in findings:
        if finding.area != area:
            area = finding.area
            console.print(Text(area, style="bold"))
        _print(console, Text(f"  {MARKS[finding.colour]}  ", finding.colour), finding.found)
        if finding.remedy is not None:
            _print(console, Text(" " * INDENT), f"→ {finding.remedy}")
    console.print(", ".join(f"{number} {colour}" for colour, number in reversed(count.items())))


def _print(console: Console, mark: Text, text: str) -> None:
    """Print *text* behind *mark*, on as many lines as it takes, none of them below the mark."""
    for line in Text(_plain(text)).wrap(console, max(console.width - INDENT, INDENT)):
        console.print(Text.assemble(mark, line))
        mark = Text(" " * INDENT)


def _plain(text: str) -> str:
    """Return *text* without what a terminal obeys: names in Discord are anybody's choice."""
    return "".join(letter if letter.isprintable() else " " for letter in text)

"""`--help` and the pages say the same: every command, option and default, and none made up."""

import re
from collections.abc import Iterator

import click
import pytest

from boostmon.cli import boostmon
from tests.house.test_docs import EVERYTHING, PAGES, command_table, slash_commands

OPTION = re.compile(r"(?<![\w-])--[a-z][a-z-]+")
OF_OTHERS = {  # options on our pages that are another program's
    "--env-file": "docker run",
    "--owner": "createdb",
    "--template": "createdb",
    "--encoding": "createdb",
    "--protocol": "pgbench",
    "--markdown": "python -m tests.bench",
    "--servers": "python -m tests.bench.agreement",
    "--timers": "python -m tests.bench.agreement",
    "--differ": "python -m tests.bench.agreement",
    "--seed": "python -m tests.simulation",
    "--trace": "python -m tests.simulation",
    "--plant": "python -m tests.simulation",
    "--seconds": "python -m tests.simulation",
    "--shrink": "python -m tests.simulation",
    "--username": "pg_dump",
    "--build": "docker compose",
    "--detach": "docker compose",
    "--rm": "docker compose",
    "--volumes": "docker compose",
    "--wait": "docker compose",
    "--now": "systemctl",
    "--no-create-home": "useradd",
    "--system": "useradd",
    "--require-hashes": "pip",
    "--no-deps": "pip",
    "--file": "pg_dump",
    "--format": "pg_dump",
    "--no-owner": "pg_dump",
    "--no-privileges": "pg_dump",
    "--exit-on-error": "pg_restore",
    "--single-transaction": "pg_restore",
    "--dbname": "pg_restore",
    "--checkpoint": "pg_basebackup",
    "--pgdata": "pg_basebackup",
}


def commands() -> list[tuple[str, click.Command]]:
    return list(_commands())


def _commands() -> Iterator[tuple[str, click.Command]]:
    context = click.Context(boostmon)
    for name in boostmon.list_commands(context):
        command = boostmon.get_command(context, name)
        assert command is not None
        yield name, command


def options(command: click.Command) -> list[click.Option]:
    return [one for one in command.params if isinstance(one, click.Option)]


def ours() -> set[str]:
    every = [boostmon, *(command for _, command in commands())]
    return {"--help"} | {name for command in every for o in options(command) for name in o.opts}


def defaults() -> list[tuple[str, str, str]]:
    """Name each option whose help shows a default, which is what it does when it is left out."""
    return [
        (name, max(option.opts, key=len), f"{option.default:g}")
        for name, command in commands()
        for option in options(command)
        if option.show_default
    ]


@pytest.mark.parametrize(("name", "command"), commands(), ids=lambda value: str(value)[:12])
def test_every_command_and_option_has_a_help_that_is_a_sentence(
    name: str, command: click.Command
) -> None:
    sentences = [command.help or "", *(option.help or "" for option in options(command))]
    loose = [one for one in sentences if not re.fullmatch(r"[A-Z].*\.", one)]

    assert [] == loose, name


@pytest.mark.parametrize("name", [name for name, _ in commands()])
def test_what_help_prints_is_in_the_table_of_the_command_line(name: str) -> None:
    command = dict(commands())[name]
    printed = command.get_help(click.Context(command, info_name=f"boostmon {name}"))
    listed = set(OPTION.findall(printed.partition("Options:")[2])) - {"--help"}
    table = set(re.findall(rf"^\| `boostmon {name} (--[a-z-]+)` \|", command_table(), re.MULTILINE))

    assert table == listed
    assert f"| `boostmon {name}" in PAGES["operations.md"]


def test_no_option_is_made_up() -> None:
    found = {option for text in EVERYTHING.values() for option in OPTION.findall(text)}

    assert set() == found - ours() - OF_OTHERS.keys()
    assert set() == OF_OTHERS.keys() - found


@pytest.mark.parametrize(("name", "option", "default"), defaults())
def test_a_default_of_an_option_is_told(name: str, option: str, default: str) -> None:
    page = PAGES["operations.md"]
    calls = re.findall(rf"boostmon {name} {option}\b.*", "\n".join(EVERYTHING.values()))
    sections = re.split(r"^###? ", page, flags=re.MULTILINE)
    section = "".join(s for s in sections if s.startswith(f"{name}\n"))

    assert re.search(rf"\b{default}\b", section + str(calls))


@pytest.mark.parametrize("name", slash_commands())
def test_the_page_of_the_commands_has_the_options_in_their_order(name: str) -> None:
    shown = ", ".join(
        o.name if o.required else f"[{o.name}]" for o in slash_commands()[name].body.options
    )

    assert f"| [`/{name}`](#{name}) | {shown} |" in PAGES["commands.md"]

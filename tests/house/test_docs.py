"""The documentation, in step with the code: nothing missing, nothing made up, nothing broken."""

import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple, get_args

import asyncpg
import click
import msgspec
import pytest
from disnake.ext.commands import InvokableSlashCommand
from msgspec import Struct, structs

from boostmon import __version__, config, errors
from boostmon.bot.discord.pace import Limits
from boostmon.bot.records.metrics import Metrics
from boostmon.bot.records.outcomes import CommandOutcome, EffectOutcome
from boostmon.bot.slash.cog import TimerCog
from boostmon.cli import boostmon
from boostmon.events import timer
from tests.support.places import ROOT

PAGES = {path.name: path.read_text(encoding="utf-8") for path in sorted(ROOT.glob("docs/*.md"))}
ROOT_PAGES = {path.name: path.read_text(encoding="utf-8") for path in sorted(ROOT.glob("*.md"))}
EVERYTHING = {f"docs/{name}": text for name, text in PAGES.items()} | ROOT_PAGES
FENCE = re.compile(r"^( *)```(\w*)\n(.*?)^\1```$", re.DOTALL | re.MULTILINE)
LINK = re.compile(r"\]\((?!https?://)([^)\s#]*)(?:#([^)\s]+))?\)")
VARIABLE = re.compile(r"\b(?:BOOSTMON_[A-Z_]+[A-Z]|DISCORD_[A-Z_]+|DATABASE_URL)\b")
DOT = re.DOTALL | re.MULTILINE
OF_TESTS = {"BOOSTMON_TEST_DATABASE_URL"}
SUPERUSER = "-- as a superuser\n"  # such a block is tried out, and rolled back
NEEDS_STATISTICS = "-- needs pg_stat_statements\n"  # test_readers_sql.py has it


class Block(NamedTuple):
    """A fenced block: the page that it stands on, its language, and its text."""

    page: str
    language: str
    text: str


def blocks(*languages: str) -> Iterator[Block]:
    for page, text in EVERYTHING.items():
        for indent, language, body in FENCE.findall(text):
            if language in languages:
                yield Block(page, language, re.sub(f"^{indent}", "", body, flags=re.MULTILINE))


def slash_commands() -> dict[str, InvokableSlashCommand]:
    found = [value for value in vars(TimerCog).values() if isinstance(value, InvokableSlashCommand)]
    return {command.name: command for command in found}


def variables() -> set[str]:
    """Name the variables of every kind of settings that some command loads."""
    code = "".join(path.read_text(encoding="utf-8") for path in ROOT.glob("boostmon/cli/**/*.py"))
    loaded = set(re.findall(r"\bload\((\w+Config)\b", code))
    assert len(loaded) > 5
    kinds: list[type[Struct]] = [getattr(config, name) for name in loaded]
    return {field.encode_name for kind in kinds for field in structs.fields(kind)}


def command_table() -> str:
    """Return the table of the command line as `--help` has it."""
    context = click.Context(boostmon)
    rows = ["| command | what it does |", "| --- | --- |", *_options("boostmon", boostmon)]
    for name in boostmon.list_commands(context):
        command = boostmon.get_command(context, name)
        assert command is not None
        arguments = [
            p.make_metavar(context) for p in command.params if isinstance(p, click.Argument)
        ]
        rows.append(f"| `{' '.join(['boostmon', name, *arguments])}` | {command.help} |")
        rows += _options(f"boostmon {name}", command)
    return "\n".join(rows)


def _options(prefix: str, command: click.Command) -> list[str]:
    options = [p for p in command.params if isinstance(p, click.Option) and p.name != "version"]
    return [f"| `{prefix} {max(p.opts, key=len)}` | {p.help} |" for p in options]


def metric_table() -> str:
    """Return the table of the metrics as `/metrics` explains them."""
    rows = ["| metric | kind | labels | meaning |", "| --- | --- | --- | --- |"]
    metrics = Metrics()
    labels = {m._name: m._labelnames for m in vars(metrics).values() if hasattr(m, "_labelnames")}  # noqa: SLF001 - nothing else tells
    for family in metrics.registry.collect():
        if family.name.startswith("boostmon_"):
            name = f"{family.name}_total" if family.type == "counter" else family.name
            shown = ", ".join(f"`{label}`" for label in labels[family.name])
            rows.append(f"| `{name}` | {family.type} | {shown} | {family.documentation} |")
    return "\n".join(rows)


def error_classes() -> list[type[Exception]]:
    return [
        value
        for value in vars(errors).values()
        if isinstance(value, type) and issubclass(value, errors.BoostmonError)
    ]


@pytest.mark.parametrize("name", slash_commands())
def test_a_slash_command_is_described_and_stands_in_the_readme_with_its_options(name: str) -> None:
    options = slash_commands()[name].body.options
    shown = ", ".join(o.name if o.required else f"[{o.name}]" for o in options)

    assert f"`/{name}`" in PAGES["commands.md"]
    assert f"| `/{name}` | {shown} |" in ROOT_PAGES["README.md"]


def test_no_slash_command_is_made_up() -> None:
    shown = {
        name
        for text in EVERYTHING.values()
        for name in re.findall(r"`/([a-z]+)(?: [^`]*)?`", text)
        if name.endswith(("time", "left"))
    }

    assert set(slash_commands()) == shown


def test_the_command_line_is_described_in_the_words_of_its_help() -> None:
    assert command_table() in PAGES["operations.md"]


def test_every_variable_is_in_the_configuration_and_none_is_made_up() -> None:
    table = set(re.findall(r"^\| `([A-Z_]+)` \|", PAGES["configuration.md"], re.MULTILINE))
    mentioned = {name for text in EVERYTHING.values() for name in VARIABLE.findall(text)}

    assert variables() == table
    assert mentioned - OF_TESTS <= variables()


@pytest.mark.parametrize(
    ("name", "default"),
    [
        (field.encode_name, field.default)
        for kind in (
            config.PoolConfig,
            config.SweepConfig,
            config.LogConfig,
            config.DiscordConfig,
            config.HttpConfig,
        )
        for field in structs.fields(kind)
        if isinstance(field.default, str | int | float | tuple)
    ],
)
def test_a_default_is_told_as_it_is(name: str, default: object) -> None:
    shown = ",".join(map(str, default)) if isinstance(default, tuple) else str(default)
    (row,) = re.findall(rf"^\| `{name}` \|.*$", PAGES["configuration.md"], re.MULTILINE)

    assert row.endswith(f"| `{shown.removesuffix('.0')}` |")


@pytest.mark.parametrize("event", get_args(timer.TimerEvent), ids=lambda event: event.__name__)
def test_an_event_has_a_heading_and_each_of_its_fields(event: type[Struct]) -> None:
    parts = re.split(r"^## ", PAGES["events.md"], flags=re.MULTILINE)
    (section,) = [part for part in parts if part.startswith(f"{event.__name__}\n")]

    missing = [f.name for f in structs.fields(event) if f"`{f.name}`" not in section]

    assert [] == [name for name in missing if name != "at"]  # `at` is described once, for all


@pytest.mark.parametrize("kind", error_classes(), ids=lambda kind: kind.__name__)
def test_an_error_is_listed_with_its_sentence(kind: type[Exception]) -> None:
    sentence = " ".join((kind.__doc__ or "").split())

    assert f"| `{kind.__name__}` | {sentence} |" in PAGES["events.md"]


def test_the_metrics_are_described_in_their_own_words_and_none_is_made_up() -> None:
    page = PAGES["operations.md"]
    mentioned = set(re.findall(r"\bboostmon_[a-z0-9_]+", page))
    rows = set(re.findall(r"^\| `(boostmon_[a-z0-9_]+)` \|", page, re.MULTILINE))

    assert metric_table() in page
    assert mentioned <= rows
    assert len(rows) > 20


@pytest.mark.parametrize("outcome", [*get_args(CommandOutcome), *get_args(EffectOutcome)])
def test_an_outcome_is_explained(outcome: str) -> None:
    (paragraph,) = re.findall(r"^What may come of a command .*?\n\n", PAGES["operations.md"], DOT)

    assert f"`{outcome}`" in paragraph


def test_every_limit_is_told_with_its_figure() -> None:
    missing = [
        f"{field.name} {field.default:g}"
        for field in structs.fields(Limits)
        if f"`{field.name}` {field.default:g}" not in PAGES["operations.md"]
    ]

    assert [] == missing


def test_the_changelog_begins_with_what_is_unreleased_and_knows_this_version() -> None:
    headings = re.findall(r"^## \[?([^\]\s]+)\]?", ROOT_PAGES["CHANGELOG.md"], re.MULTILINE)

    assert ["Unreleased", __version__] == headings[:2]


@pytest.mark.parametrize("page", EVERYTHING)
def test_every_relative_link_leads_somewhere(page: str) -> None:
    broken = []
    text = FENCE.sub("", EVERYTHING[page])
    for path, anchor in LINK.findall(text):
        target = (ROOT / page).parent / path if path else ROOT / page
        if not target.exists() or (anchor and anchor not in anchors(target)):
            broken.append(f"{path}#{anchor}")

    assert [] == broken


def anchors(page: Path) -> set[str]:
    headings = re.findall(r"^#+ (.*)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def shell_lines() -> Iterator[tuple[str, str]]:
    """Pair each page with each call of boostmon in its shell blocks, without its variables."""
    for page, language, text in blocks("sh", "console"):
        for line in text.splitlines():
            if language == "console" and not line.startswith("$ "):
                continue
            call = re.sub(r"^(\$ )?(\w+=\S* )*(\.venv/bin/)?", "", line)
            if re.match(r"boostmon\b", call):
                yield page, call.partition("  # ")[0].partition("        #")[0]


@pytest.mark.parametrize(("page", "line"), sorted(set(shell_lines())))
def test_a_shown_call_is_one_that_the_command_line_takes(page: str, line: str) -> None:
    assert page in EVERYTHING
    _, *words = shlex.split(line, comments=True)
    context = boostmon.make_context("boostmon", words)
    _, command, rest = boostmon.resolve_command(context, [*context._protected_args, *context.args])  # noqa: SLF001 - click parses a group in two steps
    assert command is not None
    command.make_context(command.name, rest, parent=context)


def test_the_pages_show_calls_at_all() -> None:
    assert len(list(shell_lines())) > 8


@pytest.mark.parametrize(
    "block",
    [b for b in blocks("sql") if not b.text.startswith((SUPERUSER, NEEDS_STATISTICS))],
    ids=lambda b: b.page,
)
async def test_a_shown_query_runs_on_the_schema(block: Block, owner: asyncpg.Connection) -> None:
    statements = [part for part in re.split(r";\s*\n", block.text) if part.strip()]

    for statement in statements:
        prepared = await owner.prepare(statement)
        await prepared.fetch(*[None] * len(prepared.get_parameters()))


@pytest.mark.parametrize(
    "block", [b for b in blocks("sql") if b.text.startswith(SUPERUSER)], ids=lambda b: b.page
)
async def test_what_a_superuser_is_told_to_do_works(
    block: Block, superuser: asyncpg.Connection
) -> None:
    attempt = superuser.transaction()
    await attempt.start()
    try:
        await superuser.execute(block.text)
    finally:
        await attempt.rollback()


def test_a_block_is_of_a_language_whose_blocks_are_tested() -> None:
    # sh and console: test_shell_lines.py; yaml: test_monitoring.py; python: test_sandbox_docs.py
    # ini: test_backup.py writes it into a server's configuration; mermaid: test_rooms.py
    tested = {"", "sh", "console", "sql", "json", "yaml", "python", "ini", "mermaid"}
    found = {language for text in EVERYTHING.values() for _, language, _ in FENCE.findall(text)}

    assert set() == found - tested


@pytest.mark.parametrize("block", list(blocks("json")), ids=lambda b: b.page)
def test_a_shown_document_is_json(block: Block) -> None:
    assert isinstance(msgspec.json.decode(block.text), dict)


def test_no_page_names_a_place_of_somebodys_machine() -> None:
    places = [str(ROOT), str(Path.home()) if Path.home() != Path("/") else "/home/"]
    found = [
        (page, place) for page, text in EVERYTHING.items() for place in places if place in text
    ]

    assert [] == found

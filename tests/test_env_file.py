"""`.env`: what of it is taken, what is refused, and that it tells no secret."""

import asyncio
import os
import re
import sys
from pathlib import Path

import pytest
from msgspec import NODEFAULT, structs

from boostmon.cli.env_file import read_env_file
from boostmon.cli.settings_checkup import KINDS
from boostmon.errors import ConfigurationError
from tests.databases import Schema

EXAMPLE = Path(__file__).parents[1] / ".env.example"
SECRET = "hunter2"  # noqa: S105 - what must not leak


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Say where a `.env` may be made."""
    return tmp_path / ".env"


def refusal(file: Path) -> str:
    with pytest.raises(ConfigurationError) as refused:
        read_env_file(file, {})
    assert SECRET not in str(refused.value)
    return str(refused.value)


async def boostmon(folder: Path, *arguments: str, **environ: str) -> tuple[int | None, str, str]:
    """Run a command in *folder*."""
    process = await asyncio.create_subprocess_exec(
        *[sys.executable, "-m", "boostmon", *arguments],
        cwd=folder,
        env=os.environ | environ,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, err = await process.communicate()
    return process.returncode, out.decode(), err.decode()


def test_without_a_file_nothing_is_taken(file: Path) -> None:
    assert {} == read_env_file(file, {})


@pytest.mark.parametrize(
    ("written", "value"),
    [
        ("plain", "plain"),
        ("", ""),
        ("''", ""),
        ("'with space # $and \"all\" \\'", 'with space # $and "all" \\'),
        ("\"with space # and 'all'\"", "with space # and 'all'"),
        ("postgresql://me:a#b=c@host/db?x=1&y=2", "postgresql://me:a#b=c@host/db?x=1&y=2"),
        ("  ", ""),
        ("trailing  ", "trailing"),
        ("trailing\r", "trailing"),
    ],
)
def test_a_value_is_taken_as_every_reader_of_such_files_takes_it(
    file: Path, written: str, value: str
) -> None:
    file.write_bytes(f"\ufeff# a comment\n\n  # another\nDATABASE_URL={written}\n".encode())

    assert {"DATABASE_URL": value} == read_env_file(file, {})


@pytest.mark.parametrize(
    "value",
    [
        f"{SECRET} # a comment",
        f"#{SECRET}",
        f"${{{SECRET}}}",
        f"a${SECRET}",
        f'"a${SECRET}"',
        f"{SECRET}\\n",
        f"'{SECRET}",
        f"'{SECRET}'x",
        f"'{SECRET}'{SECRET}'",
        f"`{SECRET}`",
        f"'{SECRET}\0'",
        f" {SECRET}",
    ],
)
def test_a_value_that_readers_take_differently_is_refused_and_not_quoted(
    file: Path, value: str
) -> None:
    file.write_text(f"PORT=80\nDISCORD_TOKEN={value}\n", encoding="utf-8")

    assert refusal(file) == (
        ".env is malformed in line 2; put the value of DISCORD_TOKEN into single quotes, on one "
        "line."
    )


@pytest.mark.parametrize(
    "line", [SECRET, f"export PORT={SECRET}", f"PORT ={SECRET}", f"1={SECRET}"]
)
def test_a_line_that_is_no_assignment_is_refused_and_not_quoted(file: Path, line: str) -> None:
    file.write_text(f"\n{line}\n", encoding="utf-8")

    assert refusal(file) == (
        ".env is malformed in line 2; write NAME=value, and a comment on a line of its own."
    )


def test_a_variable_that_stands_there_twice_is_refused(file: Path) -> None:
    file.write_text(f"PORT=1\nPORT={SECRET}\n", encoding="utf-8")

    assert refusal(file).endswith(" line 2; PORT is set a second time; leave one of them out.")


def test_what_is_no_text_is_refused(file: Path) -> None:
    file.write_bytes(b"PORT=\xff\n")

    assert refusal(file) == ".env is not written in UTF-8; save it as such."


def test_what_cannot_be_read_is_refused(file: Path) -> None:
    file.mkdir()

    assert refusal(file).startswith(".env cannot be read (Is a directory); ")


def test_a_variable_that_is_set_wins_even_when_it_is_empty(file: Path) -> None:
    file.write_text("PORT=80\nDATABASE_URL=postgresql://h/d\nDISCORD_TOKEN=t\n", encoding="utf-8")

    assert {"DISCORD_TOKEN": "t"} == read_env_file(file, {"PORT": "81", "DATABASE_URL": ""})


@pytest.mark.parametrize("name", ["DATABASE_URL", "BOOSTMON_OWNER_DATABASE_URL"])
def test_the_two_urls_are_taken_from_one_place(file: Path, name: str) -> None:
    urls = "DATABASE_URL=postgresql://b@h/d\nBOOSTMON_OWNER_DATABASE_URL=postgresql://o@h/d\n"
    file.write_text(f"{urls}PORT=80\n", encoding="utf-8")

    assert {"PORT": "80"} == read_env_file(file, {name: "postgresql://elsewhere/d"})
    assert 3 == len(read_env_file(file, {}))


def test_variables_of_others_are_left_to_them(file: Path) -> None:
    file.write_text("PATH=/x\nPOSTGRES_PASSWORD=x\nPORTS=1\nPORT=80\n", encoding="utf-8")

    assert {"PORT": "80"} == read_env_file(file, {})


async def test_a_command_takes_its_database_from_the_file_of_the_current_directory(
    file: Path, empty_schema: Schema
) -> None:
    file.write_text(f"DATABASE_URL='{empty_schema.owner_url}'\n", encoding="utf-8")

    first = await boostmon(file.parent, "migrate")
    second = await boostmon(file.parent, "replay", "--check")

    assert (0, 0) == (first[0], second[0]), (first, second)
    assert "replay --check: 0 of 0 rows differ" in second[1]


async def test_a_malformed_file_is_one_sentence(file: Path) -> None:
    file.write_text(f"{SECRET}\n", encoding="utf-8")

    code, out, err = await boostmon(file.parent, "migrate")

    assert (1, "") == (code, out)
    assert err.startswith("boostmon: .env is malformed in line 1; write ")
    assert SECRET not in err


async def test_the_doctor_tells_what_comes_from_the_file(file: Path) -> None:
    file.write_text(f"PORT=81\nDISCORD_TOKEN='{SECRET}'\n", encoding="utf-8")

    given = {"DATABASE_URL": "postgresql://127.0.0.1:1/no", "BOOSTMON_POOL_MAX": "9"}
    _, out, err = await boostmon(
        file.parent, "doctor", BOOSTMON_DISCORD_API="http://127.0.0.1:1/api/v10", **given
    )

    assert "PORT: 81, from .env\n" in out
    assert "BOOSTMON_POOL_MAX: 9, from the environment\n" in out
    assert SECRET not in out + err


async def test_the_doctor_goes_on_without_a_malformed_file_and_says_so(file: Path) -> None:
    file.write_text("DISCORD_TOKEN=a b\n", encoding="utf-8")

    code, out, _ = await boostmon(file.parent, "doctor", DATABASE_URL="postgresql://127.0.0.1:1/no")

    assert code == 1
    assert "✗ red     .env is malformed in line 1.\n" in out
    assert "→ Put the value of DISCORD_TOKEN into single quotes, on one line.\n" in out
    assert "the database" in out.lower()


@pytest.mark.parametrize("command", [("sandbox", "--help"), ("demo", "--help")])
async def test_neither_sandbox_nor_demo_looks_at_the_file(
    file: Path, command: tuple[str, ...]
) -> None:
    file.write_text("malformed\n", encoding="utf-8")

    assert 0 == (await boostmon(file.parent, *command))[0]


def test_the_example_has_every_variable_with_its_default_and_can_be_read(file: Path) -> None:
    taken_in = re.sub(
        r"^#(?=[A-Z_]+=)", "", EXAMPLE.read_text(encoding="utf-8"), flags=re.MULTILINE
    )
    file.write_text(taken_in, encoding="utf-8")
    defaults = {
        field.encode_name: field.default for kind in KINDS for field in structs.fields(kind)
    }

    assert {name: shown(value) for name, value in defaults.items()} == read_env_file(file, {})


def test_the_example_as_it_stands_asks_for_a_token_and_sets_nothing(file: Path) -> None:
    file.write_text(EXAMPLE.read_text(encoding="utf-8"), encoding="utf-8")

    assert {"DISCORD_TOKEN": ""} == read_env_file(file, {})


def shown(default: object) -> str:
    """Write a default as a variable has it; none is nothing."""
    if default is None or default is NODEFAULT:
        return ""
    text = ",".join(map(str, default)) if isinstance(default, tuple) else str(default)
    return text.removesuffix(".0")

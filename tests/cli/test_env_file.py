"""`.env`: what of it is taken, what is refused, and that it tells no secret."""

import asyncio
import os
import re
import sys
from pathlib import Path

import pytest
from msgspec import NODEFAULT, structs

from boostmon.cli.checks.settings_checkup import KINDS
from boostmon.cli.terminal import trust
from boostmon.cli.terminal.env_file import API, TOKEN, read_env_file
from boostmon.config import DISCORD_API
from boostmon.errors import ConfigurationError
from boostmon.sandbox import Sandbox
from tests.support.databases import Schema
from tests.support.places import ROOT

EXAMPLE = ROOT / ".env.example"
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


EVIL = "https://evil.example/api/v10"


@pytest.mark.parametrize(
    ("written", "environ", "named"),
    [
        (f"{API}={EVIL}", {TOKEN: SECRET}, (API, TOKEN)),
        (f"{TOKEN}={SECRET}", {API: EVIL}, (TOKEN, API)),
        (f"{TOKEN}={SECRET}", {API: "http://127.0.0.1:80/v10"}, (TOKEN, API)),
        (f"{TOKEN}=mine\n{API}={EVIL}", {TOKEN: SECRET}, (API, TOKEN)),
        (f"{TOKEN}={SECRET}\n{API}=https://mine.example/v10", {API: EVIL}, (TOKEN, API)),
    ],
)
def test_a_token_from_one_place_goes_to_no_api_from_another(
    file: Path, written: str, environ: dict[str, str], named: tuple[str, str]
) -> None:
    file.write_text(written, encoding="utf-8")

    with pytest.raises(ConfigurationError) as refused:
        read_env_file(file, environ)

    here, there = named
    assert str(refused.value) == (
        f"{here} is set in .env and {there} in the environment; set both in one place, so that "
        "the token goes nowhere by mistake."
    )


@pytest.mark.parametrize(
    ("written", "environ"),
    [
        (f"{TOKEN}={SECRET}\n{API}={EVIL}", {}),
        (f"{TOKEN}={SECRET}", {}),
        (f"{TOKEN}={SECRET}", {API: ""}),
        (f"{TOKEN}={SECRET}", {API: f"{DISCORD_API}/"}),
        (f"{API}={DISCORD_API}", {TOKEN: SECRET}),
        (f"{API}={EVIL}", {TOKEN: ""}),
        (f"{API}={EVIL}", {}),
        ("PORT=80", {TOKEN: SECRET, API: EVIL}),
        (f"{TOKEN}=", {API: EVIL}),
    ],
)
def test_a_token_may_go_where_the_same_place_says_or_to_discord(
    file: Path, written: str, environ: dict[str, str]
) -> None:
    file.write_text(written, encoding="utf-8")

    taken = read_env_file(file, environ)

    assert taken.keys() == {line.partition("=")[0] for line in written.split("\n")} - environ.keys()


@pytest.fixture
def others(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have this account be another one than that of the files, which is not root's."""
    monkeypatch.setattr(os, "geteuid", lambda: 54321)
    monkeypatch.setattr(trust, "ROOT", 54322)


@pytest.mark.usefixtures("others")
def test_a_file_of_another_account_is_refused(file: Path) -> None:
    file.write_text(f"{API}={EVIL}\n", encoding="utf-8")

    assert refusal(file) == (
        ".env belongs to another account; make it your own with `chown`, or take it away."
    )


@pytest.mark.usefixtures("others")
def test_a_pipe_of_another_account_is_not_waited_for(file: Path) -> None:
    os.mkfifo(file)

    assert refusal(file).startswith(".env belongs to another account; ")


def test_a_file_of_root_is_taken(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file.write_text("PORT=80\n", encoding="utf-8")
    monkeypatch.setattr(trust, "ROOT", os.geteuid())
    monkeypatch.setattr(os, "geteuid", lambda: 54321)

    assert {"PORT": "80"} == read_env_file(file, {})


@pytest.mark.parametrize("mode", [0o602, 0o620, 0o666])
def test_a_file_that_others_may_write_is_refused(file: Path, mode: int) -> None:
    file.write_text("PORT=80\n", encoding="utf-8")
    file.chmod(mode)

    assert refusal(file) == ".env can be changed by other accounts; run `chmod 600 .env`."

    file.chmod(0o644)
    assert {"PORT": "80"} == read_env_file(file, {})


@pytest.mark.parametrize("mode", [0o777, 0o775, 0o703])
def test_a_file_in_a_folder_where_others_may_write_is_refused(file: Path, mode: int) -> None:
    file.write_text("PORT=80\n", encoding="utf-8")
    file.parent.chmod(mode)

    folder = file.parent
    assert refusal(file) == (
        f".env is in {folder}, where other accounts may write; "
        f"run `chmod go-w {folder}`, or start BoostMon in another folder."
    )

    file.parent.chmod(0o1777)  # as /tmp is, from which nobody takes away another's file
    assert {"PORT": "80"} == read_env_file(file, {})


def test_a_file_in_a_folder_of_another_account_is_refused(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file.write_text("PORT=80\n", encoding="utf-8")
    answers = iter([True, True, False])
    monkeypatch.setattr(trust, "_is_trusted", lambda owner: next(answers) and owner >= 0)

    assert refusal(file).startswith(f".env is in {file.parent}, which belongs to another account; ")


def test_a_link_is_followed_where_nobody_else_can_change_what_is_there(file: Path) -> None:
    folder = file.parent / "secrets"
    folder.mkdir(mode=0o700)
    (folder / "data").write_text("PORT=80\n", encoding="utf-8")
    (folder / "link").symlink_to("data")
    file.symlink_to("secrets/link")
    assert {"PORT": "80"} == read_env_file(file, {})

    folder.chmod(0o777)
    assert f"{folder}, where other accounts may write" in refusal(file)

    folder.chmod(0o700)
    (folder / "data").chmod(0o606)
    assert refusal(file).startswith(".env can be changed by other accounts; ")


@pytest.mark.parametrize("leads_to", [".env", "nowhere"])
def test_a_link_to_nothing_is_no_crash(file: Path, leads_to: str) -> None:
    file.symlink_to(leads_to)

    if leads_to == "nowhere":
        assert {} == read_env_file(file, {})
    else:
        assert refusal(file).startswith(".env cannot be read (")


@pytest.mark.parametrize("value", [r"it\'s", r"\'", r"!\"#$%&\'()*+,-./:;<=>?@[\]^_`{|}~"])
def test_a_password_as_compose_takes_it_is_left_to_compose(file: Path, value: str) -> None:
    file.write_text(f"POSTGRES_PASSWORD='{value}'\nPORT=80\n", encoding="utf-8")
    assert {"PORT": "80"} == read_env_file(file, {})

    file.write_text(f"DISCORD_TOKEN='{value}'\n", encoding="utf-8")
    assert "in line 1; put the value of DISCORD_TOKEN into single quotes" in refusal(file)


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


@pytest.mark.parametrize("command", ["run", "migrate", "doctor"])
async def test_a_file_that_others_may_write_leads_no_command_anywhere(
    file: Path, command: str
) -> None:
    async with Sandbox() as evil:
        file.write_text(f"{API}={evil.api}\n{TOKEN}={evil.token}\n", encoding="utf-8")
        file.chmod(0o666)

        nothing = "postgresql://127.0.0.1:1/no"
        code, out, err = await boostmon(file.parent, command, DATABASE_URL=nothing)

        assert [] == evil.state()["requests"]
    assert code == 1
    if command == "doctor":
        assert "✗ red     .env can be changed by other accounts.\n" in out
        assert "→ Run `chmod 600 .env`.\n" in out
    else:
        assert err == "boostmon: .env can be changed by other accounts; run `chmod 600 .env`.\n"


async def test_a_token_is_not_sent_to_an_api_that_a_file_names(file: Path) -> None:
    async with Sandbox() as evil:
        file.write_text(f"BOOSTMON_DISCORD_API={evil.api}\n", encoding="utf-8")

        code, _, err = await boostmon(file.parent, "run", DISCORD_TOKEN=SECRET)

        assert [] == evil.state()["requests"]
    assert code == 1
    assert err.startswith("boostmon: BOOSTMON_DISCORD_API is set in .env and DISCORD_TOKEN in the ")
    assert SECRET not in err


async def test_the_doctor_tells_what_comes_from_the_file(file: Path) -> None:
    nobody = "BOOSTMON_DISCORD_API=http://127.0.0.1:1/api/v10"
    file.write_text(f"PORT=81\nDISCORD_TOKEN='{SECRET}'\n{nobody}\n", encoding="utf-8")

    given = {"DATABASE_URL": "postgresql://127.0.0.1:1/no", "BOOSTMON_POOL_MAX": "9"}
    _, out, err = await boostmon(file.parent, "doctor", **given)

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

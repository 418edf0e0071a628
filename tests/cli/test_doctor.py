"""`boostmon doctor` as a whole: a bot in good order, its settings, and the command itself."""

import asyncio
import json
import re
from collections.abc import AsyncIterator
from typing import Any

import asyncpg
import pytest

from boostmon.database.connections.pool import Database
from tests.cli.test_cli import PASSWORD, TOKEN, boostmon
from tests.support.databases import Schema
from tests.support.patient import Patient, read
from tests.support.patient import patient as a_patient

NOBODY = "http://127.0.0.1:1/api/v10"


@pytest.fixture
async def patient(
    migrated: Schema, separate_bot: str, database: Database, owner: asyncpg.Connection
) -> AsyncIterator[Patient]:
    """Lend a bot in good order."""
    assert separate_bot
    async with a_patient(migrated, database, owner) as made:
        yield made


async def test_a_bot_in_good_order_is_green_all_over(patient: Patient) -> None:
    await patient.timer(channel="general")

    diagnosis = await patient.diagnosed(BOOSTMON_ROLE_TAKEN="restore")

    assert ([], 0) == (diagnosis.faults, diagnosis.code)
    assert len(diagnosis.findings) > 30
    assert re.search(r"^0 red, 0 yellow, \d+ green$", diagnosis.text, re.MULTILINE)
    assert patient.sandbox.state()["unknown"] == []


async def test_looking_changes_nothing(patient: Patient) -> None:
    await patient.timer()
    seen = patient.sandbox.state()["requests_total"]
    tables = ("events", "role_timers", "effects", "lease", "streams", "people")

    async def content() -> list[list[asyncpg.Record]]:
        return [await patient.owner.fetch(f"SELECT * FROM {table}") for table in tables]  # noqa: S608 - of this file

    before = await content()
    await patient.diagnosed()

    assert before == await content()
    requests = patient.sandbox.state()["requests"][seen:]
    assert {"GET"} == {request["method"] for request in requests}


# Configuration.


async def test_without_a_token_it_says_where_to_get_one(patient: Patient) -> None:
    diagnosis = await patient.diagnosed(DISCORD_TOKEN="")

    (colour, found, remedy), skipped = diagnosis.faults
    assert ("red", 1) == (colour, diagnosis.code)
    assert "DISCORD_TOKEN is not set." == found
    assert remedy.startswith("Copy the token from the page Bot of your application at Discord")
    assert ("yellow", "Discord was not looked at.") == skipped[:2]


@pytest.mark.parametrize(
    ("given", "named"),
    [
        ({"BOOSTMON_POOL_MAX": "1"}, 1),  # less than the BOOSTMON_POOL_MIN that nobody has set
        ({"BOOSTMON_POOL_MIN": "5", "BOOSTMON_POOL_MAX": "1"}, 2),
    ],
)
async def test_a_variable_that_does_not_go_with_another_is_named_and_the_look_ends(
    patient: Patient, given: dict[str, str], named: int
) -> None:
    async with asyncio.timeout(30):
        diagnosis = await patient.diagnosed(**given)

    reds = [found for colour, found, _ in diagnosis.findings if colour == "red"]
    assert named == len(reds)
    assert all("BOOSTMON_POOL_MIN" in found for found in reds)


async def test_a_malformed_variable_is_named_and_the_others_are_looked_at(patient: Patient) -> None:
    diagnosis = await patient.diagnosed(BOOSTMON_WARNING_MINUTES=PASSWORD)

    colour, found, remedy = diagnosis.fault
    assert ("red", 1) == (colour, diagnosis.code)
    assert found.startswith("BOOSTMON_WARNING_MINUTES must be whole minutes above 0")
    assert remedy.startswith("Correct it, or unset it")
    assert any(
        "BOOSTMON_SWEEP_INTERVAL: 30.0, by default" in text for _, text, _ in diagnosis.findings
    )


@pytest.mark.parametrize("name", ["BOOSTMON_DISCORD_API", "DISCORD_GUILD_ID"])
async def test_no_other_discord_is_asked_in_the_place_of_a_malformed_one(
    patient: Patient, name: str
) -> None:
    (colour, found, _), skipped = (await patient.diagnosed(**{name: "nonsense"})).faults

    assert ("red", True) == (colour, found.startswith(f"{name} must be "))
    assert "Discord was not looked at." == skipped[1]
    assert 1 == patient.sandbox.state()["requests_total"]  # by `register`


async def test_no_other_database_is_opened_in_the_place_of_a_malformed_one(
    patient: Patient,
) -> None:
    (_, found, _), *skipped = (
        await patient.diagnosed(DATABASE_URL=f"mysql://x:{PASSWORD}@h")
    ).faults

    assert found.startswith("DATABASE_URL must be a PostgreSQL URL")
    names = [text for _, text, _ in skipped]
    assert "The database was not looked at." in names


async def test_a_misspelt_variable_is_held_against_those_there_are(patient: Patient) -> None:
    diagnosis = await patient.diagnosed(BOOSTMON_SWEEP_INTERVALL="5")

    colour, found, remedy = diagnosis.fault
    assert ("yellow", 0) == (colour, diagnosis.code)
    assert "BOOSTMON_SWEEP_INTERVALL is no variable of BoostMon." == found
    assert remedy.endswith("BOOSTMON_SWEEP_INTERVAL is meant, perhaps.")


async def test_a_variable_is_told_with_where_it_comes_from(patient: Patient) -> None:
    diagnosis = await patient.diagnosed(BOOSTMON_POOL_MAX="7", BOOSTMON_POOL_MIN="7")

    told = {text.partition(": ")[0]: text for _, text, _ in diagnosis.findings}
    assert "BOOSTMON_POOL_MAX: 7, from the environment" == told["BOOSTMON_POOL_MAX"]
    assert "BOOSTMON_COMMAND_TIMEOUT: 10.0, by default" == told["BOOSTMON_COMMAND_TIMEOUT"]
    assert "DISCORD_GUILD_ID: not set" == told["DISCORD_GUILD_ID"]


# As a process.


async def test_a_script_gets_every_finding_as_json(patient: Patient) -> None:
    patient.bot.starts_left = 0

    outcome = await boostmon("doctor", "--json", **patient.environ)

    told = json.loads(outcome.out)
    assert (1, 1, 0) == (outcome.code, told["red"], told["yellow"])
    assert len(told["findings"]) == told["red"] + told["green"]
    (fault,) = [finding for finding in told["findings"] if finding["colour"] == "red"]
    assert {"area", "colour", "found", "remedy"} == set(fault)
    assert "discord" == fault["area"]
    assert [f.split(":")[0] for f in outcome.err.splitlines()] == ["database"]


async def test_with_neither_database_nor_discord_it_still_tells_of_both() -> None:
    url = f"postgresql://me:{PASSWORD}@127.0.0.1:1/db"

    outcome = await boostmon(
        "doctor", DATABASE_URL=url, DISCORD_TOKEN=TOKEN, BOOSTMON_DISCORD_API=NOBODY
    )

    diagnosis = read(outcome.code, outcome.out)
    reds = [text for colour, text, _ in diagnosis.faults if colour == "red"]
    assert (1, 2) == (outcome.code, len(reds))
    assert "does not answer (connection refused)" in reds[0]
    assert reds[1].startswith(f"Discord at {NOBODY} does not answer")


async def test_a_malformed_log_level_does_not_keep_doctor_from_looking() -> None:
    nothing = {"DATABASE_URL": "postgresql://127.0.0.1:1/db", "BOOSTMON_DISCORD_API": NOBODY}

    outcome = await boostmon("doctor", BOOSTMON_LOG_LEVEL="loud", **nothing)

    texts = [text for _, text, _ in read(outcome.code, outcome.out).faults]
    assert any(text.startswith("BOOSTMON_LOG_LEVEL must be ") for text in texts)
    assert "DISCORD_TOKEN is not set." in texts


async def test_where_no_database_was_made_yet_none_is_made(tmp_path: Any) -> None:
    folder = tmp_path / "none"

    outcome = await boostmon(
        "doctor", BOOSTMON_DATA_DIR=str(folder), DISCORD_TOKEN=TOKEN, BOOSTMON_DISCORD_API=NOBODY
    )

    faults = read(outcome.code, outcome.out).faults
    assert ("yellow", f"There is no database in {folder} yet.") == faults[0][:2]
    assert not folder.exists()


async def test_wrong_usage_of_doctor_exits_2() -> None:
    assert 2 == (await boostmon("doctor", "everything")).code

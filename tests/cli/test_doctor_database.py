"""`boostmon doctor`: one fault of the database is planted, and named with its remedy."""

import asyncio
import re
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from urllib.parse import urlsplit

import asyncpg
import pytest

from boostmon import machine
from boostmon.bot.health.reading import Reading
from boostmon.cli.checks import database_checks
from boostmon.database import checkup
from boostmon.database.connections.pool import Database, connect
from boostmon.projections.effects.kinds import Effects
from tests.cli.test_cli import OLD_SERVER, PASSWORD, TOKEN, boostmon
from tests.support.cluster import pair
from tests.support.databases import Gate, Schema, as_superuser, world_folder
from tests.support.patient import Patient, read
from tests.support.patient import patient as a_patient

NOBODY = "http://127.0.0.1:1/api/v10"
WRONG_PASSWORD = b"SFATAL\0VFATAL\0C28P01\0Mpassword authentication failed\0\0"


@pytest.fixture
async def patient(
    migrated: Schema, separate_bot: str, database: Database, owner: asyncpg.Connection
) -> AsyncIterator[Patient]:
    """Lend a bot in good order."""
    assert separate_bot
    async with a_patient(migrated, database, owner) as made:
        yield made


@pytest.fixture
def folder() -> Iterator[Path]:
    """Lend a folder that whoever runs PostgreSQL may enter."""
    with world_folder() as made:
        yield made


async def database_fault(patient: Patient, url: str) -> tuple[str, str]:
    """Diagnose with another database; return what is red, which is all that is wrong."""
    unset = {"BOOSTMON_OWNER_DATABASE_URL": ""}
    diagnosis = await patient.diagnosed(DATABASE_URL=url, **unset)

    (colour, found, remedy), skipped = diagnosis.faults
    assert ("red", 1) == (colour, diagnosis.code)
    assert "The log was not looked at." == skipped[1]
    assert any("can post in" in text for _, text, _ in diagnosis.findings)  # Discord was
    return found, remedy


async def test_a_database_that_is_down_is_said_to_be_so(patient: Patient) -> None:
    found, remedy = await database_fault(patient, f"postgresql://me:{PASSWORD}@127.0.0.1:1/db")

    assert "postgresql://me:***@127.0.0.1:1/db does not answer (connection refused)" in found
    assert "Check that it runs and that DATABASE_URL is right." == remedy


async def answering(answer: bytes) -> asyncio.Server:
    """Pretend to be a server that says *answer*."""

    async def greet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1000)
        writer.write(answer)
        await reader.read()
        writer.close()

    return await asyncio.start_server(greet, "127.0.0.1", 0)


def at(server: asyncio.Server) -> str:
    port = server.sockets[0].getsockname()[1]
    return f"postgresql://me:{PASSWORD}@127.0.0.1:{port}/db?sslmode=disable"


async def test_a_wrong_password_is_told_from_a_server_that_is_down(patient: Patient) -> None:
    refusal = b"E" + (4 + len(WRONG_PASSWORD)).to_bytes(4, "big") + WRONG_PASSWORD
    async with await answering(refusal) as server:
        found, remedy = await database_fault(patient, at(server))

    assert found.endswith("refused the user or the password.")
    assert remedy.startswith("Correct DATABASE_URL, or, if both are right")


async def test_an_old_postgresql_is_named_with_the_version_that_is_needed(
    patient: Patient,
) -> None:
    async with await answering(OLD_SERVER) as server:
        found, remedy = await database_fault(patient, at(server))

    assert found.endswith("is PostgreSQL 14, and BoostMon needs 15 or newer.")
    assert "Upgrade it, or point DATABASE_URL elsewhere." == remedy


async def test_an_unknown_database_comes_with_createdb(patient: Patient, bot_url: str) -> None:
    async with Gate(bot_url) as gate:
        found, remedy = await database_fault(
            patient, f"postgresql://{urlsplit(gate.url).netloc}/no"
        )

    assert found.endswith("has no such database.")
    assert remedy.startswith("Create it with createdb, or correct DATABASE_URL")


async def test_a_wrong_owner_url_is_not_blamed_on_the_bots(patient: Patient) -> None:
    wrong = f"postgresql://me:{PASSWORD}@127.0.0.1:1/db"

    diagnosis = await patient.diagnosed(BOOSTMON_OWNER_DATABASE_URL=wrong)

    (_, _, remedy), _ = diagnosis.faults
    assert "Check that it runs and that BOOSTMON_OWNER_DATABASE_URL is right." == remedy


def read_only(url: str) -> str:
    """Return *url* for sessions that write nothing, as a host has it when its disk is full."""
    return url.replace("options=", "options=-cdefault_transaction_read_only%3Don%20")


def without_writing(patient: Patient) -> dict[str, str]:
    """Return both URLs of *patient* so that nothing can be written."""
    names = ("DATABASE_URL", "BOOSTMON_OWNER_DATABASE_URL")
    return {name: read_only(patient.environ[name]) for name in names}


async def test_a_server_that_lets_nothing_be_written_is_red(patient: Patient) -> None:
    faults = (await patient.diagnosed(**without_writing(patient))).faults

    assert 2 == len(faults)
    assert {"red"} == {colour for colour, _, _ in faults}
    assert all("lets nothing be written" in found for _, found, _ in faults)
    assert all("when the disk is full" in remedy for _, _, remedy in faults)


@pytest.mark.parametrize(
    "command",
    [
        "migrate",
        "run",
        "erase 17 --yes",
        "forget-server 17",
        "resolve-removals 17 --end",
        "adopt-database --yes",
    ],
)
async def test_what_must_write_says_that_it_may_not(patient: Patient, command: str) -> None:
    outcome = await boostmon(*command.split(), **patient.environ | without_writing(patient))

    assert 1 == outcome.code
    assert "lets nothing be written; name the primary" in outcome.err
    assert "should not have happened" not in outcome.err


@pytest.mark.parametrize("may_write", [True, False])
async def test_a_bot_that_may_not_write_is_not_ready(bot_url: str, *, may_write: bool) -> None:
    async with await connect(bot_url if may_write else read_only(bot_url)) as database:
        reading = Reading(Effects(database))
        assert may_write is (await reading.latest() is not None)
        reading.close()


async def test_connections_of_other_roles_are_counted_too(
    patient: Patient, migrated: Schema
) -> None:
    others = [await asyncpg.connect(as_superuser(migrated)) for _ in range(20)]
    findings = (await patient.diagnosed()).findings
    for other in others:
        await other.close()

    (found,) = [found for _, found, _ in findings if "connections are open" in found]
    assert len(others) < int(found.split()[0])


async def test_a_database_without_tables_is_sent_to_migrate(
    patient: Patient, empty_schema: Schema
) -> None:
    await patient.owner.execute(f"DROP SCHEMA {empty_schema.name} CASCADE")
    await patient.owner.execute(f"CREATE SCHEMA {empty_schema.name}")

    (red, skipped) = (await patient.diagnosed()).faults

    assert ("red", "Run `boostmon migrate`.") == (red[0], red[2])
    assert red[1].startswith("The database is not up to date; migrations are missing: 0001_role")
    assert "The log was not looked at." == skipped[1]


async def test_the_table_of_the_javascript_bot_is_recognized(
    patient: Patient, empty_schema: Schema
) -> None:
    await patient.owner.execute(f"DROP SCHEMA {empty_schema.name} CASCADE")
    await patient.owner.execute(f"CREATE SCHEMA {empty_schema.name}")
    await patient.owner.execute("CREATE TABLE role_timers (id serial)")

    (red, _) = (await patient.diagnosed()).faults

    assert red[1].startswith("This database holds the role_timers of the JavaScript bot")
    assert "`boostmon import --from-database URL`" in red[2]


async def test_a_database_of_a_newer_version_asks_for_an_update(patient: Patient) -> None:
    newer = "INSERT INTO schema_migrations (version, name, sha256) VALUES (99, '0099_new', '')"
    await patient.owner.execute(newer)

    diagnosis = await patient.diagnosed()

    (colour, found, remedy), _ = diagnosis.faults
    assert ("red", 1) == (colour, diagnosis.code)
    assert "The database was migrated by a newer BoostMon (0099_new)." == found
    assert "Update this one." == remedy


async def test_rights_that_the_bots_role_lacks_are_named(patient: Patient) -> None:
    role = urlsplit(patient.environ["DATABASE_URL"]).netloc.partition("@")[0].partition(":")[0]
    await patient.owner.execute(f"REVOKE UPDATE ON effects FROM {role}")
    await patient.owner.execute(f"REVOKE SELECT ON event_log FROM {role}")  # noqa: S608 - of this file

    diagnosis = await patient.diagnosed()

    colour, found, remedy = diagnosis.fault
    assert ("red", 1) == (colour, diagnosis.code)
    assert f"The role {role} lacks: SELECT on event_log, UPDATE on effects." == found
    assert remedy.startswith("Run `boostmon migrate`")


async def test_an_owner_who_owns_nothing_is_told_who_does(patient: Patient) -> None:
    bot_url = patient.environ["DATABASE_URL"]

    diagnosis = await patient.diagnosed(BOOSTMON_OWNER_DATABASE_URL=bot_url)

    colour, found, remedy = diagnosis.faults[0]
    owner = await patient.owner.fetchval("SELECT current_user")
    assert ("red", 1) == (colour, diagnosis.code)
    assert found.startswith(f"The tables belong to {owner}, ")
    assert f"Let BOOSTMON_OWNER_DATABASE_URL log in as {owner}." == remedy


async def test_one_role_for_both_is_yellow_and_says_how_to_part_them(patient: Patient) -> None:
    owner_url = patient.environ["BOOSTMON_OWNER_DATABASE_URL"]

    diagnosis = await patient.diagnosed(DATABASE_URL=owner_url, BOOSTMON_OWNER_DATABASE_URL="")

    colour, found, remedy = diagnosis.fault
    assert ("yellow", 0) == (colour, diagnosis.code)
    assert "who owns its tables and could alter the log." in found
    assert "in BOOSTMON_OWNER_DATABASE_URL, and run `boostmon migrate`." in remedy


@pytest.mark.parametrize(
    ("seconds", "colour", "where"),
    [(3, "yellow", "ahead of"), (300, "red", "ahead of"), (-90, "red", "behind")],
)
async def test_clocks_that_disagree_are_set_against_each_other(
    patient: Patient, monkeypatch: pytest.MonkeyPatch, seconds: int, colour: str, where: str
) -> None:
    monkeypatch.setattr(machine, "wall", lambda: time.time() - seconds)

    diagnosis = await patient.diagnosed()

    found = f"The database's clock is {abs(seconds)} s {where} this machine's."
    assert (colour, found) == diagnosis.fault[:2]
    assert "timedatectl set-ntp true" in diagnosis.fault[2]
    assert (colour == "red") == diagnosis.code


async def test_a_pool_that_the_server_has_no_room_for_is_yellow(patient: Patient) -> None:
    colour, found, remedy = (await patient.diagnosed(BOOSTMON_POOL_MAX="999")).fault

    assert "yellow" == colour
    assert "fewer are left than BOOSTMON_POOL_MAX (999)" in found
    assert remedy.startswith("Lower BOOSTMON_POOL_MAX")


STATISTICS = """
CREATE TABLE pg_stat_statements AS
SELECT pg_database.oid AS dbid, pg_roles.oid AS userid, told.*
FROM pg_database, pg_roles, (VALUES
    (E'-- One.\\n-- Two.\\nSELECT slow', 7::bigint, 250.0::float8),
    ('SELECT quick', 9, 5.0),
    (E'-- One\\nALTER ROLE x PASSWORD ''kept-to-ourselves'';\\nSELECT y', 1, 900.0)
) AS told (query, calls, mean_exec_time)
WHERE datname = current_database() AND rolname = current_user
"""


async def test_a_slow_statement_is_shown_and_none_that_may_hold_a_password(
    patient: Patient, monkeypatch: pytest.MonkeyPatch
) -> None:
    await patient.owner.execute(STATISTICS)  # as the extension, which is not at hand, has it
    await patient.owner.execute("GRANT SELECT ON pg_stat_statements TO PUBLIC")
    monkeypatch.setattr(checkup, "STATISTICS", "SELECT 'pg_stat_statements'")

    colour, found, remedy = (await patient.diagnosed()).fault

    assert ("yellow", True) == (colour, remedy.startswith("Run ANALYZE"))
    assert "A statement takes 250 ms on average (7 calls): SELECT slow" == found


async def test_a_standby_is_told_by_its_lag_and_is_no_place_for_a_bot() -> None:
    async with pair() as nodes:
        urls = {"DATABASE_URL": nodes.bot_url, "BOOSTMON_OWNER_DATABASE_URL": nodes.owner_url}
        assert 0 == (await boostmon("migrate", **urls)).code
        superuser = nodes.first.url("postgres")
        rest = {"DISCORD_TOKEN": TOKEN, "BOOSTMON_DISCORD_API": NOBODY}

        primary = await boostmon(
            "doctor", **urls | {"BOOSTMON_OWNER_DATABASE_URL": superuser}, **rest
        )
        hidden = await boostmon("doctor", **urls, **rest)
        alone = {"DATABASE_URL": nodes.second.url("boostmon_bot")}
        standby = await boostmon("doctor", **alone, **rest)

    assert re.search(
        r"green +The standby standby is streaming \(sync\), [0-9:.]+ behind", primary.out
    )
    assert "GRANT pg_monitor to the owner's role" in hidden.out
    assert "is a standby, where nothing can be recorded." in standby.out
    assert "→ Name the primary in DATABASE_URL." in standby.out


async def test_a_database_that_falls_silent_is_given_up(
    patient: Patient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database_checks, "REACHING", 0.3)
    async with Gate(patient.environ["BOOSTMON_OWNER_DATABASE_URL"]) as gate:
        gate.freeze()
        found, remedy = await database_fault(patient, gate.url)

    assert "Looking at the database of DATABASE_URL took longer than 0.3 s." == found
    assert "Check that it runs and that DATABASE_URL is right." == remedy


async def test_the_embedded_database_is_looked_at_as_the_bots_role(folder: Path) -> None:
    environ = {"BOOSTMON_DATA_DIR": str(folder), "DISCORD_TOKEN": TOKEN}
    assert 0 == (await boostmon("migrate", **environ)).code

    outcome = await boostmon("doctor", BOOSTMON_DISCORD_API=NOBODY, **environ)

    nobody, discord_down = read(outcome.code, outcome.out).faults
    assert nobody[1].startswith("No bot is at work")
    assert discord_down[1].startswith(f"Discord at {NOBODY} does not answer")
    assert "The role boostmon_bot has the bot's rights and owns nothing." in outcome.out

"""`boostmon doctor`: from a healthy bot, one fault is planted, and named with its remedy."""

import asyncio
import json
import re
import time
from collections.abc import AsyncIterator
from types import SimpleNamespace
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import asyncpg
import pytest
from click.testing import CliRunner
from disnake.ext.commands import InvokableSlashCommand

from boostmon.bot import discord_reads
from boostmon.bot.cog import TimerCog
from boostmon.bot.invitation import link_for
from boostmon.cli.doctor import doctor
from boostmon.commands.decider import SetTime
from boostmon.database import clock
from boostmon.database.pool import Database
from boostmon.events.timer import HOUR, TimerId
from boostmon.sandbox import Sandbox, permissions
from boostmon.sandbox.faults import Fault
from boostmon.sandbox.model import PRIVILEGED
from tests.databases import Gate, Schema
from tests.sandbox_client import Client
from tests.sandbox_client import sandbox as a_sandbox
from tests.test_cli import OLD_SERVER, PASSWORD, TOKEN, boostmon, discord
from tests.timers import M, handler_over, slash

NOBODY = "http://127.0.0.1:1/api/v10"
WRONG_PASSWORD = b"SFATAL\0VFATAL\0C28P01\0Mpassword authentication failed\0\0"
COLOURS = {"✓": "green", "!": "yellow", "✗": "red"}


class Diagnosis(NamedTuple):
    """What doctor said: exit code, and colour, sentence and remedy of each finding."""

    code: int
    text: str
    findings: list[tuple[str, str, str]]

    @property
    def faults(self) -> list[tuple[str, str, str]]:
        """All that is not green."""
        return [finding for finding in self.findings if finding[0] != "green"]

    @property
    def fault(self) -> tuple[str, str, str]:
        """The one thing that is not green."""
        (only,) = self.faults
        return only


def read(code: int, text: str) -> Diagnosis:
    """Take apart what doctor has printed."""
    findings: list[tuple[str, str, str]] = []
    for line in text.splitlines():
        if found := re.fullmatch(r"  ([✓!✗]) (\w+) +(\S.*)", line):
            assert COLOURS[found[1]] == found[2]
            findings.append((found[2], found[3], ""))
        elif remedy := re.fullmatch(r" +→ (.+)", line):
            colour, sentence, _ = findings[-1]
            findings[-1] = (colour, sentence, remedy[1])
    for secret in (PASSWORD, TOKEN):
        assert secret not in text
    return Diagnosis(code, text, findings)


class Patient:
    """A bot in good order: a database with two roles, a Discord with its commands registered."""

    def __init__(
        self, client: Client, schema: Schema, database: Database, owner: asyncpg.Connection
    ) -> None:
        self.client, self.database, self.owner = client, database, owner
        self.sandbox: Sandbox = client.sandbox
        assert schema.bot_url is not None
        self.environ = {
            "DATABASE_URL": schema.bot_url,
            "BOOSTMON_OWNER_DATABASE_URL": schema.owner_url,
            **discord(self.sandbox),
        }

    async def diagnosed(self, **changed: str) -> Diagnosis:
        """Run doctor, with some variables *changed*."""
        environ = self.environ | changed
        run = CliRunner().invoke
        result = await asyncio.to_thread(run, doctor, [], env=environ, catch_exceptions=False)
        assert not re.search("Traceback|never retrieved", result.output)
        return read(result.exit_code, result.stdout)

    async def timer(
        self, role: str = "VIP", *, channel: str | None = None, began: int = 0
    ) -> TimerId:
        """Have a timer that runs for an hour, from now or *began* ms later."""
        ids = self.client.ids
        timer = TimerId(ids["guild"], self.client.user("max"), ids["roles"].get(role, role))
        now = await self.owner.fetchval(clock.ASK)
        channel_id = ids["channels"].get(channel, channel)
        command = SetTime(round(now) + began, HOUR, M, channel_id)
        await handler_over(self.database).handle(timer, command, slash())
        return timer

    @property
    def bot(self) -> Any:
        """The application in the sandbox."""
        (bot,) = self.sandbox.discord.world.bots.values()
        return bot

    @property
    def guild(self) -> Any:
        """The server in the sandbox."""
        (guild,) = self.sandbox.discord.world.guilds.values()
        return guild

    @property
    def invite(self) -> str:
        """The link that invites the bot."""
        return link_for(self.bot.id)

    def arm(self, **fault: Any) -> None:
        """Let Discord stumble, again and again."""
        self.sandbox.discord.faults.armed.append(Fault(**({"times": 100} | fault)))


@pytest.fixture
async def patient(
    migrated: Schema, separate_bot: str, database: Database, owner: asyncpg.Connection
) -> AsyncIterator[Patient]:
    """Lend a bot in good order."""
    assert separate_bot
    await owner.execute("UPDATE lease SET holder = 'somebody', expires_at = now() + interval '1h'")
    async with a_sandbox() as client:
        made = Patient(client, migrated, database, owner)
        made.bot.privileged = PRIVILEGED["members"]
        await register(client)
        yield made


async def register(client: Client, where: str = "") -> None:
    """Register the commands of this version."""
    ours = [c for c in vars(TimerCog).values() if isinstance(c, InvokableSlashCommand)]
    bodies = [command.body.to_dict() for command in ours]
    answer = await client.api("PUT", f"{client.app}{where}/commands", bodies)
    assert 200 == answer.status, answer.body


async def test_a_bot_in_good_order_is_green_all_over(patient: Patient) -> None:
    await patient.timer(channel="general")

    diagnosis = await patient.diagnosed(BOOSTMON_ROLE_TAKEN="restore")

    assert ([], 0) == (diagnosis.faults, diagnosis.code)
    assert len(diagnosis.findings) > 30
    assert re.search(r"^0 red, 0 yellow, \d+ things green$", diagnosis.text, re.MULTILINE)
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


# The database.


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
    assert "Correct DATABASE_URL." == remedy


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
    wrong = SimpleNamespace(time=lambda: time.time() - seconds, monotonic=time.monotonic)
    monkeypatch.setattr(clock, "time", wrong)

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


# The log.


async def alter(patient: Patient, statement: str) -> None:
    """Change events in a way that only the owner of the table can."""
    await patient.owner.execute("ALTER TABLE events DISABLE TRIGGER ALL")
    await patient.owner.execute(statement)
    await patient.owner.execute("ALTER TABLE events ENABLE ALWAYS TRIGGER events_are_append_only")


async def test_an_edited_event_is_named_by_its_position(patient: Patient) -> None:
    for role in ("VIP", "Trial", "Supporter"):
        await patient.timer(role)
    await alter(patient, "UPDATE events SET command_id = 'x' WHERE position = 2")

    diagnosis = await patient.diagnosed()

    colour, found, remedy = diagnosis.fault
    assert ("red", 1) == (colour, diagnosis.code)
    assert "An event is not as recorded, the chain is broken: position 2." == found
    assert remedy.startswith("Restore a backup")


async def test_an_event_that_is_missing_is_counted(patient: Patient) -> None:
    for role in ("VIP", "Trial", "VIP"):
        await patient.timer(role)
    await alter(patient, "DELETE FROM events WHERE position = 1")

    found = {text for colour, text, _ in (await patient.diagnosed()).faults if colour == "red"}

    assert "Events are missing: the log has 2 up to position 3." in found


async def test_a_row_changed_by_hand_is_named_with_its_column(patient: Patient) -> None:
    await patient.timer()
    await patient.owner.execute("UPDATE role_timers SET expires_at = expires_at + 1")

    diagnosis = await patient.diagnosed()

    colour, found, remedy = diagnosis.fault
    assert ("red", 1) == (colour, diagnosis.code)
    assert "role_timers differs from the log: row 1 in expires_at." == found
    assert remedy.startswith("Run `boostmon replay`, which mends it")


@pytest.mark.parametrize(
    "statement",
    [
        "DELETE FROM role_timers",
        (
            "INSERT INTO role_timers (guild_id, user_id, role_id, expires_at, version)"
            " VALUES ('1', '1', '1', 1, 1)"
        ),
    ],
)
async def test_a_row_too_few_or_too_many_is_drift(patient: Patient, statement: str) -> None:
    await patient.timer()
    await patient.owner.execute(statement)

    found = [text for colour, text, _ in (await patient.diagnosed()).faults if colour == "red"]

    assert any("role_timers differs from the log: row" in text for text in found)


async def test_what_is_stuck_comes_with_the_remedy_that_discord_asks_for(patient: Patient) -> None:
    timer = await patient.timer()
    remedy = "Move BoostMon's role above **VIP** in Server Settings → Roles."
    await patient.owner.execute("UPDATE effects SET state = 'stuck', last_error = $1", remedy)

    diagnosis = await patient.diagnosed()

    colour, found, told = diagnosis.fault
    assert ("red", 1, remedy) == (colour, diagnosis.code, told)
    assert found.startswith("Stuck: role to be given since ")
    assert f"(server {timer.guild_id}, role {timer.role_id})" in found


async def test_what_waits_for_long_is_yellow_with_its_reason(patient: Patient) -> None:
    await patient.timer()
    await patient.owner.execute(
        "UPDATE effects SET due_at = now() - interval '1h', last_error = 'Discord did not answer'"
    )

    colour, found, remedy = (await patient.diagnosed()).fault

    assert "yellow" == colour
    assert found.endswith(": Discord did not answer.")
    assert "Look in the log of the bot" in remedy


async def test_a_sweep_that_does_not_come_says_to_start_the_bot(patient: Patient) -> None:
    await patient.timer(began=-4 * HOUR)
    await patient.owner.execute("UPDATE lease SET holder = NULL, expires_at = '-infinity'")

    diagnosis = await patient.diagnosed()

    nobody, (colour, found, remedy) = diagnosis.faults
    assert ("red", 1) == (colour, diagnosis.code)
    assert found.startswith("Timers that are due and not swept: 1, the first for 3:")
    assert ["Start `boostmon run`."] * 2 == [nobody[2], remedy]


async def test_a_sweep_that_does_not_come_from_a_bot_at_work_sends_to_its_log(
    patient: Patient,
) -> None:
    await patient.timer(began=-4 * HOUR)

    assert "`timer not swept`" in (await patient.diagnosed()).fault[2]


async def test_nobody_at_work_is_yellow(patient: Patient) -> None:
    await patient.owner.execute("UPDATE lease SET expires_at = now() - interval '1s'")

    colour, found, remedy = (await patient.diagnosed()).fault

    assert ("yellow", "Start `boostmon run`.") == (colour, remedy)
    assert found.startswith("No bot is at work")


# Discord.


async def test_a_refused_token_is_to_be_copied_again(patient: Patient) -> None:
    diagnosis = await patient.diagnosed(DISCORD_TOKEN=TOKEN)

    assert 1 == diagnosis.code
    assert (
        "red",
        "Discord refuses DISCORD_TOKEN.",
        "Copy it again from the page Bot of your application.",
    ) == diagnosis.fault


async def test_a_stumbling_discord_is_said_to_be_so(patient: Patient) -> None:
    patient.arm(path="*", status=500)

    diagnosis = await patient.diagnosed()

    colour, found, remedy = diagnosis.fault
    assert ("red", 1) == (colour, diagnosis.code)
    assert found.startswith("Discord answered 500")
    assert "discordstatus.com" in remedy


async def test_a_silent_discord_is_given_up(
    patient: Patient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(discord_reads, "PATIENCE", 0.2)
    patient.arm(path="*", hang=5.0)

    colour, found, remedy = (await patient.diagnosed()).fault

    assert ("red", True) == (colour, "discordstatus.com" in remedy)
    assert f"Discord at {patient.sandbox.api} does not answer (no reply in time)." == found


async def test_one_question_that_fails_keeps_no_other_from_being_asked(patient: Patient) -> None:
    patient.arm(path="/gateway/bot", status=500)

    diagnosis = await patient.diagnosed()

    assert diagnosis.fault[1].startswith("Discord answered 500")
    assert any("can post in" in text for _, text, _ in diagnosis.findings)


async def test_a_missing_intent_is_red_where_a_setting_needs_it(patient: Patient) -> None:
    patient.bot.privileged = 0

    diagnosis = await patient.diagnosed(BOOSTMON_ROLE_TAKEN="restore")

    colour, found, remedy = diagnosis.fault
    assert ("red", 1) == (colour, diagnosis.code)
    assert found.endswith("which BOOSTMON_ROLE_TAKEN=restore needs.")
    assert remedy.startswith("Switch on Server Members Intent on the page Bot")


async def test_a_missing_intent_is_yellow_where_nothing_asks_for_it(patient: Patient) -> None:
    patient.bot.privileged = 0

    diagnosis = await patient.diagnosed()

    assert ("yellow", 0) == (diagnosis.fault[0], diagnosis.code)


async def test_no_session_start_left_says_how_long_to_wait(patient: Patient) -> None:
    patient.bot.starts_left = 0

    diagnosis = await patient.diagnosed()

    colour, found, remedy = diagnosis.fault
    assert ("red", 1) == (colour, diagnosis.code)
    assert found.startswith("0 of 1000 session starts are left")
    assert remedy.startswith("Wait 24.0 h, and find out what starts the bot")


async def test_few_session_starts_left_are_yellow(patient: Patient) -> None:
    patient.bot.starts_left = 49

    assert "yellow" == (await patient.diagnosed()).fault[0]


async def test_commands_that_are_not_registered_are_named(patient: Patient) -> None:
    patient.bot.commands.clear()

    diagnosis = await patient.diagnosed()

    colour, found, remedy = diagnosis.fault
    assert ("red", 1) == (colour, diagnosis.code)
    assert found.startswith("Commands are not registered in all servers: /addtime, /cleartime")
    assert remedy.startswith("Start `boostmon run`")


async def test_commands_of_another_version_are_yellow(patient: Patient) -> None:
    await patient.client.register(name="old")

    colour, found, _ = (await patient.diagnosed()).fault

    assert ("yellow", "Commands in all servers are not those of this version: /old.") == (
        colour,
        found,
    )


async def test_with_a_server_of_its_own_the_commands_belong_there_alone(patient: Patient) -> None:
    diagnosis = await patient.diagnosed(DISCORD_GUILD_ID=patient.guild.id)

    (red, yellow) = diagnosis.faults
    assert red[1].startswith(f"Commands are not registered in the server {patient.guild.id}: ")
    assert yellow[1].startswith("Commands are registered in all servers as well")

    await register(patient.client, f"/guilds/{patient.guild.id}")
    await patient.client.api("PUT", f"{patient.client.app}/commands", [])
    assert [] == (await patient.diagnosed(DISCORD_GUILD_ID=patient.guild.id)).faults


async def test_commands_left_in_a_server_are_yellow(patient: Patient) -> None:
    await register(patient.client, f"/guilds/{patient.guild.id}")

    colour, found, remedy = (await patient.diagnosed()).fault

    assert ("yellow", "Start `boostmon run`, which removes them.") == (colour, remedy)
    assert f"The server {patient.guild.id} has commands of its own" in found


# The servers.


def own_role(patient: Patient) -> Any:
    return next(r for r in patient.guild.roles.values() if r.tags == {"bot_id": patient.bot.id})


async def test_a_server_where_it_lacks_manage_roles_is_named_with_the_link(
    patient: Patient,
) -> None:
    own_role(patient).permissions &= ~permissions.MANAGE_ROLES

    diagnosis = await patient.diagnosed()

    colour, found, remedy = diagnosis.fault
    assert ("red", 1) == (colour, diagnosis.code)
    assert f"Sandbox ({patient.guild.id}): BoostMon lacks Manage Roles." == found
    assert remedy.endswith(f"Server Settings → Roles, or invite it again: {patient.invite}")


async def test_an_administrator_lacks_nothing(patient: Patient) -> None:
    own_role(patient).permissions = permissions.ADMINISTRATOR
    await patient.timer(channel="staff")

    assert [] == (await patient.diagnosed()).faults


async def test_a_timed_role_above_its_own_is_named(patient: Patient) -> None:
    await patient.timer("Admin")
    await patient.timer("VIP")

    diagnosis = await patient.diagnosed()

    colour, found, remedy = diagnosis.fault
    assert ("red", 1) == (colour, diagnosis.code)
    assert found.endswith(": BoostMon's role does not stand above Admin.")
    assert "Move BoostMon's role above Admin in Server Settings → Roles." == remedy


async def test_a_role_that_an_integration_manages_is_named(patient: Patient) -> None:
    await patient.timer("Server Booster")

    colour, found, remedy = (await patient.diagnosed()).fault

    assert ("red", True) == (colour, "an integration manages Server Booster" in found)
    assert remedy.startswith("End them with `/cleartime`")


async def test_a_deleted_role_with_timers_is_yellow(patient: Patient) -> None:
    await patient.timer("1400000000000000002")

    colour, found, remedy = (await patient.diagnosed()).fault

    assert "yellow" == colour
    assert found.endswith("the role 1400000000000000002 was deleted and has timers (1).")
    assert "Start `boostmon run`, which ends them." == remedy


async def test_a_channel_where_it_cannot_post_is_named(patient: Patient) -> None:
    await patient.timer(channel="staff")

    diagnosis = await patient.diagnosed()

    colour, found, remedy = diagnosis.fault
    assert ("yellow", 0) == (colour, diagnosis.code)
    assert "BoostMon cannot post in #staff; timers there: 1." in found
    assert remedy.startswith("Allow BoostMon View Channel and Send Messages in #staff")


async def test_what_it_says_of_a_channel_is_what_discord_does(patient: Patient) -> None:
    diagnosis = await patient.diagnosed()

    posted = []
    for channel in patient.guild.channels.values():
        if channel.type in (0, 5):
            body = {"content": "hello"}
            answer = await patient.client.api("POST", f"/channels/{channel.id}/messages", body)
            posted.append(answer.status == 200)
    told = f"can post in {sum(posted)} of {len(posted)} text channels."
    assert any(told in text for _, text, _ in diagnosis.findings)
    assert {True, False} == set(posted)


async def test_a_channel_that_is_gone_is_yellow(patient: Patient) -> None:
    await patient.timer(channel="1400000000000000003")

    colour, found, remedy = (await patient.diagnosed()).fault

    assert ("yellow", True) == (colour, remedy.startswith("Name another with `/settime`"))
    assert "the channel 1400000000000000003 is not there; timers: 1." in found


async def test_a_server_with_timers_that_it_was_removed_from_is_named(patient: Patient) -> None:
    await patient.timer()
    del patient.guild.members[patient.bot.id]

    diagnosis = await patient.diagnosed()

    (absent, nowhere) = diagnosis.faults[::-1]
    assert ("red", f"Invite it there: {patient.invite}") == (absent[0], absent[2])
    assert f"BoostMon is not in the server {patient.guild.id}, which has timers (1)." == absent[1]
    assert "BoostMon is in no server." == nowhere[1]


async def test_a_name_cannot_rule_the_terminal_of_whoever_looks(patient: Patient) -> None:
    patient.guild.name = "x\x1b[31m [bold]y\r\n→"

    diagnosis = await patient.diagnosed()

    assert "\x1b" not in diagnosis.text
    assert "x [31m [bold]y  →" in diagnosis.text


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

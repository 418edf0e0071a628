"""`boostmon doctor`: one fault in Discord is planted, and named with its remedy."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg
import pytest

from boostmon.bot.discord import reads
from boostmon.database.connections.pool import Database
from boostmon.sandbox.world import permissions
from tests.cli.test_cli import TOKEN
from tests.support.databases import Schema
from tests.support.patient import Patient, register
from tests.support.patient import patient as a_patient


@pytest.fixture
async def patient(
    migrated: Schema, separate_bot: str, database: Database, owner: asyncpg.Connection
) -> AsyncIterator[Patient]:
    """Lend a bot in good order."""
    assert separate_bot
    async with a_patient(migrated, database, owner) as made:
        yield made


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
    monkeypatch.setattr(reads, "PATIENCE", 0.2)
    patient.arm(path="*", hang=5.0)

    colour, found, remedy = (await patient.diagnosed()).fault

    assert ("red", True) == (colour, "discordstatus.com" in remedy)
    assert f"Discord at {patient.sandbox.api} does not answer (no reply in time)." == found


async def test_a_limit_that_is_over_soon_is_waited_for(patient: Patient) -> None:
    limited = {"message": "Slow down", "retry_after": 0.1, "global": False}
    patient.arm(path="/gateway/bot", status=429, body=limited, times=1)

    assert [] == (await patient.diagnosed()).faults


async def test_a_server_that_discord_hides_is_to_be_joined_again(patient: Patient) -> None:
    hidden = {"message": "Missing Access", "code": 50001}
    patient.arm(path="/guilds/{guild_id}/channels", status=403, body=hidden)

    colour, found, remedy = (await patient.diagnosed()).fault

    assert f"Discord does not show the server {patient.guild.id} (Missing Access)." == found
    assert ("red", f"Invite the bot there again: {patient.invite}") == (colour, remedy)


async def test_one_question_that_fails_keeps_no_other_from_being_asked(patient: Patient) -> None:
    patient.arm(path="/gateway/bot", status=500)

    diagnosis = await patient.diagnosed()

    assert diagnosis.fault[1].startswith("Discord answered 500")
    assert any("can post in" in text for _, text, _ in diagnosis.findings)


async def test_a_missing_intent_is_yellow(patient: Patient) -> None:
    patient.bot.privileged = 0

    diagnosis = await patient.diagnosed()

    colour, found, remedy = diagnosis.fault
    assert ("yellow", 0) == (colour, diagnosis.code)
    assert found.endswith("members who come back are noticed late, within a day.")
    assert remedy.startswith("Switch on Server Members Intent on the page Bot")


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


async def test_a_command_that_says_something_else_is_of_another_version(
    patient: Patient,
) -> None:
    await patient.client.register(name="timeleft", description="As it was")

    colour, found, remedy = (await patient.diagnosed()).fault

    assert ("yellow", True) == (colour, found.endswith("those of this version: /timeleft."))
    assert remedy.startswith("Start `boostmon run`")


async def test_with_a_server_of_its_own_the_commands_belong_there_alone(patient: Patient) -> None:
    diagnosis = await patient.diagnosed(DISCORD_GUILD_ID=patient.guild.id)

    (red, yellow) = diagnosis.faults
    assert red[1].startswith(f"Commands are not registered in the server {patient.guild.id}: ")
    assert yellow[1].startswith("Commands are registered in all servers as well")

    await register(patient.client, f"/guilds/{patient.guild.id}")
    await patient.client.api("PUT", f"{patient.client.app}/commands", [])
    assert [] == (await patient.diagnosed(DISCORD_GUILD_ID=patient.guild.id)).faults


async def test_a_server_of_its_own_that_the_bot_is_not_in_is_named_with_the_variable(
    patient: Patient,
) -> None:
    faults = (await patient.diagnosed(DISCORD_GUILD_ID="1100000000000000098")).faults

    (told,) = [each for each in faults if "DISCORD_GUILD_ID is" in each[1]]
    assert told[1].startswith("Discord shows no commands in 1100000000000000098, which")
    assert told[2].startswith("Set it to the id of a server that the bot is in, or unset it")


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


async def test_a_server_where_it_may_not_view_the_audit_log_is_yellow(patient: Patient) -> None:
    own_role(patient).permissions &= ~permissions.VIEW_AUDIT_LOG

    diagnosis = await patient.diagnosed()

    colour, found, remedy = diagnosis.fault
    assert ("yellow", 0) == (colour, diagnosis.code)
    assert f"Sandbox ({patient.guild.id}): BoostMon may not view the audit log, so " in found
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

    assert "red" == colour
    assert found.endswith(": Server Booster has timers and is managed by the server's boosts.")
    assert remedy.startswith("End them with `/cleartime` and have the role taken there")


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

    assert "yellow" == colour
    assert "does not see the channel 1400000000000000003, or it was deleted; timers: 1." in found
    assert "name another with `/settime`" in remedy


async def test_a_channel_that_is_hidden_is_not_called_deleted(patient: Patient) -> None:
    await patient.timer(channel="general")
    hidden = [{"role": "@everyone", "deny": ["VIEW_CHANNEL"]}]
    change = {"channel": "general", "action": "edit", "overwrites": hidden}
    await patient.client.sim("channel", change)

    colour, found, remedy = (await patient.diagnosed()).fault

    channel = patient.client.ids["channels"]["general"]
    assert "yellow" == colour
    assert f"does not see the channel {channel}, or it was deleted; timers: 1." in found
    assert remedy.startswith("Allow BoostMon View Channel there, or name another")


async def test_a_server_with_timers_that_it_was_removed_from_is_named(patient: Patient) -> None:
    await patient.timer()
    del patient.guild.members[patient.bot.id]

    diagnosis = await patient.diagnosed()

    (absent, nowhere) = diagnosis.faults[::-1]
    assert ("red", True) == (absent[0], f"Invite it there: {patient.invite} Or give" in absent[2])
    assert absent[2].endswith(f"`boostmon forget-server {patient.guild.id}`.")
    assert f"BoostMon is not in the server {patient.guild.id}, which has timers (1)." == absent[1]
    assert "BoostMon is in no server." == nowhere[1]


@pytest.mark.parametrize(("days", "colour"), [(29, "red"), (31, "yellow")])
async def test_a_server_that_it_left_a_month_ago_is_told_to_be_left_alone(
    patient: Patient, days: int, colour: str
) -> None:
    await patient.timer()
    del patient.guild.members[patient.bot.id]
    left = datetime.now(UTC) - timedelta(days=days)
    depart = "INSERT INTO departures (guild_id, since) VALUES ($1, $2)"
    await patient.owner.execute(depart, str(patient.guild.id), left)

    diagnosis = await patient.diagnosed()

    (absent,) = (fault for fault in diagnosis.faults if str(patient.guild.id) in fault[1])
    rests = f": nothing is tried there, since it left by {left:%Y-%m-%d}."
    assert (colour, colour == "yellow") == (absent[0], absent[1].endswith(rests))
    assert absent[2].endswith(f"`boostmon forget-server {patient.guild.id}`.")


async def test_a_name_cannot_rule_the_terminal_of_whoever_looks(patient: Patient) -> None:
    patient.guild.name = "x\x1b[31m [bold]y\r\n→"

    diagnosis = await patient.diagnosed()

    assert "\x1b" not in diagnosis.text
    assert "x [31m [bold]y  →" in diagnosis.text


async def test_a_discord_that_is_hours_apart_from_its_only_other_witness_is_red(
    patient: Patient,
) -> None:
    await patient.client.sim("clock", {"apart_ms": 7_200_000})

    diagnosis = await patient.diagnosed()

    colour, found, remedy = diagnosis.fault
    assert ("red", 1) == (colour, diagnosis.code)
    assert found.startswith("No two of the clocks agree: the database's clock agrees with ")
    assert "after ten minutes Discord's is followed" in remedy


async def test_a_discord_without_dates_is_no_fault(patient: Patient) -> None:
    patient.arm(path="*", date="missing")

    assert [] == (await patient.diagnosed()).faults

"""`boostmon doctor`: one fault of the log is planted, and named with its remedy."""

from collections.abc import AsyncIterator

import asyncpg
import pytest
from structlog.testing import capture_logs

from boostmon.commands.decider import Pause
from boostmon.database.checkup import reading
from boostmon.database.connections.pool import Database
from boostmon.events.timer import HOUR, TimerId
from boostmon.finding import Finding
from boostmon.projections.effects.direct_channels import DirectChannels
from boostmon.projections.effects.open_effects import OUTAGE
from boostmon.projections.effects.standings import Found, Standings
from boostmon.projections.replay import sampling
from boostmon.projections.reports import checkup
from tests.support.databases import Schema
from tests.support.patient import Patient
from tests.support.patient import patient as a_patient
from tests.support.timers import handler_over, slash


@pytest.fixture
async def patient(
    migrated: Schema, separate_bot: str, database: Database, owner: asyncpg.Connection
) -> AsyncIterator[Patient]:
    """Lend a bot in good order."""
    assert separate_bot
    async with a_patient(migrated, database, owner) as made:
        yield made


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


async def test_what_a_bot_writes_meanwhile_is_no_drift(
    patient: Patient, monkeypatch: pytest.MonkeyPatch
) -> None:
    await patient.timer()
    fold = sampling._fold  # noqa: SLF001 - between the two questions

    async def fold_and_go_on(connection: asyncpg.Connection, numbers: list[int]) -> object:
        folded = await fold(connection, numbers)
        await patient.timer()
        return folded

    monkeypatch.setattr(sampling, "_fold", fold_and_go_on)
    async with reading(patient.environ["BOOSTMON_OWNER_DATABASE_URL"], "URL") as connection:
        sample = await sampling.compare_sample(connection, 10)

    assert (1, []) == (sample.timers, sample.drifts)


async def test_a_check_that_stumbles_is_told_and_the_next_one_is_run(
    patient: Patient, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def stumble(_: object) -> list[Finding]:
        raise LookupError("nowhere")

    monkeypatch.setattr(checkup, "look_at_drift", stumble)

    with capture_logs() as logged:
        diagnosis = await patient.diagnosed()

    colour, found, remedy = diagnosis.fault
    assert ("red", 1) == (colour, diagnosis.code)
    assert "Looking at role_timers failed (LookupError: nowhere)." == found
    assert "BOOSTMON_LOG_LEVEL=debug boostmon doctor" in remedy
    assert ["role_timers"] == [line["what"] for line in logged if line["event"] == "check failed"]


async def test_what_is_stuck_comes_with_the_remedy_that_discord_asks_for(patient: Patient) -> None:
    timer = await patient.timer()
    remedy = "Move BoostMon's role above **VIP** in Server Settings → Roles."
    await patient.owner.execute("UPDATE effects SET state = 'stuck', last_error = $1", remedy)

    diagnosis = await patient.diagnosed()

    colour, found, told = diagnosis.fault
    assert ("red", 1, remedy.replace("**", "")) == (colour, diagnosis.code, told)
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


async def test_what_waits_for_a_server_with_an_outage_says_that_it_goes_on(
    patient: Patient,
) -> None:
    for _ in range(3):
        await patient.timer()
    await patient.owner.execute(
        "UPDATE effects SET due_at = now() - interval '1h', last_error = $1", OUTAGE
    )

    colour, found, remedy = (await patient.diagnosed()).fault

    assert "yellow" == colour
    assert found.startswith("Waiting for long: role to be given, 3 times since ")
    assert found.endswith(": the server has an outage.")
    assert "BoostMon goes on when Discord shows the server again" in remedy


@pytest.mark.parametrize(("seconds", "minutes"), [(3590, 60), (110, 2), (50, 1)])
async def test_direct_messages_that_discord_has_stopped_are_yellow(
    patient: Patient, seconds: int, minutes: int
) -> None:
    await DirectChannels(patient.database).close(seconds)

    colour, found, remedy = (await patient.diagnosed()).fault

    assert "yellow" == colour
    assert f"stopped for {minutes} minutes (40003)" in found
    assert "Name a channel in `/settime`" in remedy


@pytest.mark.parametrize("until", ["infinity", "2999-01-01", "tomorrow"])
async def test_direct_messages_that_nobody_of_ours_has_stopped_are_red(
    patient: Patient, until: str
) -> None:
    await patient.owner.execute("UPDATE openings SET closed_until = $1::text::timestamptz", until)

    colour, found, remedy = (await patient.diagnosed()).fault

    assert "red" == colour
    assert "stopped for more than the hour" in found
    await patient.owner.execute(remedy.removeprefix("As the owner: ").rstrip("."))
    assert [] == (await patient.diagnosed()).faults


@pytest.mark.parametrize("looks", [32767, -1, 100])
async def test_a_count_of_looks_that_is_none_is_red(patient: Patient, looks: int) -> None:
    await patient.owner.execute(
        "INSERT INTO effects (position, kind, stream_id, state, due_at, look_again_at, looks)"
        " VALUES (1, 'take_role', 1, 'done', now(), now(), $1)",
        looks,
    )

    colour, found, remedy = (await patient.diagnosed()).fault

    assert "red" == colour
    assert found.startswith("Role changes in doubt that nobody can look at")
    await patient.owner.execute(remedy.removeprefix("As the owner: ").partition(";")[0])
    assert "nobody can look at" not in (await patient.diagnosed()).text


async def test_direct_messages_are_not_spoken_of_when_the_hour_is_over(patient: Patient) -> None:
    await DirectChannels(patient.database).close(-1.0)
    assert "40003" not in (await patient.diagnosed()).text


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


@pytest.mark.parametrize("ahead", ["-1 s", "1 hour"])  # the second: before the clock went back
async def test_nobody_at_work_is_yellow(patient: Patient, ahead: str) -> None:
    await patient.owner.execute("UPDATE lease SET expires_at = now() + $1::text::interval", ahead)

    colour, found, remedy = (await patient.diagnosed()).fault

    assert ("yellow", "Start `boostmon run`.") == (colour, remedy)
    assert found.startswith("No bot is at work")


# What Discord shows otherwise than the log.


async def found(patient: Patient, timer: TimerId, what: Found) -> None:
    """Have the bot find that Discord shows a timed role otherwise than the log."""
    standings = Standings(patient.database)
    for standing in await standings.of_member(timer.guild_id, timer.user_id):
        if standing.timer == timer:
            await standings.note(standing, what)


async def test_what_is_held_back_is_red_and_to_be_decided(patient: Patient) -> None:
    timer = await patient.timer()
    await found(patient, timer, "too_many_taken")

    diagnosis = await patient.diagnosed()

    colour, text, remedy = diagnosis.fault
    assert ("red", 1) == (colour, diagnosis.code)
    assert text.startswith(f"1 timed roles went missing at once in the server {timer.guild_id}; ")
    assert remedy.startswith(f"Run `boostmon resolve-removals {timer.guild_id} --end` to end the ")
    assert "with `--restore` to give the roles back." in remedy


async def test_an_imported_role_that_nobody_holds_is_yellow(patient: Patient) -> None:
    timer = await patient.timer()
    await found(patient, timer, "import_not_held")

    diagnosis = await patient.diagnosed()

    colour, text, remedy = diagnosis.fault
    assert ("yellow", 0) == (colour, diagnosis.code)
    whose = f"member {timer.user_id} (role {timer.role_id})"
    assert f"server {timer.guild_id} whose members do not hold the role: {whose}." in text
    assert remedy.startswith("Give the role with `/addtime` or `/settime`, or end the timer with ")


async def test_of_many_imported_roles_that_nobody_holds_the_first_are_named(
    patient: Patient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("boostmon.projections.reports.checkup.MOST_SHOWN", 2)
    for role in ("VIP", "Trial", "Supporter"):
        await found(patient, await patient.timer(role), "import_not_held")

    _, text, _ = (await patient.diagnosed()).fault

    assert 2 == text.count("(role ")
    assert text.endswith(") and 1 more.")


@pytest.mark.parametrize("what", ["too_many_taken", "import_not_held"])
async def test_what_a_command_has_decided_is_no_fault_any_more(
    patient: Patient, what: Found
) -> None:
    timer = await patient.timer()
    await found(patient, timer, what)
    await handler_over(patient.database).handle(timer, Pause(0), slash())

    assert [] == (await patient.diagnosed()).faults


@pytest.mark.parametrize(
    "what", ["not_held", "left_and_returned", "held_after_end", "taken_by_hand"]
)
async def test_what_was_mended_lately_is_counted_in_green(patient: Patient, what: Found) -> None:
    await found(patient, await patient.timer(), what)

    diagnosis = await patient.diagnosed()

    said = f"Discord was found to show other roles than the log within a day, timers: {what} 1."
    assert [] == diagnosis.faults
    assert said in [text for _, text, _ in diagnosis.findings]


async def test_what_was_mended_long_ago_is_told_no_more(patient: Patient) -> None:
    await found(patient, await patient.timer(), "not_held")
    await patient.owner.execute("UPDATE differences SET found_at = found_at - interval '25 h'")

    told = [text for _, text, _ in (await patient.diagnosed()).findings]

    assert "Discord was not found to show other roles than the log within a day." in told

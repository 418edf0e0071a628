"""History: who did what to a member's timers, when, and what Discord made of it."""

import json
from collections.abc import Sequence

import asyncpg
import pytest

from boostmon.bot.wording.durations import spoken
from boostmon.cli.records.history import MOMENT, became, moment, what
from boostmon.commands.decider import (
    AddTime,
    Clear,
    Pause,
    RemoveTime,
    Resume,
    SetTime,
    Sweep,
    TimerCommand,
)
from boostmon.commands.handler import Origin
from boostmon.database.connections.pool import Database
from boostmon.errors import UnknownPersonError
from boostmon.events.timer import HOUR, MINUTE, Cleared, TimerId
from boostmon.projections.reports.history import Effect, Happening, Stand, history
from tests.cli.test_cli import boostmon
from tests.support.timers import ACTOR, CHANNEL, GUILD, ROLE, M, fresh_timer, handler_over, slash

NOW = 1_700_000_000_000
SWEEP = Origin(command_id="sweep", source="sweeper")
COMMANDS: list[tuple[TimerCommand, str, str]] = [  # with what is said of it, and of the timer after
    (SetTime(NOW, 2 * HOUR, M, CHANNEL), "set to 2 hours", "running 2 hours"),
    (AddTime(NOW, HOUR, M), "1 hour added", "running 3 hours"),
    (RemoveTime(NOW, 30 * MINUTE, M), "30 minutes removed", "running 2 hours 30 minutes"),
    (Pause(NOW + HOUR), "paused", "paused 1 hour 30 minutes"),
    (Resume(NOW + 9 * HOUR, M), "resumed", "running 1 hour 30 minutes"),
    (Sweep(NOW + 9 * HOUR + 35 * MINUTE), "warning of 60 minutes", "running 55 minutes"),
    (Clear(NOW + 10 * HOUR), "cleared", "none 0 minutes"),
    (
        AddTime(NOW + 10 * HOUR, HOUR, M, starts=True),
        "1 hour added, which started it",
        "running 1 hour",
    ),
    (RemoveTime(NOW + 10 * HOUR, 2 * HOUR, M), "2 hours removed", "running 0 minutes"),
]


@pytest.fixture
async def timer(database: Database) -> TimerId:
    """Have a timer to which everything happened."""
    made, handler = fresh_timer(), handler_over(database)
    for command, _, _ in COMMANDS:
        await handler.handle(made, command, SWEEP if isinstance(command, Sweep) else slash())
    return made


async def told(
    owner: asyncpg.Connection, user_id: str, guild_id: str | None = None, role_id: str | None = None
) -> Sequence[Happening]:
    return await history(owner, user_id, guild_id=guild_id, role_id=role_id)


def stand(stand: Stand) -> str:
    return f"{stand.state} {spoken(stand.remaining_ms)}"


async def settle(owner: asyncpg.Connection, position: int, kind: str, **columns: object) -> None:
    sets = ", ".join(f"{name} = ${number}" for number, name in enumerate(columns, start=1))
    await owner.execute(
        f"UPDATE effects SET {sets} WHERE position = {position} AND kind = '{kind}'",  # noqa: S608 - of this file
        *columns.values(),
    )


async def test_each_event_is_told_with_the_timer_before_and_after_it(
    owner: asyncpg.Connection, timer: TimerId
) -> None:
    happenings = await told(owner, timer.user_id)

    expected = [(said, after) for _, said, after in COMMANDS] + [("ended", "none 0 minutes")]
    assert expected == [(what(h.event), stand(h.after)) for h in happenings if h.event]
    assert [h.after.state for h in happenings[:-1]] == [h.before.state for h in happenings[1:]]
    assert list(range(1, 11)) == [h.version for h in happenings]


async def test_who_did_it_is_a_person_or_a_source(
    owner: asyncpg.Connection, timer: TimerId
) -> None:
    happenings = await told(owner, timer.user_id)

    assert [(ACTOR, "slash")] * 5 == [(h.actor_id, h.source) for h in happenings[:5]]
    assert (None, "sweeper") == (happenings[5].actor_id, happenings[5].source)


async def test_only_one_server_or_role_is_told_when_asked(
    owner: asyncpg.Connection, database: Database, timer: TimerId
) -> None:
    other = TimerId("1400000000000000001", timer.user_id, "1400000000000000002")
    await handler_over(database).handle(other, SetTime(NOW, HOUR, M), slash())

    assert 11 == len(await told(owner, timer.user_id))
    assert [other] == [h.timer for h in await told(owner, timer.user_id, other.guild_id)]
    assert [other] == [h.timer for h in await told(owner, timer.user_id, None, other.role_id)]
    assert 10 == len(await told(owner, timer.user_id, GUILD, ROLE))
    assert [] == await told(owner, timer.user_id, GUILD, other.role_id)


async def test_what_became_of_it_in_discord_is_told_with_the_remedy(
    owner: asyncpg.Connection, timer: TimerId
) -> None:
    await settle(owner, 1, "give_role", state="done", receipt="{}")
    await settle(owner, 2, "give_role", state="stuck", last_error="Move the role.")
    await settle(owner, 5, "give_role", last_error="Discord did not answer")
    receipt = json.dumps({"channel_id": CHANNEL, "message_id": "5"})
    await settle(owner, 6, "notice", state="done", receipt=receipt)
    await settle(owner, 7, "take_role", state="done", receipt='{"reason": "the role was deleted"}')
    await settle(owner, 8, "give_role", state="superseded")
    await settle(owner, 10, "notice", state="done", receipt='{"channel_id": "9"}')

    happenings = await told(owner, timer.user_id)
    assert [None, CHANNEL] == [happenings[n].notice_channel_id for n in (0, 5)]
    assert [
        ["role given"],
        ["role to be given, stuck: Move the role."],
        [],
        [],
        ["role to be given: Discord did not answer"],
        [f"told in channel {CHANNEL}"],
        ["role not taken: the role was deleted"],
        ["role to be given: overtaken by a later change"],
        [],
        ["role to be taken", "told by direct message"],
    ] == [[became(effect, h) for effect in h.effects] for h in happenings]


async def test_who_is_not_known_is_said_to_be_unknown(owner: asyncpg.Connection) -> None:
    with pytest.raises(UnknownPersonError, match="knows no person 17: "):
        await told(owner, "17")


@pytest.mark.usefixtures("timer")
async def test_who_only_gave_commands_has_an_empty_history(owner: asyncpg.Connection) -> None:
    assert [] == await told(owner, ACTOR)


async def test_nothing_is_written_by_a_history(owner: asyncpg.Connection, timer: TimerId) -> None:
    await owner.execute("SET default_transaction_read_only = on")  # as on a standby

    assert 10 == len(await told(owner, timer.user_id))


def test_each_reason_for_clearing_has_words_of_its_own() -> None:
    cleared = [
        Cleared(0, 0),
        Cleared(0, 0, "role_deleted"),
        Cleared(0, 0, "taken_by_hand"),
        Cleared(0, 0, "erased"),
    ]

    assert 4 == len({what(event) for event in cleared})


def test_a_notice_that_nothing_came_of_is_told_with_the_reason() -> None:
    effect = Effect(
        kind="notice",
        state="done",
        attempts=1,
        done_at=None,
        last_error=None,
        receipt={"reason": "the member takes no direct messages"},
    )

    assert "the member takes no direct messages" == effect.reason
    assert effect.channel_id is None


# The command line.


async def test_the_table_has_every_event_and_no_server_when_there_is_one(
    owner: asyncpg.Connection, owner_url: str, timer: TimerId
) -> None:
    await settle(owner, 2, "give_role", state="stuck", last_error="Move [bold]it[/bold].")

    outcome = await boostmon("history", timer.user_id, DATABASE_URL=owner_url)

    assert 0 == outcome.code
    for _, said, _ in COMMANDS:
        assert said in outcome.out
    assert "none → ends 2023-11-15 00:13, 2 hours left" in outcome.out
    assert "paused, 1 hour 30 minutes left → ends 2023-11-15 08:43" in outcome.out
    assert "2 hours left (at 2023-11-14 22:13:20)" in outcome.out
    assert "stuck: Move [bold]it[/bold]." in outcome.out
    assert "server" not in outcome.out
    assert GUILD not in outcome.out


async def test_the_servers_are_told_when_there_are_several(
    database: Database, owner_url: str, timer: TimerId
) -> None:
    other = TimerId("1400000000000000001", timer.user_id, "1400000000000000002")
    await handler_over(database).handle(other, SetTime(NOW, HOUR, M), slash())

    outcome = await boostmon("history", timer.user_id, DATABASE_URL=owner_url)

    assert GUILD in outcome.out
    assert other.guild_id in outcome.out


async def test_a_script_gets_json(owner_url: str, timer: TimerId) -> None:
    arguments = ["history", timer.user_id, "--guild", GUILD, "--role", ROLE, "--json"]
    outcome = await boostmon(*arguments, DATABASE_URL=owner_url)

    first, *rest = json.loads(outcome.out)
    assert 9 == len(rest)
    assert "TimerSet" == first["event"]["type"]
    assert {"state": "none", "expires_at": None, "remaining_ms": 0} == first["before"]
    assert {"state": "running", "expires_at": NOW + 2 * HOUR, "remaining_ms": 2 * HOUR} == first[
        "after"
    ]
    assert "owed" == first["effects"][0]["state"]
    assert timer.user_id == first["timer"]["user_id"]


async def test_an_event_recorded_as_it_happened_has_one_time(
    database: Database, owner: asyncpg.Connection, owner_url: str
) -> None:
    now = await owner.fetchval("SELECT (extract(epoch FROM clock_timestamp()) * 1000)::bigint")
    timer = fresh_timer()
    await handler_over(database).handle(timer, SetTime(now, HOUR, M), slash())

    outcome = await boostmon("history", timer.user_id, DATABASE_URL=owner_url)

    assert "1 hour left" in outcome.out
    assert "(at " not in outcome.out


def test_a_time_that_no_calendar_has_is_shown_as_it_is() -> None:
    assert "10000000000000000 ms" == moment(10**16, MOMENT)
    assert "2023-11-14 22:13" == moment(NOW, MOMENT)


@pytest.mark.usefixtures("timer")
async def test_an_unknown_person_is_a_sentence_and_an_empty_history_says_so(
    owner_url: str,
) -> None:
    unknown = await boostmon("history", "17", DATABASE_URL=owner_url)
    empty = await boostmon("history", ACTOR, "--role", ROLE, DATABASE_URL=owner_url)

    assert unknown.sentence.startswith("BoostMon knows no person 17")
    assert f"nothing happened to a timer of {ACTOR} for role {ROLE}\n" == empty.out


@pytest.mark.parametrize("arguments", [["max"], ["17", "--guild", "x"], ["17", "--role", "0"], []])
async def test_what_is_no_id_is_wrong_usage(arguments: list[str]) -> None:
    assert 2 == (await boostmon("history", *arguments)).code

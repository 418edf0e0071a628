"""Stats: what was done to timers, by day and by role, and what is stuck."""

import json
from datetime import date

import asyncpg
import pytest

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
from boostmon.events.timer import DAY, HOUR, MINUTE, TimerId
from boostmon.projections.reports.stats import Counts, OfRole, Stats, stats
from tests.cli.test_cli import boostmon
from tests.support.timers import GUILD, ROLE, M, fresh_timer, handler_over, slash

NOW = 1_700_000_000_000
OTHER_GUILD, OTHER_ROLE = "1400000000000000001", "1400000000000000002"
REMEDY = "Move BoostMon's role above **VIP** in Server Settings → Roles."
# Of one timer: a life of 3 hours with a pause and a second setting, then one of 1 hour.
LIVES: list[TimerCommand] = [
    SetTime(NOW, 2 * HOUR, M),
    AddTime(NOW, HOUR, M),
    Pause(NOW + HOUR),
    Resume(NOW + 2 * HOUR, M),
    SetTime(NOW + 2 * HOUR, 5 * HOUR, M),
    Clear(NOW + 3 * HOUR),
    AddTime(NOW + 9 * HOUR, HOUR, M, starts=True),
    RemoveTime(NOW + 10 * HOUR, 2 * HOUR, M),  # to nothing: it ends
]


async def give(database: Database, timer: TimerId, *commands: TimerCommand) -> TimerId:
    for command in commands:
        await handler_over(database).handle(timer, command, slash())
    return timer


async def recorded(owner: asyncpg.Connection, timer: TimerId, days_ago: int) -> None:
    """Have the events of *timer* recorded earlier; the chain, which this breaks, is not asked."""
    await owner.execute("ALTER TABLE events DISABLE TRIGGER ALL")
    await owner.execute(
        "UPDATE events SET recorded_at = now() - $1::int * interval '1 day' FROM streams"
        " JOIN people USING (person_id)"
        " WHERE streams.stream_id = events.stream_id AND user_id = $2",
        days_ago,
        timer.user_id,
    )
    await owner.execute("ALTER TABLE events ENABLE ALWAYS TRIGGER events_are_append_only")


async def stuck(owner: asyncpg.Connection) -> None:
    await owner.execute("UPDATE effects SET state = 'stuck', last_error = $1", REMEDY)


async def of_role(owner: asyncpg.Connection, role_id: str) -> OfRole:
    found = await stats(owner, 30)
    (role,) = [role for role in found.roles if role.role_id == role_id]
    return role


async def test_what_was_done_is_counted(owner: asyncpg.Connection, database: Database) -> None:
    await give(database, fresh_timer(), *LIVES)

    found = await stats(owner, 30)

    expected = Counts(set=3, renewed=2, extended=1, paused=1, ended=2, median_ms=2 * HOUR)
    assert expected == found.total


async def test_the_first_setting_of_a_member_for_a_role_is_no_renewal(
    owner: asyncpg.Connection, database: Database
) -> None:
    first = await give(database, fresh_timer(), SetTime(NOW, HOUR, M))
    again = TimerId(GUILD, first.user_id, OTHER_ROLE)
    await give(database, again, SetTime(NOW, HOUR, M))
    await give(database, fresh_timer(), SetTime(NOW, HOUR, M))

    assert (3, 0) == ((await stats(owner, 30)).total.set, (await stats(owner, 30)).total.renewed)


@pytest.mark.parametrize(
    "between", [[], [Clear(NOW + 1)], [RemoveTime(NOW + 1, DAY, M)], [Pause(NOW + 1)]]
)
async def test_setting_it_again_is_a_renewal_whether_it_has_ended_or_not(
    owner: asyncpg.Connection, database: Database, between: list[TimerCommand]
) -> None:
    await give(database, fresh_timer(), SetTime(NOW, HOUR, M), *between, SetTime(NOW + 2, HOUR, M))

    assert 1 == (await stats(owner, 30)).total.renewed


async def test_the_median_is_that_of_the_lives_that_ended(
    owner: asyncpg.Connection, database: Database
) -> None:
    for minutes in (10, 20, 90):
        ends = Clear(NOW + minutes * MINUTE)
        await give(database, fresh_timer(), SetTime(NOW, 2 * HOUR, M), ends)
    await give(database, fresh_timer(), SetTime(NOW, DAY, M))
    await give(database, fresh_timer(OTHER_ROLE), SetTime(NOW, HOUR, M), Clear(NOW + HOUR))

    assert 20 * MINUTE == (await of_role(owner, ROLE)).median_ms
    assert HOUR == (await of_role(owner, OTHER_ROLE)).median_ms
    assert 40 * MINUTE == (await stats(owner, 30)).total.median_ms


async def test_a_life_that_began_before_the_period_has_its_whole_length(
    owner: asyncpg.Connection, database: Database
) -> None:
    timer = await give(database, fresh_timer(), SetTime(NOW, DAY, M), Clear(NOW + 1))
    await give(database, timer, SetTime(NOW + HOUR, DAY, M))
    await recorded(owner, timer, days_ago=5)
    await give(database, timer, Clear(NOW + 4 * HOUR))

    found = await stats(owner, 1)

    assert Counts(ended=1, median_ms=3 * HOUR) == found.total


async def test_each_day_is_counted_for_itself_and_older_ones_are_left_out(
    owner: asyncpg.Connection, database: Database
) -> None:
    today: date = await owner.fetchval("SELECT (now() AT TIME ZONE 'UTC')::date")
    for days_ago, timers in ((0, 1), (1, 2), (29, 3), (30, 4)):
        for _ in range(timers):
            timer = await give(database, fresh_timer(), SetTime(NOW, HOUR, M))
            await recorded(owner, timer, days_ago)

    found = await stats(owner, 30)

    assert [(29, 3), (1, 2), (0, 1)] == [((today - day.day).days, day.set) for day in found.days]
    assert 6 == found.total.set
    assert [1] == [day.set for day in (await stats(owner, 1)).days]


async def test_only_one_server_or_role_is_counted_when_asked(
    owner: asyncpg.Connection, database: Database
) -> None:
    here, there = fresh_timer(), fresh_timer(OTHER_ROLE, OTHER_GUILD)
    for timer in (here, there):
        await give(database, timer, SetTime(NOW, HOUR, M), Clear(NOW + MINUTE))
    await give(database, fresh_timer(), SetTime(NOW, HOUR, M), Pause(NOW + MINUTE))
    elsewhere = await give(database, fresh_timer(OTHER_ROLE, OTHER_GUILD), SetTime(NOW, HOUR, M))
    await recorded(owner, elsewhere, days_ago=40)  # so that it is counted among those of now only
    await stuck(owner)

    both = await stats(owner, 30)
    of_guild = await stats(owner, 30, guild_id=OTHER_GUILD)
    of_role = await stats(owner, 30, role_id=ROLE)

    assert ([ROLE, OTHER_ROLE], 3) == ([r.role_id for r in both.roles], both.total.set)
    for found, role, timers in ((of_guild, OTHER_ROLE, 1), (of_role, ROLE, 2)):
        assert timers == found.total.set == found.days[0].set
        assert [role] == [r.role_id for r in found.roles]
        assert {role} == {effects.role_id for effects in found.stuck}


async def test_a_role_has_the_timers_of_now_also_when_nothing_was_done_lately(
    owner: asyncpg.Connection, database: Database
) -> None:
    running = await give(database, fresh_timer(), SetTime(NOW, HOUR, M))
    paused = await give(database, fresh_timer(), SetTime(NOW, HOUR, M), Pause(NOW + 1))
    for timer in (running, paused):
        await recorded(owner, timer, days_ago=40)

    found = await stats(owner, 30)

    assert [OfRole(guild_id=GUILD, role_id=ROLE, running=1, on_hold=1)] == found.roles
    assert ([], Counts()) == (found.days, found.total)


async def test_what_is_stuck_comes_with_the_remedy_and_what_waits_is_not_called_stuck(
    owner: asyncpg.Connection, database: Database
) -> None:
    for _ in range(2):
        await give(database, fresh_timer(), SetTime(NOW, HOUR, M))
    await stuck(owner)
    await give(database, fresh_timer(), SetTime(NOW, HOUR, M))

    (effects,) = (await stats(owner, 30)).stuck

    assert (2, "give_role", REMEDY) == (effects.count, effects.kind, effects.reason)


async def test_nothing_is_written_by_stats(owner: asyncpg.Connection, database: Database) -> None:
    await give(database, fresh_timer(), *LIVES)
    await owner.execute("SET default_transaction_read_only = on")  # as on a standby

    assert 3 == (await stats(owner, 30)).total.set


async def test_a_sweep_ends_a_timer_as_a_command_does(
    owner: asyncpg.Connection, database: Database
) -> None:
    timer = await give(database, fresh_timer(), SetTime(NOW, HOUR, M))
    origin = Origin(command_id="sweep", source="sweeper")
    await handler_over(database).handle(timer, Sweep(NOW + HOUR), origin)

    assert 1 == (await stats(owner, 30)).total.ended


# The command line.


async def test_the_tables_show_days_and_roles_and_what_is_stuck(
    owner: asyncpg.Connection, database: Database, owner_url: str
) -> None:
    await give(database, fresh_timer(), *LIVES)
    await owner.execute(
        "UPDATE effects SET state = 'stuck', last_error = $1 WHERE kind = 'give_role'", REMEDY
    )

    outcome = await boostmon("stats", DATABASE_URL=owner_url)

    assert 0 == outcome.code
    (by_role,) = [line for line in outcome.out.splitlines() if f"{ROLE} │" in line]
    cells = [cell.strip() for cell in by_role.split("│")[1:-1]]
    assert [GUILD, ROLE, "0", "0", "3", "2", "1", "1", "2", "2 hours"] == cells
    assert "│ all " in outcome.out
    assert f"role {ROLE}: Move BoostMon's role above VIP in Server Settings" in outcome.out
    assert "stuck: role to be given, 5 times since " in outcome.out


async def test_a_script_gets_the_stats_as_json(
    database: Database, owner: asyncpg.Connection, owner_url: str
) -> None:
    await give(database, fresh_timer(), *LIVES)

    options = ["--days", "1", "--guild", GUILD, "--role", ROLE]
    outcome = await boostmon("stats", *options, "--json", DATABASE_URL=owner_url)

    shown = json.loads(outcome.out)
    assert set(Stats.__struct_fields__) == set(shown)
    assert {"set": 3, "renewed": 2, "median_ms": 2 * HOUR}.items() <= shown["total"].items()
    today = await owner.fetchval("SELECT (now() AT TIME ZONE 'UTC')::date")
    assert [str(today)] == [day["day"] for day in shown["days"]]


async def test_an_empty_log_is_said_to_be_so(owner_url: str) -> None:
    outcome = await boostmon("stats", DATABASE_URL=owner_url)

    assert outcome.out.startswith("nothing was done to a timer since 20")


@pytest.mark.parametrize("options", [["--days", "0"], ["--days", "x"], ["--guild", "x"], ["17"]])
async def test_stats_refuse_what_they_cannot_read_as_wrong_usage(options: list[str]) -> None:
    assert 2 == (await boostmon("stats", *options)).code

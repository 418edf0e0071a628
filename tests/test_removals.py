"""`boostmon resolve-removals`: what was held back is decided for a whole server at once."""

import asyncpg
import pytest

from boostmon.commands.decider import Pause, SetTime
from boostmon.database.pool import Database
from boostmon.events.timer import HOUR, TimerId
from boostmon.projections.standings import Standings
from tests.test_cli import boostmon
from tests.timers import GUILD, M, fresh_timer, handler_over, slash


async def held_back(owner: asyncpg.Connection, database: Database, count: int) -> list[TimerId]:
    """Make timers whose roles were given, and are held back."""
    timers = [fresh_timer() for _ in range(count)]
    for timer in timers:
        await handler_over(database).handle(timer, SetTime(0, HOUR, M), slash())
    await owner.execute("UPDATE effects SET state = 'done', receipt = '{}', done_at = now()")
    standings = Standings(database)
    for timer in timers:
        for standing in await standings.of_member(GUILD, timer.user_id):
            await standings.note(standing, "too_many_taken")
    return timers


@pytest.mark.parametrize(
    ("what", "owed", "said"),
    [
        ("--end", ["take_role"] * 2, "2 timers ended"),
        ("--restore", ["give_role"] * 2, "2 roles will be given back"),
    ],
)
async def test_what_was_held_back_is_ended_or_restored(
    owner: asyncpg.Connection,
    database: Database,
    owner_url: str,
    *,
    what: str,
    owed: list[str],
    said: str,
) -> None:
    await held_back(owner, database, 2)

    outcome = await boostmon("resolve-removals", GUILD, what, DATABASE_URL=owner_url)

    assert (0, said) == (outcome.code, outcome.out.strip())
    ended = await owner.fetchval("SELECT count(*) FROM event_log WHERE type = 'Cleared'")
    assert owed.count("take_role") == ended
    open_ones = await owner.fetch("SELECT kind FROM effects WHERE state = 'owed'")
    assert owed == [row["kind"] for row in open_ones]
    assert [] == await Standings(database).undecided()


async def test_a_command_on_a_timer_lifts_its_hold(
    owner: asyncpg.Connection, database: Database
) -> None:
    first, second = await held_back(owner, database, 2)

    await handler_over(database).handle(first, Pause(5), slash())

    assert [second] == [each.timer for each in await Standings(database).undecided()]
    (standing,) = await Standings(database).of_member(GUILD, first.user_id)
    assert not standing.held_back


async def test_a_warning_of_the_sweeper_lifts_no_hold(
    owner: asyncpg.Connection, database: Database
) -> None:
    (timer,) = await held_back(owner, database, 1)
    await owner.execute("ALTER TABLE events DISABLE TRIGGER events_are_append_only")
    await handler_over(database).handle(timer, Pause(5), slash())
    await owner.execute("UPDATE events SET source = 'sweeper' WHERE version = 2")

    assert [timer] == [each.timer for each in await Standings(database).undecided()]


async def test_without_saying_what_nothing_is_decided() -> None:
    outcome = await boostmon("resolve-removals", GUILD)

    assert 2 == outcome.code
    assert "--end or --restore" in outcome.err

"""What a server is owed that has invited the bot again: its notices may be too old to be sent."""

import asyncpg
import pytest

from boostmon.commands.decider import SetTime, Sweep
from boostmon.commands.handler import Origin
from boostmon.database.connections.pool import Database
from boostmon.events.timer import HOUR
from boostmon.projections.effects.observed import Observed
from boostmon.projections.effects.queue import OwedEffects
from tests.support.timers import CHANNEL, GUILD, fresh_timer, handler_over, slash

NOW = 1_700_000_000_000
NOTICE = "SELECT state, receipt ->> 'reason' FROM effects WHERE kind = 'notice'"
OLD = "more than an hour old when BoostMon was back"


@pytest.fixture
async def notice(database: Database, owner: asyncpg.Connection) -> int:
    """Owe a notice that was decided at `NOW`; return its event's position."""
    timer, handler = fresh_timer(), handler_over(database)
    await handler.handle(timer, SetTime(NOW - HOUR, HOUR, (), CHANNEL), slash())
    await handler.handle(timer, Sweep(NOW), Origin(command_id="sweep", source="sweeper"))
    position: int = await owner.fetchval("SELECT position FROM effects WHERE kind = 'notice'")
    return position


@pytest.mark.parametrize(
    ("now", "expected"),
    [
        (NOW + HOUR, ("owed", None)),
        (NOW + HOUR + 1, ("done", OLD)),
        (None, ("owed", None)),  # the clocks disagree: nobody knows how old it is
    ],
)
@pytest.mark.usefixtures("notice")
async def test_a_notice_of_more_than_an_hour_of_timer_time_is_not_sent_any_more(
    database: Database, owner: asyncpg.Connection, now: int | None, expected: tuple[str, str | None]
) -> None:
    await Observed(database).bot_returned(GUILD, now=now)

    assert expected == tuple(await owner.fetchrow(NOTICE))


@pytest.mark.usefixtures("notice")
async def test_what_the_database_says_of_the_time_makes_no_notice_old(
    database: Database, owner: asyncpg.Connection
) -> None:
    await owner.execute("ALTER TABLE events DISABLE TRIGGER events_are_append_only")
    await owner.execute("UPDATE events SET recorded_at = recorded_at - interval '1 year'")

    await Observed(database).bot_returned(GUILD, now=NOW + 1)

    assert ("owed", None) == tuple(await owner.fetchrow(NOTICE))


async def test_an_old_notice_that_may_have_been_sent_is_not_said_to_be_unsent(
    database: Database, owner: asyncpg.Connection, notice: int
) -> None:
    effect = await OwedEffects(database).find(notice, "notice")
    assert effect is not None
    assert await OwedEffects(database).attempting(effect, role_name="VIP")

    await Observed(database).bot_returned(GUILD, now=NOW + 2 * HOUR)

    assert ("done", f"an attempt may have sent it; {OLD}") == tuple(await owner.fetchrow(NOTICE))

"""What the bot hears of Discord's clock, and what it refuses while the clocks disagree."""

import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from email.utils import formatdate

import pytest
from aiohttp import web

from boostmon import machine
from boostmon.bot.discord import answer_dates
from boostmon.bot.discord.answer_dates import made_at, second_of
from boostmon.commands.decider import SetTime
from boostmon.database.clocks.agreed_clock import AgreedClock
from boostmon.database.clocks.witnesses import NAMES
from boostmon.database.connections.connection import session
from boostmon.database.connections.pool import Database, connect
from boostmon.database.schema.migrate import migrate
from boostmon.sandbox.core import responses
from tests.database.test_agreed_clock import World, followed
from tests.support.databases import TestServer, six_hours_behind
from tests.support.process import at_work
from tests.support.sandbox_client import sandbox as a_sandbox
from tests.support.timers import M, fresh_timer, handler_over, slash
from tests.support.town import Town
from tests.support.town import town as a_town

HOUR = 3600.0
SENTENCE = "BoostMon's clocks disagree, so no end can be told; try again in ten minutes."
REFUSED = {
    "settime": {"user": "max", "role": "VIP", "duration": "1h"},
    "addtime": {"user": "vera", "duration": "1h"},
    "removetime": {"user": "vera", "duration": "1m"},
    "pausetime": {"user": "vera"},
    "resumetime": {"user": "vera"},
}


class Dates:
    """The header Date of the sandbox's answers: *ahead* seconds wrong, or None."""

    def __init__(self, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
        self.world = world
        self.ahead: float | None = 0.0
        monkeypatch.setattr(responses, "date", self.dated)

    def dated(self, response: web.Response, *_: object) -> web.Response:
        if self.ahead is None:
            response.headers["Date"] = "at tea-time"
        else:
            moment = self.world.now + self.ahead
            response.headers["Date"] = formatdate(moment, usegmt=True)
        return response


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> World:
    """Lend a world whose clocks are right."""
    return World(monkeypatch)


@pytest.fixture
def dates(world: World, monkeypatch: pytest.MonkeyPatch) -> Dates:
    """Lend what the sandbox says of the time."""
    return Dates(world, monkeypatch)


@pytest.fixture
def clock() -> AgreedClock:
    """Lend a clock over a database on this machine."""
    return AgreedClock(one_witness=True)


@pytest.fixture
async def town(database: Database, owner_url: str, clock: AgreedClock) -> AsyncIterator[Town]:
    """Lend a town whose bot compares its clocks."""
    async with a_town(database, owner_url, clock=clock) as made:
        yield made


async def refused(town: Town, command: str) -> str | None:
    """Give a command; return the refusal, None when it was carried out."""
    record = await town.say("olga", command, **REFUSED[command])
    shown = record["followups"] or [record["message"]]
    return str(shown[0]["content"]) or None


async def test_discord_is_heard_before_the_first_command(town: Town, clock: AgreedClock) -> None:
    assert town.guild
    assert clock.judgement is not None
    assert abs(clock.judgement.ahead("discord")) < 1.5
    assert ("database", True) == (followed(clock), clock.trusted)


async def test_while_clocks_disagree_what_computes_an_end_is_refused_and_the_rest_works(
    town: Town, clock: AgreedClock, world: World
) -> None:
    await town.say("olga", "settime", user="vera", role="VIP", duration="2h")
    world.set(host=2 * HOUR, database=2 * HOUR)
    await clock.measure(town.database)
    assert not clock.trusted

    assert dict.fromkeys(REFUSED, SENTENCE) == {name: await refused(town, name) for name in REFUSED}
    left = await town.say("olga", "timeleft", user="vera")
    assert "VIP" in left["message"]["embeds"][0]["fields"][0]["name"]
    cleared = await town.say("olga", "cleartime", user="vera")
    assert "Timed Role Cleared" == cleared["message"]["embeds"][0]["title"]
    assert ["TimerSet", "Cleared"] == await town.events()

    world.set(host=0.0, database=0.0)
    await clock.measure(town.database)
    assert await refused(town, "settime") is None


async def test_a_choice_from_a_menu_is_judged_by_the_clocks_of_its_moment(
    town: Town, clock: AgreedClock, world: World
) -> None:
    for role in ("VIP", "Trial"):
        await town.say("olga", "settime", user="vera", role=role, duration="2h")
    asked = await town.say("olga", "pausetime", user="vera")
    world.set(host=2 * HOUR, database=2 * HOUR)
    await clock.measure(town.database)

    chosen = await town.reply(await town.choose("olga", asked["message"], "VIP"))

    assert SENTENCE == (chosen["followups"] or [chosen["message"]])[0]["content"]
    assert "Paused" not in await town.events()


@pytest.mark.parametrize("wrong", [-6 * HOUR, 2 * HOUR])
@pytest.mark.usefixtures("dates")
async def test_a_clock_that_is_wrong_at_the_start_starts_and_ends_nothing(
    database: Database, owner_url: str, clock: AgreedClock, world: World, wrong: float
) -> None:
    hour = SetTime(round(world.now * 1000), round(HOUR * 1000), M)
    await handler_over(database).handle(fresh_timer(), hour, slash())
    world.set(host=wrong, database=wrong)
    async with a_town(database, owner_url, clock=clock) as town:
        assert not clock.trusted
        assert SENTENCE == await refused(town, "settime")
        world.let_pass(601)
        await clock.measure(database)
        assert ("discord", True) == (followed(clock), world.is_right(clock))
        assert await refused(town, "settime") is None

        assert ["TimerSet", "TimerSet"] == await town.events()


async def test_a_process_over_a_database_that_is_hours_off_ends_timers_when_they_should(
    server: TestServer,
) -> None:
    async with AsyncExitStack() as stack:
        url = await stack.enter_async_context(six_hours_behind(server))
        owner = await stack.enter_async_context(session(url))
        await migrate(owner)
        database = await stack.enter_async_context(await connect(url))
        bot = await stack.enter_async_context(at_work(database, url))
        began = time.time()
        await bot.town.say("olga", "settime", user="max", role="VIP", duration="1h")
        ends = await owner.fetchval("SELECT expires_at FROM role_timers")
        followed = {
            name: await bot.pages.value("boostmon_clock_followed", clock=name) for name in NAMES
        }
        ahead = await bot.pages.value("boostmon_clock_ahead_seconds", clock="database")

    assert began + HOUR - 1 < ends / 1000 < began + HOUR + 10
    assert {"database": 0, "host": 1, "discord": 0} == followed
    assert ahead == pytest.approx(-6 * HOUR, abs=2)


@pytest.mark.parametrize("ahead", [None, -3 * HOUR, 3 * HOUR])
async def test_a_date_that_is_wrong_or_missing_is_outvoted(
    database: Database, owner_url: str, world: World, dates: Dates, ahead: float | None
) -> None:
    dates.ahead = ahead
    clock = AgreedClock(one_witness=False)
    async with a_town(database, owner_url, clock=clock) as town:
        assert ("database", world.is_right(clock)) == (followed(clock), True)
        assert await refused(town, "settime") is None


async def test_a_discord_that_does_not_tell_the_time_is_not_waited_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(answer_dates, "PATIENCE", 0.1)
    async with a_sandbox() as client:
        monkeypatch.setattr("disnake.http.Route.BASE", client.sandbox.api)
        await client.sim("fault", {"path": "/gateway", "hang": 5.0, "times": 1})
        began = machine.monotonic()

        await answer_dates._asking(client.http)()  # noqa: SLF001 - it fails quietly

    assert machine.monotonic() - began < 2.0


def test_an_id_tells_when_it_was_made() -> None:
    assert 1462015105796 == made_at(175928847299117063)  # the example of Discord's reference


@pytest.mark.parametrize(
    ("header", "second"),
    [
        ("Mon, 30 Nov 2026 12:00:01 GMT", datetime(2026, 11, 30, 12, 0, 1, tzinfo=UTC)),
        ("Mon, 30 Nov 2026 12:00:01 +0100", datetime(2026, 11, 30, 11, 0, 1, tzinfo=UTC)),
        ("soon", None),
        ("", None),
        ("Mon, 30 Nov 99999 12:00:01 GMT", None),
        (None, None),
    ],
)
def test_a_date_is_read_if_it_can_be(header: str | None, second: datetime | None) -> None:
    headers = {} if header is None else {"Date": header}

    assert (None if second is None else second.timestamp()) == second_of(headers)

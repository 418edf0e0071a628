"""The metrics of a process: what is counted, under which labels."""

import asyncio
from typing import Any, get_args

import pytest
from disnake.ext import commands
from structlog.testing import capture_logs
from yarl import URL

from boostmon.bot.app import Surroundings
from boostmon.bot.discord.refusals import Directly, Final, Later, Passing, Stuck
from boostmon.bot.records.given import Given
from boostmon.bot.records.metrics import APPEND_OUTCOMES, Metrics
from boostmon.bot.records.outcomes import (
    COMMANDS,
    Came,
    CommandOutcome,
    StoppedError,
    came_of_effect,
    came_of_error,
)
from boostmon.bot.records.requests import route_of
from boostmon.bot.records.tally import Tally
from boostmon.bot.slash.cog import TimerCog
from boostmon.commands.decider import AddTime, SetTime
from boostmon.commands.handler import CommandHandler, Handled
from boostmon.commands.sweeper import Sweeper
from boostmon.database.connections.pool import Database
from boostmon.errors import (
    BoostmonError,
    ConcurrencyError,
    DatabaseUnavailableError,
    TimerNotFoundError,
)
from boostmon.events.append import Outcome
from boostmon.events.store import EventStore
from boostmon.events.timer import HOUR, MINUTE, Expired, TimerId, WarningSent
from boostmon.projections.effects.kinds import Effects
from boostmon.projections.effects.standings import UNDECIDED, Found
from boostmon.projections.role_timers import RoleTimers
from tests.commands.test_handler import StillClock
from tests.support.standing import standing
from tests.support.timers import M, fresh_timer, handler_over, slash

API = "https://discord.com/api/v10"
TIMER = TimerId("1", "2", "3")
GIVEN = Given(name="addtime", command_id="4", guild_id="1", by="5", user_id="2")


def value(metrics: Metrics, name: str, **labels: str) -> float | None:
    return metrics.registry.get_sample_value(name, labels)


@pytest.fixture
def metrics() -> Metrics:
    """Lend the metrics of one process."""
    return Metrics()


def test_two_processes_in_one_count_apart(metrics: Metrics) -> None:
    Tally(metrics).swept(0.5)

    assert 1 == value(metrics, "boostmon_sweep_duration_seconds_count")
    assert 0 == value(Metrics(), "boostmon_sweep_duration_seconds_count")


def test_the_commands_are_those_that_the_bot_has() -> None:
    found = [v for v in vars(TimerCog).values() if isinstance(v, commands.InvokableSlashCommand)]

    assert set(COMMANDS) == {command.name for command in found}


def test_every_outcome_of_an_append_has_its_label() -> None:
    assert {kind.__name__.lower() for kind in get_args(Outcome)} == set(APPEND_OUTCOMES)


def test_a_command_is_counted_and_told_in_one_line(metrics: Metrics) -> None:
    with capture_logs() as lines:
        Tally(metrics).command(GIVEN, Came("recorded", TIMER, 7), 0.25)

    assert 1 == value(metrics, "boostmon_commands_total", command="addtime", outcome="recorded")
    assert 0.25 == value(metrics, "boostmon_command_duration_seconds_sum", command="addtime")
    assert lines == [
        {
            "event": "command",
            "log_level": "info",
            "name": "addtime",
            "outcome": "recorded",
            "guild": "1",
            "user": "2",
            "role": "3",
            "by": "5",
            "command_id": "4",
            "position": 7,
            "duration_ms": 250.0,
        }
    ]


def test_what_is_not_known_of_a_command_is_left_out(metrics: Metrics) -> None:
    with capture_logs() as lines:
        Tally(metrics).command(GIVEN, Came("refused"), 0.25)

    assert {"role", "position"}.isdisjoint(lines[0])


@pytest.mark.parametrize(
    ("error", "outcome"),
    [
        (TimerNotFoundError(), "refused"),
        (DatabaseUnavailableError(), "unavailable"),
        (StoppedError(), "stopped"),
        (ConcurrencyError(), "failed"),
    ],
)
def test_an_error_has_its_outcome(error: BoostmonError, outcome: CommandOutcome) -> None:
    assert Came(outcome) == came_of_error(error)


@pytest.mark.parametrize(
    ("verdict", "outcome"),
    [
        ({"message_id": "9"}, ("done", None)),
        (Final("left"), ("closed", "left")),
        (Stuck("Move it."), ("stuck", "Move it.")),
        (Passing("500"), ("passing", "500")),
        (Directly("closed"), ("redirected", "closed")),
        (Later(3.0), ("later", None)),
    ],
)
def test_a_verdict_has_its_outcome(verdict: Any, outcome: tuple[str, str | None]) -> None:
    assert outcome == came_of_effect(verdict)


@pytest.mark.parametrize(
    ("event", "label"), [(WarningSent(1, 10, 2), "warning"), (Expired(1), "expiry")]
)
def test_what_is_early_by_a_hair_is_not_late(metrics: Metrics, event: Any, label: str) -> None:
    tally = Tally(metrics)
    tally.recorded(event, 4.0)
    tally.recorded(event, -0.1)

    assert 4.0 == value(metrics, "boostmon_lateness_seconds_sum", event=label)
    assert 2 == value(metrics, "boostmon_lateness_seconds_count", event=label)


ROUTES = {
    f"{API}/guilds/12/members/345/roles/67": "/guilds/{id}/members/{id}/roles/{id}",
    f"{API}/channels/12/messages?limit=5": "/channels/{id}/messages",
    f"{API}/users/@me/channels": "/users/@me/channels",
    f"{API}/interactions/12/aW50/callback": "/interactions/{id}/{token}/callback",
    f"{API}/interactions/12/345/callback": "/interactions/{id}/{token}/callback",
    f"{API}/webhooks/12/aW50%2F/messages/@original": "/webhooks/{id}/{token}/messages/@original",
    f"{API}/applications/1/guilds/2/commands": "/applications/{id}/guilds/{id}/commands",
    "http://127.0.0.1:8765/api/v10/gateway/bot": "/gateway/bot",
    "wss://gateway.discord.gg/?v=10&encoding=json": "gateway",
    f"{API}/what/nobody/thought/of": "other",
    f"{API}/channels/12/messages/secret": "other",
}


@pytest.mark.parametrize(("url", "route"), ROUTES.items())
def test_a_route_holds_neither_id_nor_token(url: str, route: str) -> None:
    assert route == route_of(URL(url, encoded=True))


async def test_an_append_is_counted_with_what_became_of_each_piece(
    database: Database, metrics: Metrics
) -> None:
    store, timer = EventStore(database), fresh_timer()
    store.observe(Tally(metrics).appended)

    await CommandHandler(store).handle(timer, SetTime(0, HOUR, M), slash())

    assert 1 == value(metrics, "boostmon_append_duration_seconds_count")
    assert 1 == value(metrics, "boostmon_appends_total", outcome="appended")
    assert 0 == value(metrics, "boostmon_appends_total", outcome="conflict")


async def test_a_conflict_is_counted_and_so_is_the_retry(
    database: Database, metrics: Metrics, monkeypatch: pytest.MonkeyPatch
) -> None:
    store, other, timer = EventStore(database), handler_over(database), fresh_timer()
    store.observe(Tally(metrics).appended)
    handler, read = CommandHandler(store), store.read
    await handler.handle(timer, SetTime(0, HOUR, M), slash())

    async def overtaken(read_timer: TimerId) -> Any:
        """Read, and let another process be first."""
        history = await read(read_timer)
        if not handler.retries:
            await other.handle(timer, AddTime(1, MINUTE, M), slash())
        return history

    monkeypatch.setattr(store, "read", overtaken)
    handled: Handled = await handler.handle(timer, AddTime(2, MINUTE, M), slash())

    assert 3 == handled.position
    assert 1 == handler.retries
    assert 1 == value(metrics, "boostmon_appends_total", outcome="conflict")
    assert 2 == value(metrics, "boostmon_appends_total", outcome="appended")


async def test_a_sweep_tells_how_late_it_is(database: Database, metrics: Metrics) -> None:
    store, clock = EventStore(database), StillClock()
    sweeper = Sweeper(
        store=store, timers=RoleTimers(database), clock=clock, interval=30, watch=Tally(metrics)
    )
    await handler_over(database).handle(fresh_timer(), SetTime(0, HOUR, M), slash())

    for moment in (50 * MINUTE + 3000, HOUR + 7000):  # the warning at 1 minute is missed
        clock.time = moment
        await sweeper.sweep(moment)

    assert 3.0 == value(metrics, "boostmon_lateness_seconds_sum", event="warning")
    assert 7.0 == value(metrics, "boostmon_lateness_seconds_sum", event="expiry")


async def test_a_pass_of_the_sweeper_that_fails_is_counted(metrics: Metrics) -> None:
    failed = asyncio.Event()

    class Watch(Tally):
        def sweep_failed(self) -> None:
            super().sweep_failed()
            failed.set()

    nothing: Any = None  # which has no timers to ask for
    sweeper = Sweeper(
        store=nothing, timers=nothing, clock=StillClock(), interval=30, watch=Watch(metrics)
    )
    sweeping = asyncio.create_task(sweeper.run())
    async with asyncio.timeout(10):
        await failed.wait()
    sweeping.cancel()
    await asyncio.wait([sweeping])

    assert 1 == value(metrics, "boostmon_sweep_failures_total")
    assert 0 == value(metrics, "boostmon_sweep_duration_seconds_count")


async def test_open_effects_are_counted_by_kind_and_state_with_the_age_of_the_oldest(
    database: Database, owner: Any
) -> None:
    for _ in range(3):
        await handler_over(database).handle(fresh_timer(), SetTime(0, HOUR, M), slash())
    await owner.execute("UPDATE effects SET state = 'stuck' WHERE position = 2")
    await owner.execute("ALTER TABLE events DISABLE TRIGGER events_are_append_only")
    await owner.execute(
        "UPDATE events SET recorded_at = clock_timestamp() - interval '1 hour' WHERE position = 1"
    )

    found = {e.state: e for e in await Effects(database).open_now()}

    assert (2, 1) == (found["owed"].number, found["stuck"].number)
    assert 3600 <= found["owed"].age < 3700
    assert found["stuck"].age < 100


def test_a_bot_made_without_a_word_on_it_has_metrics_of_its_own(database: Database) -> None:
    made = [_surroundings(database) for _ in range(2)]

    assert made[0].vitals.metrics is not made[1].vitals.metrics


def _surroundings(database: Database) -> Surroundings:
    nothing: Any = None
    return Surroundings(
        database=database, owner_url="", clock=nothing, discord=nothing, sweep=nothing
    )


def test_a_difference_is_counted_by_what_was_found_and_told_with_who_did_it(
    metrics: Metrics,
) -> None:
    with capture_logs() as lines:
        Tally(metrics).difference(standing(timer=TIMER), "taken_by_hand", "5")

    counted = {
        found: value(metrics, "boostmon_differences_total", found=found)
        for found in get_args(Found)
    }
    assert {found: float(found == "taken_by_hand") for found in get_args(Found)} == counted
    assert lines == [
        {
            "event": "difference",
            "log_level": "info",
            "found": "taken_by_hand",
            "guild": "1",
            "user": "2",
            "role": "3",
            "by": "5",
        }
    ]


def test_what_waits_for_somebody_is_a_warning_and_nobody_is_named_who_is_not_known(
    metrics: Metrics,
) -> None:
    for found in get_args(Found):
        with capture_logs() as lines:
            Tally(metrics).difference(standing(timer=TIMER), found, None)
        (line,) = lines
        assert ("warning" if found in UNDECIDED else "info") == line["log_level"]
        assert "by" not in line


def test_members_who_were_compared_are_counted(metrics: Metrics) -> None:
    assert 0 == value(metrics, "boostmon_members_compared_total")
    for members in (100, 7):
        Tally(metrics).compared(members)

    assert 107 == value(metrics, "boostmon_members_compared_total")

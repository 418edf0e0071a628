"""Opening channels of direct messages: what Discord refuses, and what is said too late."""

from typing import Any

import asyncpg
import pytest

from boostmon import machine
from boostmon.bot.discord.pace import DIRECT, OPENING, Limits, Pace
from boostmon.bot.discord.refusals import Later
from boostmon.bot.relay.openings import STOPPED_FOR, Ahead, Openings
from boostmon.commands.decider import AddTime, SetTime
from boostmon.commands.handler import Origin
from boostmon.events.append import Source
from boostmon.events.timer import HOUR, MINUTE
from boostmon.projections.effects.direct_channels import DirectChannels
from tests.bot.relay import test_relay
from tests.bot.relay.test_relay import MESSAGE_ROUTE, Stage
from tests.support.timers import M, handler_over, slash

stage = test_relay.stage  # the fixture
OPEN_ROUTE = "/users/@me/channels"


class Speaker:
    """A relay that speaks to Discord, and has nothing to open."""

    leads, opens = True, False


def ahead_of(stage: Stage, speaker: Speaker | None = None) -> Ahead:
    """Make the part that opens ahead, for the process of a stage."""
    channels = DirectChannels(stage.database)
    return Ahead(
        openings=Openings(stage.api, channels, stage.pace),
        direct_channels=channels,
        pace=stage.pace,
        clock=stage.clock,
        relay=speaker or Speaker(),
    )


@pytest.fixture
async def leading(stage: Stage) -> Stage:
    """Lend a stage whose relay holds the lease."""
    await stage.until(lambda _: stage.lease.held)
    return stage


async def test_a_refusal_to_open_delays_notices_to_new_people_and_nothing_else(
    leading: Stage,
) -> None:
    stage = leading
    await stage.client.sim("limits", {"openings": [1, 3600.0]})
    for user, channel in (("max", None), ("vera", None), ("mona", None), ("olga", "general")):
        await stage.set(stage.timer(user), channel=channel)
    await stage.settled()
    await stage.pass_time(50 * MINUTE)
    await stage.until(lambda effects: sum(bool(e["done_at"]) for e in effects) == 6)
    assert stage.asked("POST", OPEN_ROUTE) <= 3  # those that were under way together

    await stage.pass_time(10 * MINUTE)

    await stage.until(lambda effects: sum(e["state"] == "done" for e in effects) >= 12)
    effects = await stage.effects()
    waiting = [e for e in effects if e["kind"] == "notice" and e["state"] == "owed"]
    assert 2 == len(waiting)
    assert {"done"} == {e["state"] for e in effects if e["kind"] != "notice"}
    assert [] == stage.roles()
    assert stage.asked("POST", OPEN_ROUTE) <= 3


async def test_no_other_process_opens_what_discord_refused_to_one(leading: Stage) -> None:
    stage = leading
    channels, pace = DirectChannels(stage.database), Pace(Limits())
    await channels.close(STOPPED_FOR)
    other = Openings(stage.api, channels, pace)

    answer = await other.open(stage.client.user("max"))

    assert isinstance(answer, Later)
    assert answer.seconds == pytest.approx(STOPPED_FOR, abs=5)
    assert 0 == stage.asked("POST", OPEN_ROUTE)
    assert pace.ready_at(OPENING, machine.monotonic()) > machine.monotonic() + 3000


async def test_what_a_clock_that_went_back_has_left_ends_within_the_hour(leading: Stage) -> None:
    channels = DirectChannels(leading.database)
    await channels.close(10 * STOPPED_FOR)
    answer = await Openings(leading.api, channels, leading.pace).open(leading.client.user("max"))
    assert isinstance(answer, Later)
    assert answer.seconds == pytest.approx(STOPPED_FOR, abs=1)


async def test_the_channel_is_there_before_the_first_notice(leading: Stage) -> None:
    stage = leading
    await stage.set(stage.timer(), channel=None)
    await stage.settled()

    await ahead_of(stage).open_one()

    assert 1 == stage.asked("POST", OPEN_ROUTE)
    await stage.pass_time(50 * MINUTE)
    await stage.settled()
    assert 1 == stage.asked("POST", OPEN_ROUTE)


@pytest.mark.parametrize("why", ["busy", "known", "full", "soon", "far", "paused", "channel"])
async def test_nothing_is_opened_ahead_that_may_not_be(
    leading: Stage, owner: asyncpg.Connection, why: str
) -> None:
    stage, speaker = leading, Speaker()
    channel, duration = None, HOUR
    match why:
        case "busy":
            speaker.opens = True
        case "soon":
            duration = 19 * MINUTE  # the first notice comes in nine
        case "far":
            duration = 40 * HOUR
        case "channel":
            channel = "general"
        case "full":
            stage.pace.refused(OPENING, 60.0, everywhere=False, now=machine.monotonic())
    await stage.set(stage.timer(), duration, channel=channel)
    await stage.settled()
    if why == "paused":
        await owner.execute("UPDATE role_timers SET paused = true, next_due_at = NULL")
    if why == "known":
        await DirectChannels(stage.database).note(stage.client.user("max"), "1")

    await ahead_of(stage, speaker).open_one()

    assert 0 == stage.asked("POST", OPEN_ROUTE)


@pytest.mark.parametrize("extended", [False, True])
@pytest.mark.parametrize("source", ["import", "cli"])
async def test_for_a_timer_that_no_command_has_set_nothing_is_opened_ahead(
    leading: Stage, source: Source, *, extended: bool
) -> None:
    stage, timer, now = leading, leading.timer(), leading.clock.time
    handler, origin = handler_over(stage.database), Origin(command_id="import:1", source=source)
    await handler.handle(timer, SetTime(now, HOUR, M), origin)
    if extended:  # by a command; it was begun by none
        await handler.handle(timer, AddTime(now, HOUR, M), slash())

    await ahead_of(stage).open_one()

    assert 0 == stage.asked("POST", OPEN_ROUTE)


async def test_who_takes_no_channel_holds_up_nobody(leading: Stage) -> None:
    stage = leading
    for user in ("max", "vera"):
        await stage.set(stage.timer(user), channel=None)
    await stage.settled()
    await stage.fault(method="POST", path=OPEN_ROUTE, code=50033)
    ahead = ahead_of(stage)
    for _ in range(3):
        await ahead.open_one()
    assert 2 == stage.asked("POST", OPEN_ROUTE)


async def test_a_warning_that_waited_for_its_turn_until_the_end_is_not_sent(
    leading: Stage,
) -> None:
    stage = leading
    await stage.set(stage.timer(), channel=None)
    await stage.settled()
    stage.pace.refused(DIRECT, 1.5, everywhere=False, now=machine.monotonic())
    await stage.pass_time(50 * MINUTE)
    stage.clock.time += 10 * MINUTE  # and no sweep has come yet

    effects = await stage.settled()

    assert ["done", "superseded"] == [effect["state"] for effect in effects]
    assert [] == stage.posted()


async def test_a_warning_whose_turn_comes_after_the_end_is_not_sent(leading: Stage) -> None:
    """It was begun in time; another message takes the last turn before it."""
    stage = leading
    await stage.set(stage.timer())
    await stage.settled()
    channel_id = stage.client.ids["channels"]["general"]
    turns = stage.pace._turns(f"channel:{channel_id}")  # noqa: SLF001 - no other way to be just ahead
    async with turns.queue:
        await stage.pass_time(50 * MINUTE)
        await stage.until(lambda effects: effects[-1]["attempts"] == 1)
        stage.clock.time += 10 * MINUTE
    effects = await stage.settled()
    assert ["done", "superseded"] == [effect["state"] for effect in effects]
    assert [] == stage.posted()


@pytest.mark.parametrize(("late", "bucket"), [(0, 1.0), (40_000, 60.0)])
async def test_it_is_counted_how_late_notices_are(leading: Stage, late: int, bucket: float) -> None:
    stage = leading
    await stage.set(stage.timer())
    await stage.settled()
    await stage.pass_time(50 * MINUTE + late)
    await stage.settled()
    await stage.pass_time(10 * MINUTE)
    await stage.settled()

    def count(event: str, up_to: float) -> Any:
        name = "boostmon_notice_lateness_seconds_bucket"
        labels = {"event": event, "le": str(up_to)}
        return stage.metrics.registry.get_sample_value(name, labels)

    assert 1 == count("warning", bucket)
    assert late == 0 or count("warning", 30.0) == 0
    assert 1 == count("expiry", 1.0)


async def test_a_notice_that_was_refused_is_not_counted_as_sent(leading: Stage) -> None:
    stage = leading
    await stage.fault(method="POST", path=MESSAGE_ROUTE, code=50007, times=None)
    await stage.set(stage.timer("carl"), channel=None)
    await stage.settled()
    await stage.pass_time(50 * MINUTE)
    await stage.settled()
    name = "boostmon_notice_lateness_seconds_count"
    assert 0 == stage.metrics.registry.get_sample_value(name, {"event": "warning"})


async def test_what_another_process_has_opened_within_the_minute_counts(leading: Stage) -> None:
    """A process that takes over does not know of it; Discord does, and would stop all of them."""
    stage = leading
    await stage.client.sim("limits", {"openings": [10, 60.0]})
    channels = DirectChannels(stage.database)
    asked = [await channels.take_opening(10, 60.0) for _ in range(10)]
    other = Openings(stage.api, channels, Pace(Limits()))

    answer = await other.open(stage.client.user("max"))

    assert [0.0] * 10 == asked
    assert isinstance(answer, Later)
    assert 50 < answer.seconds <= 61
    assert 0 == stage.asked("POST", OPEN_ROUTE)


@pytest.mark.parametrize("moved", ["-2 hours", "2 hours"])
async def test_a_clock_that_jumps_delays_an_opening_by_a_minute_at_most(
    leading: Stage, owner: asyncpg.Connection, moved: str
) -> None:
    channels = DirectChannels(leading.database)
    for _ in range(10):
        await channels.take_opening(10, 60.0)
    shift = "SELECT array_agg(at + $1::text::interval) FROM openings, unnest(asked_at) AS at"
    shifted = await owner.fetchval(shift, moved)
    await owner.execute("UPDATE openings SET asked_at = $1", shifted)

    assert 0 <= await channels.take_opening(10, 60.0) <= 60
    assert await channels.take_opening(10, 0.0) == 0  # what lay in the future is a moment ago
    assert await owner.fetchval("SELECT asked_at[1] <= clock_timestamp() FROM openings")

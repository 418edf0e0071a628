"""A wait that stops every server is said, and an absurd one of one limit stops nothing else."""

from typing import Any

import asyncpg
import pytest
from structlog.testing import capture_logs

from boostmon import machine
from boostmon.bot.discord.pace import DIRECT, TOO_MANY_INVALID, Limits, Pace, lane_of_roles
from boostmon.bot.discord.rest import FRONT, GLOBAL, RefusedError
from boostmon.bot.health.vitals import Vitals
from boostmon.projections.effects.open_effects import STOPPED
from boostmon.projections.reports.checkup import STAND_STILL, look_at_effects
from tests.bot.relay.test_relay import ROLE_ROUTE, Stage, stage
from tests.bot.test_endpoints import Told, body, pages, vitals
from tests.support.process import Pages

__all__ = ["pages", "stage", "vitals"]  # fixtures

ROLES, OTHER = lane_of_roles("1"), lane_of_roles("2")
HOUR = 3600.0
PAGE = "error code: 1015"


def lines(logs: list[Any]) -> list[str]:
    """Return the sentences that were logged."""
    return [entry["event"] for entry in logs]


def test_a_long_stop_is_said_once_with_its_reason_and_its_end() -> None:
    pace = Pace(Limits())
    with capture_logs() as logs:
        for now in (1.0, 2.0, 3.0):
            pace.refused(ROLES, HOUR, everywhere=True, now=now, why=GLOBAL)

    (line,) = logs
    assert ("error", HOUR, GLOBAL) == (line["log_level"], line["seconds"], line["why"])
    stop = pace.stop(4.0)
    assert stop is not None
    assert f"{STOPPED} from " in str(stop)
    assert HOUR == pytest.approx(stop.until - stop.since, abs=3.0)
    assert pace.stop(4.0 + HOUR) is None


def test_a_stop_that_is_over_and_comes_again_is_said_again() -> None:
    pace = Pace(Limits())
    with capture_logs() as logs:
        for now in (1.0, 100.0):
            pace.refused(ROLES, 60.0, everywhere=True, now=now, why=FRONT)

    assert [f"{STOPPED}"] * 2 == lines(logs)


@pytest.mark.parametrize("seconds", [0.3, 5.0, 29.0])
def test_a_stop_of_a_moment_is_not_worth_a_word(seconds: float) -> None:
    pace = Pace(Limits())
    with capture_logs() as logs:
        pace.refused(ROLES, seconds, everywhere=True, now=1.0, why=GLOBAL)

    assert ([], None) == (logs, pace.stop(1.5))


@pytest.mark.parametrize("how", ["a 429", "none remain"])
def test_an_absurd_wait_of_one_limit_stops_that_alone_and_is_said(how: str) -> None:
    pace = Pace(Limits())
    with capture_logs() as logs:
        for now in (1.0, 2.0):
            if how == "a 429":
                pace.refused(ROLES, HOUR, everywhere=False, now=now)
            else:
                headers = {"X-RateLimit-Remaining": "0", "X-RateLimit-Reset-After": "99999"}
                pace.answered(ROLES, headers, now)

    assert [("warning", ROLES)] == [(entry["log_level"], entry["lane"]) for entry in logs]
    assert pace.ready_at(ROLES, 3.0) > 3.0 + HOUR - 10
    assert (pace.ready_at(OTHER, 3.0), pace.ready_at(DIRECT, 3.0)) <= (3.0, 3.0)
    assert pace.stop(3.0) is None


def test_what_bans_the_address_stops_everything_and_is_said() -> None:
    pace = Pace(Limits(invalid_requests=3))
    with capture_logs() as logs:
        for now in range(4):
            pace.invalid(float(now))

    assert [TOO_MANY_INVALID] == [entry["why"] for entry in logs]
    stop = pace.stop(5.0)
    assert stop is not None
    assert TOO_MANY_INVALID == stop.why


@pytest.mark.parametrize(
    ("told", "headers", "everywhere", "by"),
    [
        ({"retry_after": 9.0, "global": True}, {}, True, GLOBAL),
        ({"retry_after": 9.0}, {"X-RateLimit-Global": "true"}, True, GLOBAL),
        ({"retry_after": 9.0}, {"X-RateLimit-Scope": "global"}, True, GLOBAL),
        ({}, {"Retry-After": "3600"}, True, FRONT),
        ({"retry_after": 3600.0}, {"X-RateLimit-Scope": "user"}, False, None),
        ({"retry_after": 3600.0, "global": False}, {}, False, None),
        ({"retry_after": 3600.0}, {"X-RateLimit-Scope": "shared"}, False, None),
    ],
)
def test_only_the_limit_for_all_and_the_front_stop_everything(
    told: dict[str, Any], headers: dict[str, str], everywhere: bool, by: str | None
) -> None:
    refusal = RefusedError(429, told, headers)

    assert everywhere == refusal.everywhere
    assert by in (None, refusal.stopped_by)


async def test_the_pages_say_since_when_until_when_and_why(pages: Pages, vitals: Vitals) -> None:
    pace = Pace(Limits())
    with vitals.of(body(Told(), pace=pace)):
        assert "discord_stopped" not in await pages.ready()
        assert 0 == await pages.value("boostmon_discord_stopped_until_seconds")

        pace.refused("", HOUR, everywhere=True, now=machine.monotonic(), why=FRONT)

        ready: Any = await pages.ready()
        told = ready["discord_stopped"]
        assert ({"since", "until", "why"}, FRONT) == (set(told), told["why"])
        since = await pages.value("boostmon_discord_stopped_since_seconds")
        until = await pages.value("boostmon_discord_stopped_until_seconds")
        assert since is not None
        assert HOUR == pytest.approx((until or 0) - since, abs=1.0)


@pytest.mark.parametrize(
    ("how", "why"),
    [
        ({"body": {"retry_after": 700.0, "global": True}}, GLOBAL),
        ({"body": {"retry_after": 700.0}, "headers": {"X-RateLimit-Global": "true"}}, GLOBAL),
        ({"body": PAGE, "headers": {"Retry-After": "700"}}, FRONT),
    ],
)
async def test_what_waits_for_the_end_of_a_stop_says_so_and_doctor_too(
    stage: Stage, owner: asyncpg.Connection, how: dict[str, Any], why: str
) -> None:
    await stage.fault(method="PUT", path=ROLE_ROUTE, status=429, **how)

    await stage.set(stage.timer())
    (effect,) = await stage.until(lambda found: STOPPED in str(found[0]["last_error"]))

    assert why in effect["last_error"]
    (finding,) = await look_at_effects(owner)
    assert ("yellow", STAND_STILL) == (finding.colour, finding.remedy)
    assert f"{STOPPED} from " in finding.found
    assert "owed" == effect["state"]


async def test_another_server_goes_on_while_one_limit_is_closed_for_an_hour(stage: Stage) -> None:
    absurd = {"retry_after": HOUR, "global": False}
    await stage.fault(method="PUT", path=ROLE_ROUTE, status=429, body=absurd)
    await stage.set(stage.timer())
    await stage.until(lambda found: found[0]["attempts"] == 1)

    async with stage.pace.turn(OTHER):
        assert stage.pace.stop(machine.monotonic()) is None

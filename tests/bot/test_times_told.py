"""What an answer of Discord's tells of the time, in every form."""

import math
from datetime import UTC, datetime
from typing import Any

import pytest

from boostmon import machine
from boostmon.bot.discord.pace import Limits, Pace, lane_of_roles
from boostmon.bot.discord.rest import RefusedError
from boostmon.bot.discord.times_told import LONGEST, UNTOLD, moment_of, seconds_in, wait_told

ANSWERED = "Mon, 30 Nov 2026 12:00:00 GMT"
NOON = datetime(2026, 11, 30, 12, tzinfo=UTC)
LANE = lane_of_roles("1")


@pytest.mark.parametrize(
    ("told", "expected"),
    [
        *[(0, 0.0), (1.5, 1.5), ("2", 2.0), ("2.25", 2.25), (10**400, None), (1e12, LONGEST)],
        *[(math.inf, LONGEST), ("inf", LONGEST), (math.nan, None), ("nan", None), (-1, None)],
        *[("-1", None), ("", None), ("soon", None), (None, None), (True, None), ([], None)],
    ],
)
def test_a_number_of_seconds_is_read_if_it_can_be(told: object, expected: float | None) -> None:
    assert expected == seconds_in(told)


@pytest.mark.parametrize(
    ("body", "header", "expected"),
    [
        ({"retry_after": 0.3}, "1", 0.3),
        ({}, "7", 7.0),
        ({"retry_after": None}, "7", 7.0),
        ({"retry_after": "soon"}, "7", 7.0),
        ({"retry_after": -4}, "7", 7.0),
        ({}, "Mon, 30 Nov 2026 12:00:30 GMT", 30.0),
        ({}, "Monday, 30-Nov-26 12:00:30 GMT", 30.0),
        ({}, "Mon Nov 30 12:00:30 2026", 30.0),
        ({}, "Mon, 30 Nov 2026 11:00:00 GMT", 0.0),
        ({}, "Fri, 31 Dec 2038 23:59:59 GMT", LONGEST),
        ({}, "Fri, 31 Dec 99999 23:59:59 GMT", UNTOLD),
        ({}, "86400", LONGEST),
        ({}, "-1", UNTOLD),
        ({}, "soon", UNTOLD),
        ({}, None, UNTOLD),
        ({"retry_after": {}}, None, UNTOLD),
    ],
)
def test_how_long_to_wait_is_read_in_every_form(
    body: dict[str, Any], header: str | None, expected: float
) -> None:
    headers = {"Date": ANSWERED} | ({} if header is None else {"Retry-After": header})

    assert expected == wait_told(body, headers)
    assert expected == RefusedError(429, body, headers).retry_after


def test_without_its_date_an_answer_is_of_now(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "wall", NOON.timestamp)

    assert 30.0 == wait_told({}, {"Retry-After": "Mon, 30 Nov 2026 12:00:30 GMT"})


@pytest.mark.parametrize("date", ["Mon, 30 Nov 2026 12:00:00 -0000", "Mon Nov 30 12:00:00 2026"])
def test_a_date_without_a_zone_is_of_greenwich(date: str) -> None:
    assert NOON == moment_of(date)


@pytest.mark.parametrize("date", ["", "soon", "Sat, 01 Jan 99999 00:00:00 GMT"])
def test_what_is_no_date_is_none(date: str) -> None:
    assert moment_of(date) is None


@pytest.mark.parametrize(
    ("body", "headers", "expected"),
    [
        ({"retry_after": 1, "global": True}, {"X-RateLimit-Scope": "global"}, True),
        ({"retry_after": 1, "global": False}, {"X-RateLimit-Scope": "user"}, False),
        ({"retry_after": 1}, {}, False),
        ({"message": "Too Many Requests"}, {}, True),
        ({"message": "Too Many Requests"}, {"X-RateLimit-Scope": "shared"}, False),
        ({"message": "Slow down", "code": 30046}, {}, False),
    ],
)
def test_who_says_not_of_which_limit_refuses_the_whole_address(
    body: dict[str, Any], headers: dict[str, str], expected: bool
) -> None:
    assert expected == RefusedError(429, body, headers).everywhere
    assert not RefusedError(403, body | {"global": False}, headers).everywhere


@pytest.mark.parametrize("code", ["50013", None, {}, 1.5])
def test_a_code_that_is_no_number_is_none(code: object) -> None:
    assert 0 == RefusedError(403, {"code": code}, {}).code


@pytest.mark.parametrize("after", ["soon", "", "-3", "nan"])
def test_a_pace_does_not_follow_a_reset_that_it_cannot_read(after: str) -> None:
    pace = Pace(Limits())

    pace.answered(LANE, {"X-RateLimit-Remaining": "0", "X-RateLimit-Reset-After": after}, 100.0)

    assert pace.ready_at(LANE, 100.0) <= 100.0

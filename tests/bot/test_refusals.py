"""What a refusal of Discord means for what is owed."""

import pytest

from boostmon.bot.discord.refusals import (
    SECURE,
    Final,
    Passing,
    Stuck,
    Verdict,
    closes_channel,
    judge_direct_message,
    judge_role_change,
)
from boostmon.bot.discord.rest import RefusedError

REMEDY = "Move BoostMon's role up."


def refusal(status: int, code: int = 0) -> RefusedError:
    return RefusedError(status, {"code": code, "message": "No"}, {})


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (refusal(404, 10007), Final),
        (refusal(404, 10013), Final),
        (refusal(404, 10011), Final),
        (refusal(403, 50013), Stuck),
        (refusal(403, 50001), Stuck),
        (refusal(404, 10004), Stuck),
        (refusal(401), Stuck),
        (refusal(400, 50035), Stuck),
        (refusal(429), Passing),
        (refusal(500), Passing),
        (refusal(503), Passing),
    ],
)
def test_a_refused_role_change_is_final_stuck_or_passing(
    error: RefusedError, expected: type[Verdict]
) -> None:
    assert isinstance(judge_role_change(error, remedy=lambda: REMEDY), expected)


def test_a_missing_permission_is_stuck_with_its_remedy() -> None:
    assert Stuck(REMEDY) == judge_role_change(refusal(403, 50013), remedy=lambda: REMEDY)


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (refusal(403, 50007), Final),
        (refusal(403, 50278), Final),
        (refusal(404, 10013), Final),
        (refusal(429, 40003), Passing),
        (refusal(400, 50033), Final),  # to another bot
        (refusal(401), Stuck),
        (refusal(500), Passing),
    ],
)
def test_a_refused_direct_message_is_final_or_passing(
    error: RefusedError, expected: type[Verdict]
) -> None:
    assert isinstance(judge_direct_message(error), expected)


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (refusal(403, 50001), True),
        (refusal(403, 50013), True),
        (refusal(404, 10003), True),
        (refusal(500), False),
        (refusal(429), False),
        (refusal(401), False),
    ],
)
def test_a_channel_that_refuses_for_good_gives_way_to_a_direct_message(
    error: RefusedError, expected: bool
) -> None:
    assert expected == closes_channel(error)


def test_a_missing_two_factor_is_stuck_with_its_own_remedy() -> None:
    assert Stuck(SECURE) == judge_role_change(refusal(403, 60003), remedy=lambda: REMEDY)


@pytest.mark.parametrize("status", [400, 403, 404, 409, 410])
def test_a_page_of_what_stands_before_discord_says_nothing_of_what_was_asked_for(
    status: int,
) -> None:
    """It has no code; who takes it for Discord's closes notices and roles that people paid for."""
    page = refusal(status, 0)

    assert not closes_channel(page)
    assert isinstance(judge_direct_message(page), Passing)
    assert isinstance(judge_role_change(page, remedy=lambda: ""), Passing)

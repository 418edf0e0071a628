"""What doctor says of three clocks: whose time a bot would follow."""

import pytest

from boostmon.cli.checks.clock_check import look_at_agreement

HOUR = 3600.0


def said(database: float | None, discord: float | None, *, here: bool = False) -> tuple[str, str]:
    found = look_at_agreement(database_ahead=database, discord_ahead=discord, one_witness=here)
    return (found[0].colour, found[0].found) if found else ("", "")


@pytest.mark.parametrize(
    ("database", "discord", "here", "found"),
    [
        (0.1, 0.4, False, "the database's clock, which agrees with this machine's and Discord's."),
        (0.1, 0.4, True, "the database's clock, which agrees with this machine's and Discord's."),
        (-6 * HOUR, 0.4, False, "this machine's clock, which agrees with Discord's."),
        (-6 * HOUR, 0.4, True, "this machine's clock, which agrees with Discord's."),
        (2 * HOUR, 2 * HOUR, True, "the database's clock, which agrees with Discord's."),
    ],
)
def test_two_that_agree_are_green(database: float, discord: float, here: bool, found: str) -> None:
    assert ("green", f"Timers end by {found}") == said(database, discord, here=here)


@pytest.mark.parametrize(("database", "here"), [(0.0, True), (HOUR, False), (HOUR, True)])
def test_none_that_agree_are_red(database: float, here: bool) -> None:
    colour, found = said(database, -2 * HOUR, here=here)

    assert "red" == colour
    assert found.startswith("No two of the clocks agree: the database's clock ")
    assert found.endswith("Discord's clock is 7,200 s behind this machine's.")


def test_a_discord_that_two_others_outvote_is_yellow() -> None:
    colour, found = said(0.0, 2 * HOUR)

    assert "yellow" == colour
    assert "Discord's clock is 7,200 s ahead of this machine's, and the two others agree." == found


@pytest.mark.parametrize(("database", "discord"), [(None, 0.0), (0.0, None), (None, None)])
def test_nothing_is_said_of_clocks_that_are_not_known(
    database: float | None, discord: float | None
) -> None:
    assert ("", "") == said(database, discord)

"""What Integrations settings say of a command: whose rule counts."""

from typing import Any

import pytest

from boostmon.bot.discord.command_settings import (
    CHANNEL,
    ROLE,
    USER,
    Setting,
    Use,
    ruling,
    settings_of,
)

COMMAND, APPLICATION = "900", "800"
GUILD, HERE, ELSEWHERE, EVERYWHERE = "100", "50", "51", "99"
ME, SOMEBODY, MINE, ANOTHER, NOT_MINE = "7", "8", "30", "31", "32"
USE = Use(guild_id=GUILD, channel_id=HERE, user_id=ME, roles=[MINE, ANOTHER])


def user(of: str, *, allowed: bool) -> Setting:
    return Setting(of, USER, allowed)


def role(of: str, *, allowed: bool) -> Setting:
    return Setting(of, ROLE, allowed)


def channel(of: str, *, allowed: bool) -> Setting:
    return Setting(of, CHANNEL, allowed)


@pytest.mark.parametrize(
    ("of_command", "of_application", "expected"),
    [
        ([], [], None),
        ([user(SOMEBODY, allowed=False), role(NOT_MINE, allowed=True)], [], None),
        ([user(ME, allowed=True), role(MINE, allowed=False)], [], True),
        ([user(ME, allowed=False), role(MINE, allowed=True)], [], False),
        ([role(MINE, allowed=False), role(ANOTHER, allowed=True)], [], True),
        ([role(MINE, allowed=False), role(GUILD, allowed=True)], [], False),
        ([role(GUILD, allowed=False)], [], False),
        ([role(GUILD, allowed=False)], [user(ME, allowed=True)], False),
        ([user(SOMEBODY, allowed=True)], [user(ME, allowed=False)], False),
        ([], [role(GUILD, allowed=True)], True),
        ([user(ME, allowed=True), channel(HERE, allowed=False)], [], False),
        ([user(ME, allowed=True), channel(ELSEWHERE, allowed=False)], [], True),
        ([user(ME, allowed=True), channel(EVERYWHERE, allowed=False)], [], False),
        ([channel(HERE, allowed=True), channel(EVERYWHERE, allowed=False)], [], None),
        ([channel(HERE, allowed=True)], [channel(EVERYWHERE, allowed=False)], None),
        ([], [channel(EVERYWHERE, allowed=False)], False),
    ],
)
def test_the_nearest_rule_counts(
    of_command: list[Setting], of_application: list[Setting], expected: bool | None
) -> None:
    settings = {COMMAND: of_command, APPLICATION: of_application}

    assert expected == ruling(settings, [COMMAND, APPLICATION], USE)


def test_discords_answer_is_read() -> None:
    answer: list[dict[str, Any]] = [
        {"id": APPLICATION, "permissions": [{"id": ME, "type": 2, "permission": False}]},
        {"id": COMMAND, "permissions": []},
    ]

    assert {APPLICATION: [user(ME, allowed=False)], COMMAND: []} == settings_of(answer)

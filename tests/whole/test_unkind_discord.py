"""The bot where Discord is unkind: refusals, pages of HTML, events late or doubled."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from boostmon.bot.discord.refusals import SECURE
from boostmon.bot.servers.view import TIME_OUT
from boostmon.bot.wording import replies
from boostmon.database.connections.pool import Database
from tests.support.town import Town
from tests.support.town import town as a_town
from tests.whole.test_commands_e2e import (
    CALLBACK,
    GIVE,
    ORIGINAL,
    direct_messages,
    embed,
    fields,
    public,
)

HIDDEN = [{"role": "BoostMon", "deny": ["VIEW_CHANNEL"]}]
SET = {"user": "max", "role": "VIP", "duration": "1h"}


@pytest.fixture
async def town(database: Database, owner_url: str) -> AsyncIterator[Town]:
    """Lend a town in which the bot is at work."""
    async with a_town(database, owner_url) as made:
        yield made


async def send(town: Town) -> str:
    """Let a timer be set, and wait for nothing."""
    return await town.send("mona", "settime", user="max", role="VIP", duration="1h")


async def holds(town: Town, *roles: str) -> None:
    """Wait until max holds exactly these roles."""
    for _ in range(500):
        if town.roles_of("max") == list(roles):
            return
        await asyncio.sleep(0.02)
    assert list(roles) == town.roles_of("max")


async def test_where_two_factor_is_missing_the_reply_says_so(town: Town) -> None:
    await town.client.sim("guild", {"action": "two_factor"})
    await town.client.sim("user", {"user": "olga", "two_factor": False})

    told = await public(town, "mona", "settime", **SET)

    assert SECURE in fields(told)["Notes"]
    assert ["TimerSet"] == await town.events()
    assert [] == town.roles_of("max")


async def test_while_the_bot_is_in_time_out_the_reply_says_so(town: Town) -> None:
    time_out = {"user": "BoostMon", "action": "time_out", "seconds": 600}
    await town.client.sim("member", time_out)

    told = await public(town, "mona", "settime", **SET)

    assert TIME_OUT in fields(told)["Notes"]
    await town.client.sim("member", time_out | {"seconds": 0})
    await holds(town, "VIP")


@pytest.mark.parametrize("status", [502, 503, 504, 520, 524, 527])
async def test_a_page_instead_of_an_answer_is_met_with_another_attempt(
    town: Town, status: int
) -> None:
    for when in ("before", "after"):
        await town.client.sim("fault", {"path": GIVE, "status": status, "when": when})

    told = await public(town, "mona", "settime", **SET)

    assert "Timed Role Activated" == embed(told)["title"]
    await holds(town, "VIP")


@pytest.mark.parametrize("status", [502, 504, 520, 524])
async def test_a_reply_that_is_answered_with_a_page_is_shown_once(town: Town, status: int) -> None:
    fault = {"path": ORIGINAL, "method": "PATCH", "status": status, "when": "after"}
    await town.client.sim("fault", fault)

    told = await public(town, "mona", "settime", **SET)

    assert "Timed Role Activated" == embed(told)["title"]
    assert [] == told["followups"]


@pytest.mark.parametrize("code", [10008, 50001, 30046])
async def test_an_outcome_whose_edit_is_refused_comes_by_dm(town: Town, code: int) -> None:
    fault = {"path": ORIGINAL, "method": "PATCH", "code": code, "times": None}
    await town.client.sim("fault", fault)

    await send(town)

    (message,) = await direct_messages(town)
    assert "Timed Role Activated" == embed({"message": message})["title"]


async def test_a_command_that_is_doubled_late_counts_once(town: Town) -> None:
    double = {"action": "double", "event": "INTERACTION_CREATE", "seconds": 0.3}
    await public(town, "mona", "settime", **SET)
    await town.client.sim("gateway", double)

    await public(town, "mona", "addtime", user="max", duration="1h")
    await asyncio.sleep(0.5)

    assert ["TimerSet", "TimeAdded"] == await town.events()


async def test_a_command_that_is_heard_of_too_late_is_not_decided(town: Town) -> None:
    delay = {"action": "delay", "event": "INTERACTION_CREATE", "seconds": 3.2}
    await town.client.sim("gateway", delay)

    late = await send(town)
    record = await town.wait(late, "answered", seconds=4)

    assert record["acknowledged_ms"] is None
    assert [] == await town.events()


async def test_an_acknowledgement_that_takes_effect_late_is_not_decided_twice(
    town: Town,
) -> None:
    fault = {"path": CALLBACK, "status": 502, "effect": 0.5}
    await town.client.sim("fault", fault)

    given = await send(town)
    await town.wait(given, "answered", seconds=3)
    await asyncio.sleep(0.5)

    assert (await town.events()).count("TimerSet") <= 1


async def test_a_hidden_channel_is_said_to_take_no_notices(town: Town) -> None:
    change = {"channel": "general", "action": "edit", "overwrites": HIDDEN}
    await town.client.sim("channel", change)

    told = await public(town, "mona", "settime", **SET, channel="general")

    channel = f"<#{town.id_of('channel', 'general')}>"
    assert f"BoostMon cannot post in {channel}" in fields(told)["Notes"]


async def test_a_channel_that_is_hidden_later_gives_way_to_a_direct_message(town: Town) -> None:
    await public(town, "mona", "settime", **SET, channel="general")
    change = {"channel": "general", "action": "edit", "overwrites": HIDDEN}
    await town.client.sim("channel", change)

    await town.expire("max", "VIP")

    (message,) = await direct_messages(town)
    assert "notice: your access for **VIP**" in message["content"]


async def test_a_member_in_time_out_gets_and_loses_roles(town: Town) -> None:
    time_out = {"user": "max", "action": "time_out", "seconds": 600}
    await town.client.sim("member", time_out)
    await public(town, "mona", "settime", **SET)
    await holds(town, "VIP")

    told = await public(town, "mona", "cleartime", user="max")

    assert "The role was taken away." == embed(told)["description"]
    assert replies.UNEXPECTED not in str(told)


async def test_a_give_that_takes_effect_late_is_given_once_more_and_held(town: Town) -> None:
    fault = {"method": "PUT", "path": GIVE, "status": 500, "effect": 1.0}
    await town.client.sim("fault", fault)

    await public(town, "mona", "settime", **SET)
    await asyncio.sleep(1.2)

    await holds(town, "VIP")

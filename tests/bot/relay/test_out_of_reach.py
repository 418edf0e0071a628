"""Roles that BoostMon cannot take: their timers end all the same, and each cause is named."""

import asyncio
import time
from collections.abc import AsyncIterator
from types import SimpleNamespace
from typing import Any, cast

import pytest
from disnake import RoleTags

from boostmon.bot.discord.integrations import manager
from boostmon.bot.discord.refusals import INVITE, SECURE, Stuck, judge_role_change
from boostmon.bot.discord.rest import RefusedError
from boostmon.bot.servers.guards import RolesForbiddenError
from boostmon.bot.servers.view import TIME_OUT, ServerView
from boostmon.commands.decider import SetTime
from boostmon.commands.handler import Origin
from boostmon.database.connections.pool import Database
from boostmon.events.timer import HOUR, TimerId
from tests.support.timers import M, handler_over
from tests.support.town import Json, Town
from tests.support.town import town as a_town
from tests.whole.test_commands_e2e import GIVE, embed, public, refused_at_once

BOOSTS = "**Server Booster** is managed by the server's boosts, which alone can give and take it"
ABOVE = "Move BoostMon's role above **Admin** in Server Settings → Roles."


@pytest.fixture
async def town(database: Database, owner_url: str) -> AsyncIterator[Town]:
    """Lend a town in which the bot is at work."""
    async with a_town(database, owner_url) as made:
        yield made


async def held_and_timed(town: Town, role: str) -> None:
    """Have max hold *role*, and a timer for it that an import has brought."""
    await town.client.sim("member", {"user": "max", "action": "give", "role": role})
    timer = TimerId(town.client.ids["guild"], town.id_of("user", "max"), town.id_of("role", role))
    origin = Origin(command_id="import:1", source="import")
    now = round(time.time() * 1000)
    await handler_over(town.database).handle(timer, SetTime(now, HOUR, M), origin)


async def takes(town: Town) -> list[Json]:
    """Return the losses of roles that Discord is owed, or was."""
    ask = "SELECT state, last_error, receipt FROM effects WHERE kind = 'take_role'"
    rows = await town.database.run(lambda connection: connection.fetch(ask))
    return [dict(row) for row in rows]


async def until_taken(town: Town) -> Json:
    """Return the loss of the role once it is done."""
    for _ in range(500):
        (take,) = await takes(town)
        if take["state"] == "done":
            return take
        await asyncio.sleep(0.02)
    raise AssertionError(take)


@pytest.mark.parametrize(
    ("role", "why"), [("Server Booster", BOOSTS), ("Admin", ABOVE), ("VIP", "Manage Roles")]
)
async def test_the_timer_of_a_role_out_of_reach_is_cleared_and_the_reply_says_why_it_stays(
    town: Town, role: str, why: str
) -> None:
    await held_and_timed(town, role)
    if role == "VIP":
        await town.client.sim("role", {"role": "BoostMon", "action": "edit", "permissions": []})

    told = await public(town, "olga", "cleartime", user="max", role=role)

    assert "Timed Role Cleared" == embed(told)["title"]
    assert "This is recorded, but Discord does not let BoostMon take" in embed(told)["description"]
    assert why in embed(told)["description"]
    assert ["TimerSet", "Cleared"] == await town.events()
    assert [role] == town.roles_of("max")
    (take,) = await takes(town)
    assert "stuck" == take["state"]


@pytest.mark.parametrize("role", ["Server Booster", "Admin"])
async def test_what_others_have_taken_meanwhile_is_owed_no_more(town: Town, role: str) -> None:
    await held_and_timed(town, role)
    await public(town, "olga", "cleartime", user="max", role=role)

    await town.client.sim("member", {"user": "max", "action": "take", "role": role})
    await town.client.sim("role", {"role": "BoostMon", "action": "move", "position": 5})

    assert '"confirmed": "read from the member"' in (await until_taken(town))["receipt"]


async def test_a_member_who_has_left_is_owed_nothing_of_a_role_out_of_reach(town: Town) -> None:
    await held_and_timed(town, "Admin")
    await public(town, "olga", "cleartime", user="max", role="Admin")

    await town.client.sim("member", {"user": "max", "action": "leave"})
    await town.client.sim("role", {"role": "BoostMon", "action": "move", "position": 5})

    assert "the member has left the server" in (await until_taken(town))["receipt"]


async def test_a_menu_clears_what_is_out_of_reach(town: Town) -> None:
    await held_and_timed(town, "Server Booster")

    told = await public(town, "olga", "cleartime", user="max")

    assert "Timed Role Cleared" == embed(told)["title"]


async def test_clearing_is_still_for_those_who_stand_above_the_role(town: Town) -> None:
    await held_and_timed(town, "Admin")

    told = await town.say("mona", "cleartime", user="max", role="Admin")

    assert "**Admin** is not below your highest role" in refused_at_once(told)
    assert ["TimerSet"] == await town.events()


@pytest.mark.parametrize("command", ["settime", "addtime", "removetime", "pausetime", "resumetime"])
async def test_nothing_else_is_done_to_a_role_out_of_reach(town: Town, command: str) -> None:
    await held_and_timed(town, "Server Booster")
    amount = {} if command in ("pausetime", "resumetime") else {"duration": "1h"}

    told = await town.say("olga", command, user="max", role="Server Booster", **amount)

    assert "is managed by an integration" in refused_at_once(told)


# Each cause of a refusal has its own sentence.


async def test_a_bot_that_stands_above_is_not_told_to_move_up(town: Town) -> None:
    fault = {"method": "PUT", "path": GIVE, "code": 50013, "times": 9}
    await town.client.sim("fault", fault)

    told = await public(town, "olga", "settime", user="max", role="VIP", duration="1h")

    said = str(embed(told))
    assert "Discord refuses **VIP** although BoostMon may manage roles and stands above it" in said
    assert "Move BoostMon's role" not in said
    await town.client.sim("fault", method="DELETE")


async def test_a_bot_that_lost_manage_roles_is_told_so(town: Town) -> None:
    await public(town, "olga", "settime", user="max", role="VIP", duration="1h")
    await town.client.sim("role", {"role": "BoostMon", "action": "edit", "permissions": []})

    await town.expire("max", "VIP")

    for _ in range(500):
        (take,) = await takes(town)
        if take["state"] == "stuck":
            break
        await asyncio.sleep(0.02)
    assert str(RolesForbiddenError()) == take["last_error"]


@pytest.mark.parametrize(
    ("tags", "named"),
    [
        ({"bot_id": "1500000000000000001"}, "the bot <@1500000000000000001>"),
        ({"premium_subscriber": None}, "the server's boosts"),
        (
            {"integration_id": "77", "subscription_listing_id": "78"},
            "the server's subscriptions",
        ),
        ({"guild_connections": None}, "the accounts that members have linked"),
        ({"integration_id": "77"}, "the integration 77 (Server Settings → Integrations)"),
        ({}, "an integration"),
    ],
)
def test_what_manages_a_role_is_named(tags: Json, named: str) -> None:
    known: Any = tags  # as Discord sends them

    assert named == manager(RoleTags(known))


MANAGED: list[Any] = [{"bot_id": "15"}, {"premium_subscriber": None}, {"guild_connections": None}]


def view(*, tags: Any = None, position: int = 1, **of_bot: Any) -> ServerView:
    """Return what the gateway has told of a server: the role 2 at *position*, and the bot at 5."""
    role = SimpleNamespace(
        name="VIP",
        managed=tags is not None,
        tags=None if tags is None else RoleTags(tags),
        position=position,
    )
    may = SimpleNamespace(manage_roles=of_bot.get("manage_roles", True))
    top = type("Top", (), {"__gt__": lambda _, other: other.position < 5})()
    timeout = of_bot.get("current_timeout")
    me = SimpleNamespace(current_timeout=timeout, guild_permissions=may, top_role=top)
    guild = SimpleNamespace(me=me, get_role=lambda _: role)
    client = cast("Any", SimpleNamespace(get_guild=lambda _: guild))
    return ServerView(client, cast("Any", SimpleNamespace(is_there=lambda _: True)))


@pytest.mark.parametrize("tags", MANAGED)
@pytest.mark.parametrize("position", [1, 9])
def test_a_role_that_something_manages_is_not_said_to_stand_too_high(
    tags: Any, position: int
) -> None:
    remedy = view(tags=tags, position=position).remedy("1", "2")

    named = manager(RoleTags(tags))
    see_to_it = "which alone can give and take it; see to it there."
    assert f"**VIP** is managed by {named}, {see_to_it}" == remedy


@pytest.mark.parametrize("tags", [None, MANAGED[0]])
@pytest.mark.parametrize("position", [1, 9])
def test_what_binds_the_bot_itself_goes_before_what_binds_the_role(
    tags: Any, position: int
) -> None:
    forbidden = view(tags=tags, position=position, manage_roles=False)
    in_time_out = view(tags=tags, position=position, manage_roles=False, current_timeout=1)

    assert str(RolesForbiddenError()) == forbidden.remedy("1", "2")
    assert TIME_OUT == in_time_out.remedy("1", "2")


@pytest.mark.parametrize(
    ("position", "said"),
    [
        (9, "Move BoostMon's role above **VIP** in Server Settings → Roles."),
        (5, "Move BoostMon's role above **VIP** in Server Settings → Roles."),
        (4, "Discord refuses **VIP** although BoostMon may manage roles and stands above it; "),
        (1, "Discord refuses **VIP** although BoostMon may manage roles and stands above it; "),
    ],
)
def test_only_who_stands_too_low_is_told_to_move_up(position: int, said: str) -> None:
    assert view(position=position).remedy("1", "2").startswith(said)


@pytest.mark.parametrize(
    ("code", "remedy"), [(50013, "as the server is"), (60003, SECURE), (50001, INVITE)]
)
def test_each_code_has_a_remedy_of_its_own(code: int, remedy: str) -> None:
    refused = RefusedError(403, {"code": code, "message": "no"}, {})

    assert Stuck(remedy) == judge_role_change(refused, remedy=lambda: "as the server is")

"""Who may do what is judged by what Discord says now, not by what the gateway has told."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from boostmon.bot.members.observer import Observer
from boostmon.bot.servers import asking
from boostmon.bot.wording import replies
from boostmon.database.connections.pool import Database
from tests.support.town import Json, Town
from tests.support.town import town as a_town
from tests.whole.test_commands_e2e import embed, fields, public, refused_at_once, taken_back

SERVER = "/guilds/{guild_id}"
MEMBER = "/guilds/{guild_id}/members/{user_id}"
SETTINGS = "/applications/{application_id}/guilds/{guild_id}/commands/permissions"
UNTOLD = "Discord does not say who may do what here; nothing was recorded, try again in a minute."
TOO_LOW = "is not below your highest role; ask somebody who stands above it, or the server's owner."
NOT_ALLOWED = "You may not use this command here any more; ask somebody who may."
SET = {"user": "max", "duration": "1h"}
ABOVE_MODERATOR, BELOW_MODERATOR = 6, 4


@pytest.fixture
async def town(database: Database, owner_url: str) -> AsyncIterator[Town]:
    """Lend a town in which the bot is at work."""
    async with a_town(database, owner_url) as made:
        yield made


async def unheard(town: Town, path: str, **change: Any) -> None:
    """Let something change of which the gateway does not tell."""
    await town.client.sim("gateway", {"action": "lose", "event": "GUILD_*", "times": None})
    await town.client.sim(path, change)
    await town.client.try_sim("fault", method="DELETE")


async def role_unheard(town: Town, name: str, position: int, **more: Any) -> None:
    await unheard(town, "role", role=name, action="create", position=position, **more)


async def silent(town: Town, path: str = SERVER, **fault: Any) -> None:
    """Let Discord not tell something until it is asked to."""
    await town.client.sim("fault", {"path": path, "status": 503, "times": None, **fault})


async def _unasked(*_: object) -> None:
    pass


async def answers_again(town: Town) -> None:
    await town.client.try_sim("fault", method="DELETE")


async def two_timers(town: Town, name: str, by: str = "mona", **options: str) -> Json:
    """Start two timers, and have the one who gives a command asked which is meant."""
    for role in ("VIP", "Trial"):
        await public(town, "olga", "settime", **SET, role=role)
        if name == "resumetime":
            await public(town, "olga", "pausetime", user="max", role=role)
    return await public(town, by, name, user="max", **options)


async def click(town: Town, asked: Json, role: str = "VIP", by: str = "mona") -> str:
    """Choose from a menu; return the private refusal, which leaves the menu for another choice."""
    record = await town.wait(await town.choose(by, asked["message"], role), "followed")
    assert record["callback_type"] == 6
    (followup,) = record["followups"]
    assert followup["flags"] == 64
    shown = (await town.client.sim(f"interaction/{asked['id']}", method="GET"))["message"]
    assert shown["components"]
    return str(followup["content"])


# A role that the gateway never told of.


async def test_a_timer_of_a_role_that_nobody_told_of_is_not_for_those_below_it(town: Town) -> None:
    await role_unheard(town, "Gold", ABOVE_MODERATOR)
    await public(town, "olga", "settime", **SET, role="Gold")

    for name in ("cleartime", "pausetime"):
        told = taken_back(await town.say("mona", name, user="max"))
        assert told == f"**Gold** {TOO_LOW}"
    assert ["TimerSet"] == await town.events()


async def test_a_menu_with_a_role_that_nobody_told_of_is_not_for_those_below_it(town: Town) -> None:
    await role_unheard(town, "Gold", ABOVE_MODERATOR)
    await public(town, "olga", "settime", **SET, role="Gold")
    await public(town, "olga", "settime", **SET, role="VIP")
    asked = await public(town, "mona", "cleartime", user="max")

    assert TOO_LOW in await click(town, asked, "Gold")
    (row,) = asked["message"]["components"]
    assert {"Gold", "VIP"} == {option["label"] for option in row["components"][0]["options"]}
    assert ["TimerSet"] * 2 == await town.events()


@pytest.mark.parametrize("fault", [{}, {"status": None, "hang": 3.0}, {"status": 429}])
async def test_when_discord_does_not_tell_a_role_that_nobody_told_of_is_not_cleared(
    town: Town, monkeypatch: pytest.MonkeyPatch, fault: dict[str, Any]
) -> None:
    monkeypatch.setattr(asking, "PATIENCE", 2.5)
    await role_unheard(town, "Gold", ABOVE_MODERATOR)
    await public(town, "olga", "settime", **SET, role="Gold")
    await silent(town, **fault)

    assert UNTOLD == taken_back(await town.say("mona", "cleartime", user="max"))
    assert UNTOLD == refused_at_once(await town.say("mona", "cleartime", user="max", role="Gold"))
    assert ["TimerSet"] == await town.events()

    await answers_again(town)
    assert TOO_LOW in taken_back(await town.say("mona", "cleartime", user="max"))


async def test_a_role_that_was_deleted_unheard_is_not_given(
    town: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Observer, "roles_checked", _unasked)  # which would end the timer first
    await public(town, "mona", "settime", **SET, role="VIP")
    await unheard(town, "role", role="VIP", action="delete")

    told = taken_back(await town.say("mona", "addtime", **SET))

    assert told == "That role was deleted; `/cleartime` ends its timer."
    record = await public(town, "mona", "cleartime", user="max")
    assert fields(record)["Role"].startswith("deleted role")


async def test_who_holds_a_role_that_nobody_told_of_stands_as_high_as_it(town: Town) -> None:
    await role_unheard(town, "Chief", ABOVE_MODERATOR, permissions=["MANAGE_ROLES"])
    await town.client.sim("member", {"user": "vera", "action": "give", "role": "Chief"})

    await public(town, "vera", "settime", **SET, role="VIP")

    await silent(town)
    assert UNTOLD == refused_at_once(await town.say("vera", "settime", **SET, role="Trial"))
    assert ["TimerSet"] == await town.events()


# Places in the order of roles, and the owner.


@pytest.mark.parametrize(
    "change",
    [
        {"role": "VIP", "action": "move", "position": ABOVE_MODERATOR},
        {"role": "Moderator", "action": "move", "position": 1},
    ],
)
async def test_a_move_that_nobody_told_of_counts(town: Town, change: dict[str, Any]) -> None:
    await public(town, "olga", "settime", **SET, role="VIP")
    await unheard(town, "role", **change)

    assert TOO_LOW in refused_at_once(await town.say("mona", "cleartime", user="max", role="VIP"))
    assert TOO_LOW in taken_back(await town.say("mona", "cleartime", user="max"))
    assert ["TimerSet"] == await town.events()


@pytest.mark.parametrize(
    "change",
    [
        {"role": "VIP", "action": "move", "position": 1},
        {"role": "BoostMon", "action": "move", "position": ABOVE_MODERATOR},
    ],
)
async def test_nobody_is_refused_for_an_order_that_is_no_more(
    town: Town, change: dict[str, Any]
) -> None:
    await town.client.sim("role", {"role": "BoostMon", "action": "move", "position": 2})
    await unheard(town, "role", **change)

    await public(town, "mona", "settime", **SET, role="VIP")


async def test_who_is_not_the_owner_any_more_is_not_above_all(town: Town) -> None:
    await public(town, "olga", "settime", **SET, role="VIP")
    guild = town.client.sandbox.discord.world.guilds[town.client.ids["guild"]]
    await town.client.sim("member", {"user": "olga", "action": "give", "role": "Trial"})
    guild.roles[town.client.role("Trial")].permissions |= 1 << 28  # MANAGE_ROLES
    guild.owner_id = town.client.user("max")

    told = taken_back(await town.say("olga", "cleartime", user="max", role="VIP"))

    assert TOO_LOW in told
    assert ["TimerSet"] == await town.events()
    await public(town, "max", "cleartime", user="max", role="VIP")


# What a list shows.


async def test_a_role_that_nobody_told_of_is_named_in_a_list(town: Town) -> None:
    await role_unheard(town, "Gold", BELOW_MODERATOR)
    await public(town, "olga", "settime", **SET, role="Gold")

    told = await town.say("max", "timeleft")
    await silent(town)
    unknown = await town.say("max", "timeleft")

    assert ["Gold"] == [field["name"] for field in embed(told)["fields"]]
    assert [f"Role {town.id_of('role', 'Gold')}"] == [
        field["name"] for field in embed(unknown)["fields"]
    ]


# A menu is judged as it is answered.


async def test_a_menu_is_not_for_who_may_not_manage_roles_any_more(town: Town) -> None:
    asked = await two_timers(town, "pausetime")
    await town.client.sim("role", {"role": "Moderator", "action": "edit", "permissions": []})

    assert NOT_ALLOWED == await click(town, asked)

    rights = {"permissions": ["MANAGE_ROLES"]}
    await town.client.sim("role", {"role": "Moderator", "action": "edit", **rights})
    told = await town.wait(await town.choose("mona", asked["message"], "VIP"), "edited")
    assert embed(told)["title"] == "Timed Role Paused"
    assert (await town.events())[2:] == ["Paused"]


async def test_a_menu_is_not_for_who_lost_their_rank(town: Town) -> None:
    asked = await two_timers(town, "cleartime")
    await town.client.sim(
        "role", {"role": "Trial", "action": "edit", "permissions": ["MANAGE_ROLES"]}
    )
    await town.client.sim("member", {"user": "mona", "action": "roles", "roles": ["Trial"]})

    refused = await town.reply(await town.choose("mona", asked["message"], "VIP"))
    assert TOO_LOW in refused_at_once(refused)
    assert ["TimerSet"] * 2 == await town.events()


async def test_a_menu_is_for_whom_the_servers_settings_allow_the_command(town: Town) -> None:
    helper = {"role": "Helper", "action": "create", "position": ABOVE_MODERATOR - 1}
    await town.client.sim("role", helper)
    await town.client.sim("member", {"user": "vera", "action": "give", "role": "Helper"})
    rule = {"action": "commands", "command": "pausetime"}
    await town.client.sim("guild", rule | {"allow": ["vera"]})
    asked = await two_timers(town, "pausetime", by="vera")
    await town.client.sim("guild", rule | {"deny": ["vera"]})

    assert NOT_ALLOWED == await click(town, asked, by="vera")

    await town.client.sim("guild", rule | {"allow": ["Helper"]})
    told = await town.wait(await town.choose("vera", asked["message"], "VIP"), "edited")
    assert embed(told)["title"] == "Timed Role Paused"


async def test_a_menu_is_not_for_whom_the_servers_settings_forbid_the_command(town: Town) -> None:
    asked = await two_timers(town, "pausetime")
    await town.client.sim("guild", {"action": "commands", "deny": ["Moderator"]})

    assert NOT_ALLOWED == await click(town, asked)
    assert ["TimerSet"] * 2 == await town.events()


async def test_a_countdown_does_not_start_for_who_has_left_since_the_menu(town: Town) -> None:
    asked = await two_timers(town, "resumetime")
    await town.client.sim("member", {"user": "max", "action": "leave"})

    assert "is not in this server" in await click(town, asked)
    assert "Resumed" not in await town.events()

    await town.client.sim("member", {"user": "max", "action": "join"})
    told = await town.wait(await town.choose("mona", asked["message"], "VIP"), "edited")
    assert embed(told)["title"] == "Timed Role Resumed"


async def test_a_timer_of_who_has_left_since_the_menu_can_still_be_ended(town: Town) -> None:
    asked = await two_timers(town, "cleartime")
    await town.client.sim("member", {"user": "max", "action": "leave"})

    told = await town.wait(await town.choose("mona", asked["message"], "VIP"), "edited")

    assert embed(told)["title"] == "Timed Role Cleared"


async def test_a_role_that_was_deleted_since_the_menu_is_not_given(
    town: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Observer, "roles_checked", _unasked)
    asked, vip = await two_timers(town, "addtime", duration="1h"), town.id_of("role", "VIP")
    await unheard(town, "role", role="VIP", action="delete")

    assert "That role was deleted" in await click(town, asked, vip)
    assert ["TimerSet"] * 2 == await town.events()


@pytest.mark.parametrize("path", [SERVER, MEMBER, SETTINGS])
async def test_a_choice_that_cannot_be_judged_is_refused_and_can_be_made_again(
    town: Town, path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(asking, "PATIENCE", 1.0)
    asked = await two_timers(town, "resumetime")
    await silent(town, path)

    assert UNTOLD == await click(town, asked)
    assert "Resumed" not in await town.events()

    await answers_again(town)
    clicks = [await town.choose("mona", asked["message"], role) for role in ("VIP", "Trial")]
    for made in clicks:
        assert [] == (await town.wait(made, "edited"))["followups"]
    assert 1 == (await town.events()).count("Resumed")


# A server that the gateway never told of.


async def test_a_server_that_nobody_told_of_is_asked_for(town: Town) -> None:
    """Discord sends its commands to the bot all the same."""
    await town.client.sim("gateway", {"action": "lose", "event": "GUILD_CREATE", "times": None})
    for action in ("remove_bot", "add_bot"):
        await town.client.sim("guild", {"action": action})
    await town.client.sim("role", {"role": "BoostMon", "action": "move", "position": 7})

    assert TOO_LOW in refused_at_once(await town.say("mona", "settime", **SET, role="Admin"))
    await town.say("mona", "settime", **SET, role="VIP")
    assert ["TimerSet"] == await town.events()
    async with asyncio.timeout(20):
        while town.roles_of("max") != ["VIP"]:  # noqa: ASYNC110 - Discord does not tell the test
            await asyncio.sleep(0.05)

    await silent(town)
    assert UNTOLD == refused_at_once(await town.say("mona", "settime", **SET, role="Trial"))


# A channel, and a role that was held.


@pytest.mark.parametrize("event", ["CHANNEL_CREATE", "CHANNEL_UPDATE"])
async def test_a_channel_that_nobody_told_of_takes_notices(town: Town, event: str) -> None:
    lose = {"action": "lose", "event": event, "times": None}
    if event == "CHANNEL_CREATE":
        await town.client.sim("gateway", lose)
        await town.client.sim("channel", {"channel": "news", "action": "create"})
    else:
        deny = [{"role": "BoostMon", "deny": ["SEND_MESSAGES"]}]
        change = {"channel": "general", "action": "edit"}
        await town.client.sim("channel", change | {"overwrites": deny})
        await town.client.sim("gateway", lose)
        await town.client.sim("channel", change | {"overwrites": []})
    name = "news" if event == "CHANNEL_CREATE" else "general"

    told = await public(town, "mona", "settime", **SET, role="VIP", channel=name)

    assert fields(told)["Warning Channel"] == f"<#{town.id_of('channel', name)}>"
    assert "cannot post" not in fields(told)["Notes"]

    await silent(town)
    told = await public(town, "mona", "settime", **SET, role="Trial", channel="staff")
    assert "cannot post" in fields(told)["Notes"]


async def test_that_a_role_was_held_is_seen_though_nobody_told_of_it(town: Town) -> None:
    await role_unheard(town, "Gold", BELOW_MODERATOR)
    await town.client.sim("member", {"user": "max", "action": "give", "role": "Gold"})

    told = await public(town, "mona", "settime", **SET, role="Gold")

    assert replies.HELD_BEFORE in fields(told)["Notes"]


async def test_a_stop_answers_those_who_wait_for_what_discord_does_not_tell(town: Town) -> None:
    await public(town, "mona", "settime", **SET, role="VIP")
    await silent(town, status=None, hang=30.0)
    given = await town.send("mona", "cleartime", user="max")
    await town.wait(given, "answered")

    await town.stop()
    told = taken_back(await town.reply(given))
    await answers_again(town)
    await town.start()

    assert UNTOLD == told
    assert ["TimerSet"] == await town.events()


# A command that was long on its way.


async def late(town: Town, name: str, change: Json, **options: str) -> Json:
    """Let mona give a command that the bot hears of late, behind a *change* of a member."""
    delay = {"action": "delay", "event": "INTERACTION_CREATE", "seconds": 1.3}
    await town.client.sim("gateway", delay)
    given = await town.client.sim("interaction", town._body("mona", name, options))  # noqa: SLF001
    if change:
        await town.client.sim("member", change)
    return await town.reply(given["id"])


@pytest.mark.parametrize("role", [{"role": "VIP"}, {}])
@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"user": "mona", "action": "take", "role": "Moderator"}, NOT_ALLOWED),
        ({"user": "mona", "action": "leave"}, NOT_ALLOWED),
    ],
)
async def test_a_late_command_is_judged_by_what_its_caller_is_now(
    town: Town, change: Json, told: str, role: dict[str, str]
) -> None:
    await public(town, "olga", "settime", **SET, role="VIP")

    record = await late(town, "cleartime", change, user="max", **role)

    assert told == taken_back(record)
    assert ["TimerSet"] == await town.events()


@pytest.mark.parametrize("name", ["settime", "addtime"])
async def test_a_late_command_starts_no_countdown_for_who_has_left(town: Town, name: str) -> None:
    gone = {"user": "max", "action": "leave"}

    record = await late(town, name, gone, **SET, role="VIP")

    assert "is not in this server" in taken_back(record)
    assert [] == await town.events()


async def test_a_late_command_behind_which_nothing_changed_counts(town: Town) -> None:
    record = await late(town, "settime", {}, **SET, role="VIP")

    assert "Timed Role Activated" == embed(record)["title"]

    await silent(town, MEMBER)
    assert UNTOLD == taken_back(await late(town, "cleartime", {}, user="max", role="VIP"))

"""The seven commands, end to end: the real bot, real disnake, PostgreSQL, a Discord on loopback."""

import asyncio
from collections.abc import AsyncIterator

import asyncpg
import pytest

from boostmon.bot.members.observer import Observer
from boostmon.bot.slash import answers, reception, settling
from boostmon.bot.wording import replies
from boostmon.database.connections.pool import Database
from boostmon.events.timer import MINUTE
from boostmon.projections.role_timers import RoleTimers
from tests.support.town import Json, Town
from tests.support.town import town as a_town

GIVE = "/guilds/{guild_id}/members/{user_id}/roles/{role_id}"
CALLBACK = "/interactions/{interaction_id}/{interaction_token}/callback"
ORIGINAL = "^/webhooks/[0-9]+/[^/]+/messages/@original$"


@pytest.fixture
async def town(database: Database, owner_url: str) -> AsyncIterator[Town]:
    """Lend a town in which the bot is at work."""
    async with a_town(database, owner_url) as made:
        yield made


def embed(record: Json) -> Json:
    """Return the embed of a reply."""
    (shown,) = record["message"]["embeds"]
    return dict(shown)


def fields(record: Json) -> dict[str, str]:
    """Return the fields of the reply's embed."""
    return {field["name"]: field["value"] for field in embed(record)["fields"]}


def refused_at_once(record: Json) -> str:
    """Return the private sentence that came instead of an acknowledgement."""
    assert (record["callback_type"], record["ephemeral"]) == (4, True)
    assert record["acknowledged_ms"] < 1000
    return str(record["message"]["content"])


def taken_back(record: Json) -> str:
    """Return the private sentence that took the place of a public reply."""
    assert (record["callback_type"], record["ephemeral"]) == (5, False)
    assert record["deleted"]
    (followup,) = record["followups"]
    assert followup["flags"] == 64
    return str(followup["content"])


async def public(town: Town, who: str, name: str, **options: str) -> Json:
    """Let a command be given that is answered publicly, in time."""
    record = await town.say(who, name, **options)
    assert (record["callback_type"], record["ephemeral"], record["deleted"]) == (5, False, False)
    assert record["acknowledged_ms"] < 1000
    assert record["message"]["pinged"] == []
    return record


async def _unheard(*_: object) -> None:
    pass


def _broken(*_: object) -> None:
    raise LookupError("nobody expected this")


async def direct_messages(town: Town) -> list[Json]:
    """Return the direct messages, once there are any."""
    messages: list[Json] = []
    for _ in range(250):
        state = town.client.sandbox.state()
        messages = [message for dm in state["dms"] for message in dm["messages"]]
        if messages:
            break
        await asyncio.sleep(0.02)
    return messages


async def recorded_are(town: Town, number: int) -> None:
    """Wait until the log holds *number* events."""
    for _ in range(500):
        if len(await town.events()) == number:
            return
        await asyncio.sleep(0.02)
    raise TimeoutError(f"the log did not come to hold {number} events")


async def test_the_life_of_a_timer(town: Town) -> None:
    timer = {"user": "max", "role": "VIP"}
    told = await public(town, "mona", "settime", **timer, duration="1h", channel="general")
    assert embed(told)["title"] == "Timed Role Activated"
    assert fields(told)["Warning Channel"] == f"<#{town.id_of('channel', 'general')}>"
    assert fields(told)["Notes"] == f"<@{town.id_of('user', 'max')}> has the role."
    assert town.roles_of("max") == ["VIP"]

    told = await public(town, "mona", "addtime", user="max", duration="30")
    assert embed(told)["title"] == "Timed Role Extended"
    assert fields(told)["Time Added"] == "30 minutes"

    told = await public(town, "mona", "pausetime", **timer)
    assert embed(told)["title"] == "Timed Role Paused"
    assert fields(told)["Remaining"] == "1 hour 30 minutes"
    assert town.roles_of("max") == ["VIP"]

    told = await public(town, "mona", "removetime", user="max", duration="1h")
    assert fields(told)["Expires"] == "Paused, 30 minutes left"

    told = await public(town, "mona", "resumetime", user="max")
    assert embed(told)["title"] == "Timed Role Resumed"
    assert fields(told)["Remaining"] == "30 minutes"

    told = await public(town, "mona", "removetime", user="max", duration="1d")
    assert embed(told)["title"] == "Timed Role Reduced (Expired)"
    assert fields(told)["Result"] == f"{replies.ENDED}\nThe role was taken away."
    assert town.roles_of("max") == []

    told = await public(town, "mona", "addtime", **timer, duration="2 days")
    assert embed(told)["title"] == "Timed Role Activated"
    assert replies.STARTED in fields(told)["Notes"]

    told = await public(town, "mona", "cleartime", user="max")
    assert embed(told)["title"] == "Timed Role Cleared"
    assert embed(told)["description"] == "The role was taken away."
    assert fields(told)["Remaining"] == "2 days"
    assert town.roles_of("max") == []

    assert await town.events() == [
        "TimerSet",
        "TimeAdded",
        "Paused",
        "TimeRemoved",
        "Resumed",
        "TimeRemoved",
        "Expired",
        "TimerSet",
        "Cleared",
    ]


async def test_timeleft_is_private_and_lists_every_timer(town: Town) -> None:
    for role in ("VIP", "Trial"):
        await public(town, "mona", "settime", user="max", role=role, duration="1h")
    await public(town, "mona", "pausetime", user="max", role="Trial")

    own = await town.say("max", "timeleft")
    one = await town.say("vera", "timeleft", user="max", role="Trial")
    none = await town.say("vera", "timeleft")

    assert (own["ephemeral"], own["callback_type"]) == (True, 5)
    assert list(fields(own)) == ["VIP", "Trial"]
    assert fields(own)["VIP"].startswith("Ends <t:")
    assert fields(one) == {"Trial": "**Paused**, 1 hour left"}
    assert embed(none)["description"].endswith("has no timed role here.")


async def test_what_the_interaction_tells_is_refused_at_once(town: Town) -> None:
    everyone = town.client.ids["guild"]
    await town.client.sim("guild", {"action": "commands", "command": "settime", "allow": ["max"]})
    for who, role, duration, sentence in [
        ("mona", everyone, "1h", "Everybody has `@everyone` for good; name another role."),
        ("olga", "Server Booster", "1h", "**Server Booster** is managed by an integration"),
        (
            "olga",
            "Admin",
            "1h",
            "Move BoostMon's role above **Admin** in Server Settings → Roles.",
        ),
        ("olga", "BoostMon", "1h", "managed"),
        ("mona", "Moderator", "1h", "**Moderator** is not below your highest role"),
        ("max", "VIP", "1h", "**VIP** is not below your highest role"),
        ("mona", "VIP", "1:30", "`1h30m`"),
        ("mona", "VIP", "0", "A duration is at least a minute"),
        ("mona", "VIP", "9999d", "more than 5 years"),
    ]:
        record = await town.say(who, "settime", user="vera", role=role, duration=duration)
        assert sentence in refused_at_once(record)

    assert await town.events() == []
    assert town.roles_of("vera") == ["Supporter"]


async def test_without_manage_roles_the_bot_says_what_it_needs(town: Town) -> None:
    await town.client.sim("role", {"role": "BoostMon", "action": "edit", "permissions": []})

    record = await town.say("mona", "settime", user="max", role="VIP", duration="1h")

    assert "allow it **Manage Roles**" in refused_at_once(record)
    assert await town.events() == []


async def test_what_the_log_tells_takes_the_public_reply_back(town: Town) -> None:
    max_ = f"<@{town.id_of('user', 'max')}>"
    none = await town.say("mona", "cleartime", user="max", role="VIP")
    nothing = await town.say("mona", "pausetime", user="max")
    assert "There is no such timer" in taken_back(none)
    assert f"{max_} has no running timer here; see `/timeleft`." == taken_back(nothing)

    await public(town, "mona", "settime", user="max", role="VIP", duration="1h")
    running = await town.say("mona", "resumetime", user="max", role="VIP")
    await public(town, "mona", "pausetime", user="max")
    paused = await town.say("mona", "pausetime", user="max", role="VIP")
    too_long = await town.say("mona", "addtime", user="max", duration="1825d")

    assert "is not paused" in taken_back(running)
    assert "already paused" in taken_back(paused)
    assert "5 years" in taken_back(too_long)
    assert await town.events() == ["TimerSet", "Paused"]


async def test_no_countdown_starts_for_somebody_who_left(town: Town) -> None:
    for role in ("VIP", "Trial"):
        await public(town, "mona", "settime", user="max", role=role, duration="1h")
    await town.client.sim("member", {"user": "max", "action": "leave"})

    paused = await public(town, "mona", "pausetime", user="max", role="VIP")
    resumed = await town.say("mona", "resumetime", user="max")
    again = await town.say("mona", "settime", user="max", role="VIP", duration="1h")
    started = await town.say("mona", "addtime", user="max", role="Supporter", duration="1h")
    cleared = await public(town, "mona", "cleartime", user="max", role="VIP")
    left = await town.say("vera", "timeleft", user="max")

    assert embed(paused)["title"] == "Timed Role Paused"
    assert "is not in this server" in refused_at_once(resumed)
    assert "is not in this server" in refused_at_once(again)
    assert "is not in this server" in taken_back(started)
    assert "the member has left the server" in embed(cleared)["description"]
    assert list(fields(left)) == ["Trial"]


async def test_a_role_held_before_is_noted(town: Town) -> None:
    told = await public(town, "mona", "settime", user="vera", role="Supporter", duration="1h")

    assert replies.HELD_BEFORE in fields(told)["Notes"]


async def test_a_channel_where_the_bot_cannot_post_is_not_recorded(town: Town) -> None:
    timer = {"user": "max", "role": "VIP", "duration": "1h"}
    told = await public(town, "mona", "settime", **timer, channel="staff")

    assert fields(told)["Warning Channel"] == "DMs"
    assert "cannot post in <#" in fields(told)["Notes"]


async def test_a_role_that_discord_refuses_is_stuck_and_said_to_be(town: Town) -> None:
    refusal = {"message": "Missing Permissions", "code": 50013}
    fault = {"method": "PUT", "path": GIVE, "status": 403, "times": 9, "body": refusal}
    await town.client.sim("fault", fault)

    told = await public(town, "mona", "settime", user="max", role="VIP", duration="1h")

    assert (
        "This is recorded, but Discord does not let BoostMon give the role"
        in (fields(told)["Notes"])
    )
    assert "Discord refuses **VIP** although" in fields(told)["Notes"]
    assert await town.events() == ["TimerSet"]
    staff = await town.say("mona", "timeleft", user="max")
    member = await town.say("max", "timeleft")
    assert "Discord refuses **VIP** although" in fields(staff)["VIP"]
    assert "waiting for the server's staff" in fields(member)["VIP"]

    await town.client.sim("fault", method="DELETE")
    await town.client.sim("role", {"role": "BoostMon", "action": "move", "position": 5})
    for _ in range(250):
        if town.roles_of("max") == ["VIP"]:
            break
        await asyncio.sleep(0.02)
    assert town.roles_of("max") == ["VIP"]


async def test_an_interaction_delivered_twice_counts_once(town: Town) -> None:
    await public(town, "mona", "settime", user="max", role="VIP", duration="1h")
    twice = await town.send("mona", "addtime", deliveries=2, user="max", duration="1h")

    told = await town.reply(twice)

    assert embed(told)["title"] == "Timed Role Extended"
    assert await town.events() == ["TimerSet", "TimeAdded"]


async def test_several_timers_become_a_menu_for_the_caller_alone(town: Town) -> None:
    for role in ("VIP", "Trial"):
        await public(town, "mona", "settime", user="max", role=role, duration="1h")
    asked = await public(town, "mona", "pausetime", user="max")
    assert "Which one is meant?" in asked["message"]["content"]

    other = await town.reply(await town.choose("olga", asked["message"], "VIP"))
    assert "Only the one who gave the command may choose" in refused_at_once(other)

    await town.client.sim("fault", {"path": ORIGINAL, "method": "PATCH", "hang": 0.5})
    clicks = [await town.choose("mona", asked["message"], role) for role in ("VIP", "Trial")]
    for click in clicks:
        record = await town.wait(click, "edited")
        assert record["callback_type"] == 6
        assert record["followups"] == []

    shown = (await town.client.sim(f"interaction/{asked['id']}", method="GET"))["message"]
    assert shown["embeds"][0]["title"] == "Timed Role Paused"
    assert shown["components"] == []
    assert await town.events() == ["TimerSet", "TimerSet", "Paused"]


async def test_a_menu_outlives_the_bot_and_its_choice_is_judged_again(town: Town) -> None:
    for role in ("VIP", "Trial"):
        await public(town, "mona", "settime", user="max", role=role, duration="1h")
    asked = await public(town, "mona", "addtime", user="max", duration="1d")
    await town.stop()
    await town.client.sim("role", {"role": "VIP", "action": "move", "position": 6})
    await town.start()

    too_high = await town.reply(await town.choose("mona", asked["message"], "VIP"))
    chosen = await town.choose("mona", asked["message"], "Trial")
    told = await town.wait(chosen, "edited")

    assert "**VIP**" in refused_at_once(too_high)
    assert fields(told)["Time Added"] == "1 day"
    assert await town.events() == ["TimerSet", "TimerSet", "TimeAdded"]
    log = "SELECT command_id FROM event_log ORDER BY position DESC LIMIT 1"
    recorded = await town.database.run(lambda connection: connection.fetchval(log))
    assert recorded == asked["id"]


async def test_a_refused_choice_leaves_the_menu_for_another(town: Town) -> None:
    for role in ("VIP", "Trial"):
        await public(town, "mona", "settime", user="max", role=role, duration="1h")
    asked = await public(town, "mona", "pausetime", user="max")
    await public(town, "mona", "pausetime", user="max", role="VIP")

    click = await town.wait(await town.choose("mona", asked["message"], "VIP"), "followed")

    assert "already paused" in click["followups"][0]["content"]
    assert click["followups"][0]["flags"] == 64
    told = await town.wait(await town.choose("mona", asked["message"], "Trial"), "edited")
    assert embed(told)["title"] == "Timed Role Paused"


async def test_the_timer_of_a_deleted_role_can_be_cleared(
    town: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Observer, "role_deleted", _unheard)
    await public(town, "mona", "settime", user="max", role="VIP", duration="1h")
    role_id = town.id_of("role", "VIP")
    await town.client.sim("role", {"role": "VIP", "action": "delete"})

    left = await town.say("max", "timeleft")
    assert list(fields(left)) == [f"Deleted role {role_id}"]
    more = await town.say("mona", "addtime", user="max", duration="1h")
    assert "That role was deleted" in taken_back(more)
    told = await public(town, "mona", "cleartime", user="max")
    assert fields(told)["Role"] == f"deleted role `{role_id}`"


async def test_typing_a_duration_shows_what_it_means(town: Town) -> None:
    shown = await town.type("mona", "settime", user="max", role="VIP", duration="1h30m")
    more = await town.type("mona", "addtime", user="max", duration="1h30m")
    less = await town.type("mona", "removetime", user="max", duration="90")
    usual = await town.type("mona", "settime", user="max", role="VIP", duration="")
    nothing = await town.type("mona", "settime", user="max", role="VIP", duration="soon")

    (name,) = shown
    assert name.startswith("1h30m → ends ")
    assert name.endswith(" UTC, in 1 hour 30 minutes")
    assert more == {"1h30m → 1 hour 30 minutes more": "1h30m"}
    assert less["90 → 1 hour 30 minutes less"] == "90"
    assert "30m" in usual.values()
    assert nothing == {}


async def test_what_could_not_be_acknowledged_is_not_decided(town: Town) -> None:
    fault = {"method": "POST", "path": CALLBACK, "hang": 3.5, "times": None}
    await town.client.sim("fault", fault)

    late = await town.send("mona", "settime", user="max", role="VIP", duration="1h")
    record = await town.wait(late, "answered", seconds=4)

    assert record["acknowledged_ms"] is None
    assert await town.events() == []


async def test_while_the_database_is_silent_the_outcome_is_called_open(
    town: Town, owner: asyncpg.Connection
) -> None:
    async with owner.transaction():
        await owner.execute("SELECT lock_log()")
        held_up = await town.send("mona", "settime", user="max", role="VIP", duration="1h")
        record = await town.wait(held_up, "edited")
        assert record["message"]["content"] == replies.OPEN

    for _ in range(100):
        record = await town.client.sim(f"interaction/{held_up}", method="GET")
        if record["edits"] == 2:
            break
        await asyncio.sleep(0.1)
    assert embed(record)["title"] == "Timed Role Activated"
    assert record["message"]["content"] == ""
    assert await town.events() == ["TimerSet"]


async def test_a_stop_answers_those_who_wait(town: Town, owner: asyncpg.Connection) -> None:
    hang = {"method": "PUT", "path": GIVE, "hang": 5}
    await town.client.sim("fault", hang)
    recorded = await town.send("mona", "settime", user="max", role="VIP", duration="1h")
    await recorded_are(town, 1)
    async with owner.transaction():
        await owner.execute("SELECT lock_log()")
        silent = await town.send("mona", "settime", user="vera", role="VIP", duration="1h")
        await town.wait(silent, "answered")
        await town.stop()

    told, unknown = await town.reply(recorded), await town.reply(silent)
    assert "The role is being given." in fields(told)["Notes"]
    assert "stopped before the database answered" in taken_back(unknown)
    await town.start()


async def test_an_outcome_too_late_for_the_reply_comes_by_dm(
    town: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(answers, "TOKEN_LASTS", 0)

    await town.send("mona", "settime", user="max", role="VIP", duration="1h")

    (message,) = await direct_messages(town)
    assert embed({"message": message})["title"] == "Timed Role Activated"


async def test_an_outcome_whose_reply_is_gone_comes_by_dm(town: Town) -> None:
    gone = {"message": "Unknown Message", "code": 10008}
    fault = {"method": "PATCH", "path": ORIGINAL, "status": 404, "body": gone, "times": None}
    await town.client.sim("fault", fault)

    await town.send("mona", "settime", user="max", role="VIP", duration="1h")

    (message,) = await direct_messages(town)
    assert embed({"message": message})["title"] == "Timed Role Activated"


async def test_nothing_was_recorded_is_said_where_that_is_certain(
    town: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(settling, "PATIENCE", 0.1)
    monkeypatch.setattr(RoleTimers, "of_member", lambda *_: asyncio.Event().wait())

    record = await town.say("mona", "pausetime", user="max")
    left = await town.say("max", "timeleft")

    assert taken_back(record) == replies.NOTHING_RECORDED
    assert (left["ephemeral"], left["message"]["content"]) == (True, replies.UNANSWERED)


async def test_what_nobody_expected_is_answered_privately(
    town: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(replies, "outcome", _broken)
    record = await town.say("mona", "settime", user="max", role="VIP", duration="1h")
    assert taken_back(record) == replies.UNEXPECTED

    monkeypatch.setattr(reception, "check_role", _broken)
    record = await town.say("mona", "settime", user="max", role="VIP", duration="1h")
    assert refused_at_once(record) == replies.UNEXPECTED

    monkeypatch.setattr(reception.Reception, "command", _broken)
    record = await town.say("mona", "settime", user="max", role="VIP", duration="1h")
    assert refused_at_once(record) == replies.UNEXPECTED


async def test_a_hundred_additions_at_once_add_up(town: Town) -> None:
    await public(town, "mona", "settime", user="max", role="VIP", duration="1h")
    ask = "SELECT expires_at FROM role_timers"
    before = await town.database.run(lambda connection: connection.fetchval(ask))

    adding = (town.send("mona", "addtime", user="max", duration="1") for _ in range(100))
    await asyncio.gather(*adding)
    await recorded_are(town, 101)

    after = await town.database.run(lambda connection: connection.fetchval(ask))
    assert (await town.events()).count("TimeAdded") == 100
    assert after - before == 100 * MINUTE

"""What Discord does on its own, seen by the real bot through the gateway."""

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

import asyncpg
import pytest

from boostmon.bot import observer
from boostmon.database.pool import Database
from tests.town import Town
from tests.town import town as a_town


@pytest.fixture
async def town(
    database: Database, owner_url: str, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Town]:
    """Lend a town in which the bot may see members, and everything settles quickly."""
    monkeypatch.setattr(observer, "SETTLES_AFTER", 0.2)
    async with a_town(database, owner_url, privileged_intents=["members"]) as made:
        yield made


async def until(look: Callable[[], Any], *, seconds: float = 10) -> Any:
    """Return what *look* (a function or a coroutine function) finds, once it finds something."""
    async with asyncio.timeout(seconds):
        while True:
            found = look()
            if asyncio.iscoroutine(found):
                found = await found
            if found:
                return found
            await asyncio.sleep(0.02)


async def recorded(owner: asyncpg.Connection, count: int) -> list[tuple[str, str, str]]:
    """Return type, reason and source of the events once there are *count*."""
    ask = "SELECT type, data ->> 'reason', metadata ->> 'source' FROM event_log ORDER BY position"

    async def look() -> list[tuple[str, str, str]] | None:
        rows = [tuple(row) for row in await owner.fetch(ask)]
        return rows if len(rows) >= count else None

    found: list[tuple[str, str, str]] = await until(look)
    return found


async def test_a_deleted_role_ends_its_timers(town: Town, owner: asyncpg.Connection) -> None:
    for user in ("max", "vera"):
        await town.say("mona", "settime", user=user, role="VIP", duration="1h")
    await town.say("mona", "settime", user="max", role="Trial", duration="1h")
    await town.client.sim("role", {"role": "VIP", "action": "delete"})
    log = await recorded(owner, 5)
    assert [("Cleared", "role_deleted", "discord")] * 2 == log[3:]
    assert await owner.fetchval("SELECT count(*) FROM role_timers") == 1


async def test_a_role_deleted_while_the_bot_was_away_ends_its_timers(
    town: Town, owner: asyncpg.Connection
) -> None:
    await town.say("mona", "settime", user="max", role="VIP", duration="1h")
    await town.stop()
    await town.client.sim("role", {"role": "VIP", "action": "delete"})
    await town.start()
    assert ("Cleared", "role_deleted", "discord") == (await recorded(owner, 2))[1]


async def test_a_member_who_comes_back_gets_the_role_again(town: Town) -> None:
    await town.say("mona", "settime", user="max", role="VIP", duration="1h")
    await town.client.sim("member", {"user": "max", "action": "leave"})
    await town.client.sim("member", {"user": "max", "action": "join"})
    await until(lambda: town.roles_of("max") == ["VIP"])


async def test_a_member_who_comes_back_too_late_gets_no_role(
    town: Town, owner: asyncpg.Connection
) -> None:
    await town.say("mona", "settime", user="max", role="VIP", duration="1h")
    await town.client.sim("member", {"user": "max", "action": "leave"})
    await town.say("mona", "cleartime", user="max")
    await town.client.sim("member", {"user": "max", "action": "join"})
    await town.client.sim("member", {"user": "max", "action": "give", "role": "VIP"})
    await until(lambda: town.roles_of("max") == [])
    assert ["TimerSet", "Cleared"] == [kind for kind, _, _ in await recorded(owner, 2)]


async def test_a_role_taken_by_hand_ends_the_timer(town: Town, owner: asyncpg.Connection) -> None:
    await town.say("mona", "settime", user="max", role="VIP", duration="1h")
    await town.client.sim("member", {"user": "max", "action": "take", "role": "VIP"})
    assert ("Cleared", "taken_by_hand", "discord") == (await recorded(owner, 2))[1]


async def test_a_role_taken_and_given_back_by_hand_ends_nothing(
    town: Town, owner: asyncpg.Connection
) -> None:
    await town.say("mona", "settime", user="max", role="VIP", duration="1h")
    await town.client.sim("member", {"user": "max", "action": "take", "role": "VIP"})
    await town.client.sim("member", {"user": "max", "action": "give", "role": "VIP"})
    await asyncio.sleep(0.6)
    assert ["TimerSet"] == [kind for kind, _, _ in await recorded(owner, 1)]


async def test_a_role_that_boostmon_takes_is_not_taken_by_hand(
    town: Town, owner: asyncpg.Connection
) -> None:
    await town.say("mona", "settime", user="max", role="VIP", duration="1h")
    await town.say("mona", "cleartime", user="max")
    await asyncio.sleep(0.6)
    assert ["TimerSet", "Cleared"] == [kind for kind, _, _ in await recorded(owner, 2)]


async def test_a_member_who_leaves_keeps_the_timer(town: Town, owner: asyncpg.Connection) -> None:
    await town.say("mona", "settime", user="max", role="VIP", duration="1h")
    await town.client.sim("member", {"user": "max", "action": "leave"})
    await asyncio.sleep(0.6)
    assert ["TimerSet"] == [kind for kind, _, _ in await recorded(owner, 1)]


async def test_an_outage_is_no_removal(town: Town, owner: asyncpg.Connection) -> None:
    await town.say("mona", "settime", user="max", role="VIP", duration="1h")
    await town.client.sim("guild", {"action": "outage"})
    await town.client.sim("guild", {"action": "back"})
    await asyncio.sleep(0.3)
    record = await town.say("mona", "cleartime", user="max")
    assert not record["deleted"]
    assert ["TimerSet", "Cleared"] == [kind for kind, _, _ in await recorded(owner, 2)]


async def test_a_bot_that_was_removed_does_what_is_owed_when_it_is_back(
    town: Town, owner: asyncpg.Connection
) -> None:
    await town.say("mona", "settime", user="max", role="VIP", duration="1h")
    await town.client.sim("guild", {"action": "remove_bot"})
    await town.expire("max", "VIP")

    async def stuck() -> Any:
        return await owner.fetchval("SELECT last_error FROM effects WHERE state = 'stuck'")

    assert "Invite BoostMon" in await until(stuck)
    await owner.execute("ALTER TABLE events DISABLE TRIGGER events_are_append_only")
    await owner.execute("UPDATE events SET recorded_at = recorded_at - interval '2 hours'")
    await town.client.sim("guild", {"action": "add_bot"})

    async def stuck_below() -> Any:
        """Tell when the invited bot has found that its new role is the lowest."""
        return "Move BoostMon's role" in str(await stuck())

    await until(stuck_below)
    await town.client.sim("role", {"role": "BoostMon", "action": "move", "position": 6})

    async def settled() -> Any:
        ask = "SELECT bool_and(done_at IS NOT NULL) FROM effects"
        return await owner.fetchval(ask)

    await until(settled)
    assert [] == town.roles_of("max")
    notice = await owner.fetchval("SELECT receipt ->> 'reason' FROM effects WHERE kind = 'notice'")
    assert "more than an hour old" in notice


async def test_a_start_during_an_outage_ends_no_timer(
    town: Town, owner: asyncpg.Connection
) -> None:
    await town.say("mona", "settime", user="max", role="VIP", duration="1h")
    await town.stop()
    await town.client.sim("guild", {"action": "outage"})
    restarted = asyncio.create_task(town.start())
    await asyncio.sleep(1)
    await town.client.sim("guild", {"action": "back"})
    await restarted
    assert ["TimerSet"] == [kind for kind, _, _ in await recorded(owner, 1)]

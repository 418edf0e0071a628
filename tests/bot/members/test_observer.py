"""What Discord does on its own, seen by the real bot through the gateway."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from typing import Any

import asyncpg
import pytest

from boostmon.bot.members import agreement, observer, reconciler
from boostmon.bot.members.observer import Observer
from boostmon.commands.decider import SetTime
from boostmon.commands.imports.import_shapes import ImportedTimer, Judged
from boostmon.commands.imports.importer import Importer
from boostmon.config import SweepConfig
from boostmon.database.connections.pool import Database
from boostmon.events.store import EventStore
from boostmon.events.timer import HOUR, NoTimer, TimerId
from boostmon.projections.effects.observed import Observed
from tests.commands.test_handler import StillClock
from tests.support import town as towns
from tests.support.timers import M, fresh_timer, handler_over, slash
from tests.support.town import Town
from tests.support.town import town as a_town


@pytest.fixture
async def town(
    database: Database, owner_url: str, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Town]:
    """Lend a town in which the bot may see members, and everything settles quickly."""
    monkeypatch.setattr(observer, "SETTLES_AFTER", 0.2)
    monkeypatch.setattr(agreement, "AGAIN_AFTER", 0.2)
    monkeypatch.setattr(agreement, "PROVEN_AFTER", 0.5)
    monkeypatch.setattr(agreement, "TOLD_AFTER", 0.2)
    monkeypatch.setattr(reconciler, "EVERY", 0.01)
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


async def test_a_role_taken_by_hand_from_a_guest_ends_the_timer(
    town: Town, owner: asyncpg.Connection
) -> None:
    await town.say("mona", "settime", user="max", role="VIP", duration="1h")
    guest: dict[str, Any] = {
        "user": {"id": town.client.user("max")},
        "roles": [],
        "joined_at": None,
    }
    path = "/guilds/{guild_id}/members/{user_id}"
    asked = {"path": path, "method": "GET", "status": 200, "body": guest, "times": 9}
    await town.client.sim("fault", asked)
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
    earlier = "jsonb_set(data::jsonb, '{at}', to_jsonb((data ->> 'at')::bigint - $1))"
    await owner.execute(f"UPDATE events SET data = {earlier}", 2 * HOUR)  # noqa: S608 - ours
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


async def test_what_two_factor_held_up_is_done_when_it_is_no_longer_asked_for(
    town: Town, owner: asyncpg.Connection
) -> None:
    await town.client.sim("user", {"user": "olga", "two_factor": False})
    await town.client.sim("guild", {"action": "two_factor"})
    await town.say("mona", "settime", user="max", role="VIP", duration="1h")
    assert "stuck" == await owner.fetchval("SELECT state FROM effects")
    await town.client.sim("guild", {"action": "two_factor", "required": False})
    await until(lambda: town.roles_of("max") == ["VIP"], seconds=5)


@pytest.fixture
def restoring(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have a role that is taken by hand given back."""
    config = SweepConfig(boostmon_role_taken="restore")
    monkeypatch.setattr(towns, "SweepConfig", lambda: config)


async def log_of(owner: asyncpg.Connection) -> list[str]:
    """Return the types of all events, and why a timer was cleared."""
    ask = "SELECT concat_ws(' ', type, data ->> 'reason') FROM event_log ORDER BY position"
    return [row[0] for row in await owner.fetch(ask)]


@pytest.mark.usefixtures("restoring")
async def test_a_role_that_is_restored_costs_no_other(
    town: Town, owner: asyncpg.Connection
) -> None:
    await town.say("mona", "settime", user="max", role="VIP", duration="1h")
    await town.say("mona", "cleartime", user="max")
    await owner.execute("UPDATE effects SET done_at = done_at - interval '1 month'")
    await town.client.sim("member", {"user": "max", "action": "give", "role": "VIP"})  # for good
    await town.say("mona", "settime", user="max", role="Trial", duration="1h")
    await owner.execute("UPDATE effects SET done_at = done_at - interval '1 hour'")
    await town.client.sim("member", {"user": "max", "action": "take", "role": "Trial"})

    async def restored() -> Any:
        ask = "SELECT bool_and(done_at > now() - interval '9 min') FROM effects WHERE position = 3"
        return await owner.fetchval(ask)

    await until(restored)
    assert {"Trial", "VIP"} == set(town.roles_of("max"))


class Untold:
    """A relay that is owed nothing."""

    leads = False

    def hasten(self, guild_id: str) -> None:
        raise AssertionError(guild_id)

    def reload(self) -> None:
        raise AssertionError

    def role_deleted(self, guild_id: str, role_id: str) -> None:
        assert guild_id != role_id


async def test_a_deleted_role_ends_the_next_life_of_its_timer_too(database: Database) -> None:
    timer, handler = fresh_timer(), handler_over(database)
    unused: Any = None
    seen = Observer(
        handler=handler,
        observed=Observed(database),
        standings=unused,
        api=unused,
        audit_log=unused,
        relay=Untold(),
        looks=unused,
        clock=StillClock(6),
    )
    for _ in range(2):  # the second /settime was under way when the role was deleted
        await handler.handle(timer, SetTime(0, HOUR, M), slash())
        await seen.role_deleted(timer.guild_id, timer.role_id)
    assert NoTimer() == (await EventStore(database).read(timer)).state


async def test_a_member_whose_timer_was_imported_gets_the_role_again_when_they_return(
    town: Town, database: Database
) -> None:
    ids, now = town.client.ids, int(time.time() * 1000)
    timer = TimerId(ids["guild"], ids["users"]["max"], ids["roles"]["VIP"])
    await town.client.sim("member", {"user": "max", "action": "give", "role": "VIP"})
    imported = ImportedTimer(timer=timer, shape="member", digest="d", expires_at=now + HOUR)
    importer = Importer(EventStore(database), now=now, warning_minutes=M)
    await importer.run(Judged("f", (imported,)))
    await town.client.sim("member", {"user": "max", "action": "leave"})
    await town.client.sim("member", {"user": "max", "action": "join"})
    await until(lambda: town.roles_of("max") == ["VIP"], seconds=4)

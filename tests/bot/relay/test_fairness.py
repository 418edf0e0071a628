"""Nobody is starved: a real bot in a server of which much is owed, and what others get there."""

import asyncio
import time
import traceback
from collections import Counter
from collections.abc import Awaitable, Callable
from typing import Any

import asyncpg
import pytest

from boostmon.database.connections.pool import Database
from boostmon.events.timer import HOUR
from tests.support.crowd import crowd, end, names, run_on, timers
from tests.support.sandbox_client import Client
from tests.support.town import Town
from tests.support.town import town as a_town

MANY = 1_000
STUCK = "Move BoostMon's role above **High** in Server Settings → Roles."
HAVE_STUCK = """
UPDATE effects SET state = 'stuck', attempts = 1, last_error = $1, due_at = clock_timestamp()
WHERE kind = 'take_role'
"""

TOLD = "SELECT count(*) FROM effects WHERE state = $1 AND last_error LIKE $2"


def now() -> int:
    """Tell the time, in ms."""
    return int(time.time() * 1000)


async def until(look: Callable[[], Awaitable[Any]], seconds: float) -> float:
    """Return after how many seconds something was so; it must be within *seconds*."""
    began = time.monotonic()
    while not await look():
        assert time.monotonic() - began < seconds, await look()
        await asyncio.sleep(0.05)
    return time.monotonic() - began


def asked(town: Town, method: str, part: str) -> list[dict[str, Any]]:
    """Return the requests of a kind."""
    requests = town.client.sandbox.state()["requests"]
    return [r for r in requests if r["method"] == method and part in r["path"]]


async def owe_many(database: Database, client: Client, role: str, users: list[str]) -> None:
    """Let the timers of *users* end, of whom each holds *role*."""
    of = timers(client, users, role)
    await run_on(database, of, now=now() - HOUR, ms=HOUR)
    await end(database, of, now=now())


async def owe_one(town: Town, user: str, role: str) -> Callable[[], Awaitable[bool]]:
    """Let one more timer end; return what tells whether the role was taken."""
    of = timers(town.client, [user], role)
    await run_on(town.database, of, now=now() - HOUR, ms=HOUR)
    await end(town.database, of, now=now())

    async def is_taken() -> bool:
        return role not in town.roles_of(user)

    return is_taken


@pytest.mark.parametrize("before", ["stuck", "new"])
async def test_a_thousand_removals_that_are_refused_hold_up_no_other_end(
    database: Database, owner_url: str, owner: asyncpg.Connection, before: str
) -> None:
    users = names(MANY)

    async def owe(client: Client) -> None:
        await owe_many(database, client, "High", users)
        if before == "stuck":
            await owner.execute(HAVE_STUCK, STUCK)

    world = crowd(MANY, holding=["High", "Low"])
    async with a_town(database, owner_url, world=world, before=owe) as town:
        await until(lambda: tried(town), 15)
        is_taken = await owe_one(town, "m5", "Low")
        await until(is_taken, 15)
        assert len(asked(town, "DELETE", town.client.role("High"))) <= 20
        await until(lambda: all_stuck(owner), 15)


async def tried(town: Town) -> bool:
    """Tell whether the forbidden role was asked for."""
    return bool(asked(town, "DELETE", town.client.role("High")))


async def all_stuck(owner: asyncpg.Connection) -> bool:
    """Tell whether all removals of the forbidden role are said to be stuck, and why."""
    ask = "SELECT count(*) FROM effects WHERE state = 'stuck' AND last_error = $1"
    return bool(await owner.fetchval(ask, STUCK) == MANY)


async def test_when_the_remedy_is_done_those_that_waited_follow_at_once(
    database: Database, owner_url: str, owner: asyncpg.Connection
) -> None:
    users = names(8)

    async def owe(client: Client) -> None:
        await owe_many(database, client, "High", users)
        await owner.execute(HAVE_STUCK, STUCK)

    async with a_town(database, owner_url, world=crowd(8, holding=["High"]), before=owe) as town:
        await until(lambda: tried(town), 10)
        await asyncio.sleep(1)
        assert 1 == len(asked(town, "DELETE", town.client.role("High")))

        await town.client.sim("role", {"role": "BoostMon", "action": "move", "position": 5})

        async def all_taken() -> bool:
            return not any("High" in town.roles_of(user) for user in users)

        await until(all_taken, 15)


async def test_a_person_who_succeeds_with_a_role_frees_what_was_stuck_for_it(
    database: Database, owner_url: str, owner: asyncpg.Connection
) -> None:
    users = names(6)

    async def owe(client: Client) -> None:
        await owe_many(database, client, "Low", users)
        await owner.execute(HAVE_STUCK, STUCK.replace("High", "Low"))
        fault = {"method": "DELETE", "path": "*/roles/*", "code": 50013, "times": 1}
        await client.sim("fault", fault)

    async with a_town(database, owner_url, world=crowd(7, holding=["Low"]), before=owe) as town:
        await until(lambda: refused(town), 10)
        await town.say("olga", "settime", user="m6", role="Low", duration="1h")

        async def all_taken() -> bool:
            return not any("Low" in town.roles_of(user) for user in users)

        await until(all_taken, 15)


async def refused(town: Town) -> bool:
    """Tell whether a removal was refused."""
    return bool(asked(town, "DELETE", "/roles/"))


@pytest.mark.parametrize("number", [60, 300])
async def test_for_a_deleted_role_nothing_is_asked_and_nobody_waits(
    database: Database, owner_url: str, owner: asyncpg.Connection, number: int
) -> None:
    users = names(number)

    async def run(client: Client) -> None:
        await run_on(database, timers(client, users, "Low"), now=now(), ms=HOUR)

    world = crowd(number, holding=["Low"])
    async with a_town(database, owner_url, world=world, before=run) as town:
        role_id = town.client.role("Low")
        await town.client.sim("role", {"role": "Low", "action": "delete"})
        began = time.monotonic()
        await town.say("olga", "settime", user="m3", role="Mid", duration="1h")

        async def has_role() -> bool:
            return "Mid" in town.roles_of("m3")

        await until(has_role, 2 - (time.monotonic() - began))

        async def is_over() -> bool:
            left = await owner.fetchval("SELECT count(*) FROM role_timers")
            owed = "SELECT count(*) FROM effects WHERE state IN ('owed', 'stuck')"
            return left == 1 and not await owner.fetchval(owed)

        await until(is_over, 15)
        assert [] == asked(town, "DELETE", role_id) + asked(town, "PUT", role_id)


async def test_for_a_role_deleted_while_the_bot_was_away_only_the_servers_roles_are_read(
    database: Database, owner_url: str, owner: asyncpg.Connection
) -> None:
    """Their timers had ended before, so that their removals are owed."""
    users = names(60)
    roles = list[str]()

    async def owe(client: Client) -> None:
        await owe_many(database, client, "Low", users)
        roles.append(client.role("Low"))
        await client.sim("role", {"role": "Low", "action": "delete"})

    world = crowd(60, holding=["Low"])
    async with a_town(database, owner_url, world=world, before=owe) as town:
        ask = "SELECT count(*) FROM effects WHERE kind = 'take_role' AND state = 'done'"
        await until(lambda: is_count(owner, ask, 60), 15)
        assert [] == asked(town, "DELETE", roles[0])
        assert len(asked(town, "GET", "/roles")) <= 2


async def is_count(owner: asyncpg.Connection, ask: str, wanted: int) -> bool:
    """Tell whether so many are counted."""
    return bool(await owner.fetchval(ask) == wanted)


class Counted:
    """Counts what is asked of a database, and by whom.

    Not what the hints of other tests lead to: a channel is the whole database's.
    """

    def __init__(self, database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
        self.transactions = Counter[str]()
        self._run = database.run
        monkeypatch.setattr(database, "run", self._counted)

    async def _counted(self, ask: Any, *more: Any, **others: Any) -> Any:
        by = [frame.name for frame in traceback.extract_stack()[-7:-1]]
        if not {"_follow", "_pass"} & set(by):
            self.transactions[" ".join(by)] += 1
        return await self._run(ask, *more, **others)


@pytest.mark.parametrize("how", ["outage", "outage before the start", "remove_bot"])
async def test_what_is_owed_to_a_server_that_is_away_waits_without_a_transaction(
    database: Database,
    owner_url: str,
    owner: asyncpg.Connection,
    monkeypatch: pytest.MonkeyPatch,
    how: str,
) -> None:
    users = names(2 * MANY)

    async def owe(client: Client) -> None:
        for role in ("Low", "Lower", "Mid"):
            await owe_many(database, client, role, users)

    world = crowd(2 * MANY, holding=["Low", "Lower", "Mid"])
    async with a_town(database, owner_url, world=world, before=owe) as town:
        if how == "outage before the start":
            await town.stop()
            await town.client.sim("guild", {"action": "outage"})
            starting = asyncio.create_task(town.start())
            await asyncio.sleep(3)
            starting.cancel()
        else:
            await town.client.sim("guild", {"action": how})
        state, why = ("stuck", "Invite%") if how == "remove_bot" else ("owed", "%outage%")

        async def is_told() -> bool:
            return bool(await owner.fetchval(TOLD, state, why) >= 5_900)

        await until(is_told, 30)
        await asyncio.sleep(6)  # what was under way
        requests = len(town.client.sandbox.state()["requests"])
        counted = Counted(database, monkeypatch)

        await asyncio.sleep(10)

        assert counted.transactions.total() <= 50, counted.transactions
        changes = town.client.sandbox.state()["requests"][requests:]
        assert [] == [r for r in changes if r["method"] in ("PUT", "DELETE")]

        done = "SELECT count(*) FROM effects WHERE kind = 'take_role' AND done_at IS NOT NULL"
        before = await owner.fetchval(done)
        back = "add_bot" if how == "remove_bot" else "back"
        await town.client.sim("guild", {"action": back})
        if how == "remove_bot":  # its role is a new one, below all
            move = {"role": "BoostMon", "action": "move", "position": 4}
            await town.client.sim("role", move)

        async def goes_on() -> bool:
            return bool(await owner.fetchval(done) > before)

        await until(goes_on, 15)

"""Commands that come late, or wait for the database: judged by what is true when they go on."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from boostmon.bot.slash import conversation, settling
from boostmon.database.clocks.agreed_clock import AgreedClock
from boostmon.database.connections.pool import Database
from boostmon.errors import DatabaseUnavailableError
from boostmon.events.store import EventStore
from tests.bot.slash.test_rights import MEMBER, NOT_ALLOWED, SERVER, late
from tests.database.test_agreed_clock import World
from tests.support.town import Json, Town
from tests.support.town import town as a_town
from tests.whole.test_commands_e2e import embed, public, recorded_are, taken_back

SET = {"user": "max", "role": "VIP", "duration": "1h"}


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> World:
    """Lend a world whose clocks are right."""
    return World(monkeypatch)


@pytest.fixture
async def town(database: Database, owner_url: str, world: World) -> AsyncIterator[Town]:
    """Lend a town whose bot compares its clocks."""
    clock = AgreedClock(one_witness=False)
    async with a_town(database, owner_url, clock=clock) as made:
        assert world.is_right(clock)
        yield made


class Away:
    """A database that does not answer what is read of a timer, until it is back."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.back, self.asked, read = asyncio.Event(), asyncio.Event(), EventStore.read

        async def read_late(store: EventStore, timer: Any) -> Any:
            self.asked.set()
            await self.back.wait()
            return await read(store, timer)

        monkeypatch.setattr(EventStore, "read", read_late)


@pytest.fixture
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(settling, "PATIENCE", 0.1)
    monkeypatch.setattr(settling, "FIRST_PAUSE", 0.1)
    monkeypatch.setattr(conversation, "JUDGED_FOR", 0.2)


def questions(town: Town) -> int:
    """Count what Discord was asked of servers and members."""
    requests = town.client.sandbox.state()["requests"]
    return sum(r["route"] in (SERVER, MEMBER) for r in requests)


async def waited(
    town: Town, patch: pytest.MonkeyPatch, path: str, change: Json, *, name: str, options: Json
) -> Json:
    """Let mona give a command while the database is away, and something change meanwhile."""
    database = Away(patch)
    body = town._body("mona", name, options)  # noqa: SLF001 - as it sends one
    given = await town.client.sim("interaction", body)
    await database.asked.wait()
    await town.client.sim(path, change)
    await asyncio.sleep(0.3)
    database.back.set()
    for _ in range(500):
        record: Json = await town.client.sim(f"interaction/{given['id']}", method="GET")
        last = record["history"][-1:] or [{"content": ""}]
        if record["followups"] or (last[0].get("embeds")):
            return record
        await asyncio.sleep(0.02)
    raise TimeoutError(record)


@pytest.mark.usefixtures("_impatient")
@pytest.mark.parametrize(
    ("path", "change", "told"),
    [
        ("member", {"user": "mona", "action": "take", "role": "Moderator"}, NOT_ALLOWED),
        ("member", {"user": "mona", "action": "leave"}, NOT_ALLOWED),
        ("role", {"role": "VIP", "action": "move", "position": 6}, "Move BoostMon's role above"),
        ("member", {"user": "max", "action": "leave"}, "is not in this server"),
        ("role", {"role": "VIP", "action": "delete"}, "That role was deleted"),
    ],
)
async def test_what_has_waited_for_the_database_is_judged_again(
    town: Town, monkeypatch: pytest.MonkeyPatch, path: str, change: Json, told: str
) -> None:
    record = await waited(town, monkeypatch, path, change, name="settime", options=dict(SET))

    assert told in taken_back(record)
    assert [] == await town.events()


@pytest.mark.usefixtures("_impatient")
async def test_a_timer_that_is_found_by_the_log_is_judged_again_as_well(
    town: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    await public(town, "mona", "settime", **SET)
    change = {"user": "mona", "action": "take", "role": "Moderator"}

    options = {"user": "max"}
    record = await waited(town, monkeypatch, "member", change, name="cleartime", options=options)

    assert NOT_ALLOWED == taken_back(record)
    assert ["TimerSet"] == await town.events()


@pytest.mark.usefixtures("_impatient")
async def test_what_was_recorded_before_the_rights_were_lost_is_told(
    town: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    append, lost = EventStore.append, asyncio.Event()

    async def append_unheard(store: EventStore, *pieces: Any) -> Any:
        outcomes = await append(store, *pieces)
        if not lost.is_set():
            lost.set()
            raise DatabaseUnavailableError
        return outcomes

    monkeypatch.setattr(EventStore, "append", append_unheard)
    monkeypatch.setattr(settling, "FIRST_PAUSE", 0.5)
    given = await town.send("mona", "settime", user="max", role="VIP", duration="1h")
    await lost.wait()
    await town.client.sim("member", {"user": "mona", "action": "take", "role": "Moderator"})

    await recorded_are(town, 1)
    for _ in range(250):
        told = await town.reply(given)
        if told["message"]["embeds"]:
            break
        await asyncio.sleep(0.02)
    assert "Timed Role Activated" == embed(told)["title"]


# Whether a command is late is told by Discord's clock.


@pytest.mark.parametrize(
    "clocks", [{"host": 4.0}, {"database": 4.0}, {"host": 2.0, "database": 2.0}]
)
async def test_a_clock_of_ours_that_is_ahead_makes_no_command_late(
    town: Town, world: World, clocks: dict[str, float]
) -> None:
    world.set(**clocks)
    before = questions(town)

    told = await public(town, "mona", "settime", **SET)

    assert "Timed Role Activated" == embed(told)["title"]
    assert before == questions(town)


@pytest.mark.parametrize("clocks", [{"host": -4.0}, {"database": -4.0}, {}])
async def test_a_clock_of_ours_that_is_behind_hides_no_late_command(
    town: Town, world: World, clocks: dict[str, float]
) -> None:
    await public(town, "olga", "settime", **SET)
    world.set(**clocks)
    change = {"user": "mona", "action": "take", "role": "Moderator"}

    assert NOT_ALLOWED == taken_back(await late(town, "cleartime", change, user="max", role="VIP"))

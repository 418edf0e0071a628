"""The real bot finds what no event told it, without a privileged intent."""

import time
from collections.abc import AsyncIterator
from typing import Any

import asyncpg
import pytest

from boostmon.bot import app
from boostmon.bot.members import agreement, observer, reconciler
from boostmon.bot.members.reconciler import Reconciler
from boostmon.commands.imports.import_shapes import ImportedTimer, Judged
from boostmon.commands.imports.importer import Importer
from boostmon.database.connections.pool import Database
from boostmon.events.store import EventStore
from boostmon.events.timer import HOUR, TimerId
from boostmon.projections.effects.standings import Standings
from tests.bot.members.test_observer import log_of, until
from tests.cli.test_cli import boostmon
from tests.support.timers import M
from tests.support.town import Town
from tests.support.town import town as a_town


@pytest.fixture
async def town(
    database: Database, owner_url: str, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Town]:
    """Lend a town in which the bot may not see members; max has a role for an hour.

    The pass that follows a start is over.
    """
    passes: list[Reconciler] = []

    class Watched(Reconciler):
        def __init__(self, **parts: Any) -> None:
            super().__init__(**parts)
            passes.append(self)

    monkeypatch.setattr(app, "Reconciler", Watched)
    monkeypatch.setattr(observer, "SETTLES_AFTER", 0.1)
    monkeypatch.setattr(agreement, "TOLD_AFTER", 0.2)
    monkeypatch.setattr(reconciler, "EVERY", 0.01)
    async with a_town(database, owner_url) as made:
        await until(lambda: passes[-1].ended)
        await made.say("mona", "settime", user="max", role="VIP", duration="1h")
        await until(lambda: held(made))
        await made.client.sim("clock", {"apart_ms": 5000})
        yield made


def held(town: Town) -> bool:
    return "VIP" in town.roles_of("max")


async def leave_and_return(town: Town) -> None:
    for action in ("leave", "join"):
        await town.client.sim("member", {"user": "max", "action": action})


async def test_who_came_back_unseen_gets_the_role_after_a_new_session(
    town: Town, owner: asyncpg.Connection
) -> None:
    await leave_and_return(town)  # nobody tells: there is no intent
    await town.client.sim("gateway", {"action": "invalidate", "resumable": False})

    await until(lambda: held(town))

    assert ["TimerSet"] == await log_of(owner)


async def test_who_came_back_while_the_bot_was_away_gets_the_role_after_its_start(
    town: Town, owner: asyncpg.Connection
) -> None:
    await town.stop()
    await leave_and_return(town)
    await town.start()

    await until(lambda: held(town), seconds=30)

    assert ["TimerSet"] == await log_of(owner)


async def test_who_came_back_during_an_outage_gets_the_role_after_it(
    town: Town, owner: asyncpg.Connection
) -> None:
    await town.client.sim("guild", {"action": "outage"})
    await leave_and_return(town)
    await town.client.sim("guild", {"action": "back"})

    await until(lambda: held(town))

    assert ["TimerSet"] == await log_of(owner)


async def test_a_role_deleted_without_a_word_ends_its_timers_after_a_new_session(
    town: Town, owner: asyncpg.Connection
) -> None:
    lost = {"action": "lose", "event": "GUILD_ROLE_DELETE", "times": None}
    await town.client.sim("gateway", lost)
    await town.client.sim("role", {"role": "VIP", "action": "delete"})
    await town.client.sim("gateway", {"action": "invalidate", "resumable": False})

    await until(lambda: ended(owner))

    assert ["TimerSet", "Cleared role_deleted"] == await log_of(owner)


async def ended(owner: asyncpg.Connection) -> bool:
    return (await log_of(owner))[-1].startswith("Cleared")


async def test_a_role_that_a_moderator_took_ends_the_timer_and_history_names_them(
    town: Town, owner: asyncpg.Connection, owner_url: str
) -> None:
    """The audit log tells of it, with no other event and no question."""
    taken = {"user": "max", "action": "take", "role": "VIP", "by": "mona"}
    await town.client.sim("member", taken)
    await until(lambda: ended(owner))

    outcome = await boostmon("history", town.client.user("max"), DATABASE_URL=owner_url)

    (line,) = [line for line in outcome.out.splitlines() if "taken by hand" in line]
    assert town.client.user("mona") in line
    assert 0 == outcome.code
    asked = town.client.sandbox.state()["requests"]
    assert [] == [request for request in asked if request["path"].endswith("/audit-logs")]


async def test_a_role_that_discord_gives_late_is_taken_again(
    town: Town, owner: asyncpg.Connection
) -> None:
    await town.say("mona", "cleartime", user="max")
    await until(lambda: not held(town))
    await town.client.sim("clock", {"apart_ms": 10_000})

    await town.client.api("PUT", town.client.held("max", "VIP"))
    assert held(town)

    await until(lambda: not held(town))
    assert ["TimerSet", "Cleared asked"] == await log_of(owner)


async def test_members_of_imported_timers_are_read_at_once(
    town: Town, database: Database, owner: asyncpg.Connection
) -> None:
    await town.client.sim("member", {"user": "carl", "action": "give", "role": "VIP"})
    ids, now = town.client.ids, int(time.time() * 1000)
    timers = tuple(
        ImportedTimer(
            timer=TimerId(ids["guild"], ids["users"][user], ids["roles"]["VIP"]),
            shape="member",
            digest=user,
            expires_at=now + HOUR,
        )
        for user in ("carl", "vera")
    )
    importer = Importer(EventStore(database), now=now, warning_minutes=M)
    await importer.run(Judged("f", timers))
    standings = Standings(database)
    await standings.tell_imported()

    async def told() -> Any:
        noted = await owner.fetchval("SELECT count(*) FROM effects WHERE position = 2")
        return noted and await standings.undecided()

    (undecided,) = await until(told)
    assert (ids["users"]["vera"], "import_not_held") == (undecided.timer.user_id, undecided.found)

"""A role counts as deleted when Discord says so at that moment, and for no other reason."""

from collections.abc import AsyncIterator, Awaitable, Callable
from types import SimpleNamespace
from typing import Any

import asyncpg
import pytest

from boostmon.bot.members.observer import Observer
from boostmon.database.connections.pool import Database
from boostmon.projections.effects.observed import Observed
from tests.support.scene import Scene
from tests.support.scene import scene as a_scene
from tests.support.timers import handler_over

ROLES_ROUTE = "/guilds/{guild_id}/roles"
ONE_ROLE_ROUTE = "/guilds/{guild_id}/roles/{role_id}"


class Wishes:
    """Nobody is looked at here."""

    def want(self, guild_id: str, user_id: str, *, after: float) -> None:
        raise AssertionError((guild_id, user_id, after))


@pytest.fixture
async def scene(
    database: Database, owner: asyncpg.Connection, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Scene]:
    """Lend a scene with one timer."""
    async with a_scene(database, owner, monkeypatch) as made:
        await made.set()
        yield made


@pytest.fixture
def observer(scene: Scene) -> Observer:
    """Lend what hears of servers and roles."""
    return Observer(
        handler=handler_over(scene.database),
        observed=Observed(scene.database),
        standings=scene.standings,
        api=scene.api,
        audit_log=scene.audit_log,
        relay=scene.speaker,
        looks=Wishes(),
        clock=scene.clock,
    )


def shown(scene: Scene, *roles: str, unavailable: bool = False) -> Any:
    """Show the server as the gateway has told of it, which may be a while ago."""
    ids = [scene.client.role(role) for role in roles]
    listed = [SimpleNamespace(id=int(role_id)) for role_id in ids]
    return SimpleNamespace(id=int(scene.guild_id), unavailable=unavailable, roles=listed)


async def seen(observer: Observer, scene: Scene) -> None:
    """See the server, with a list of its roles that lacks the timer's."""
    await observer.server_seen(shown(scene, "@everyone", "Trial"))


async def checked(observer: Observer, scene: Scene) -> None:
    """Compare the server's roles, as the reconciler has them compared."""
    await observer.roles_checked(scene.guild_id)


by_whom = pytest.mark.parametrize("look", [seen, checked])
Look = Callable[[Observer, Scene], Awaitable[None]]


@by_whom
async def test_a_role_that_an_old_list_lacks_and_that_is_there_ends_nothing(
    scene: Scene, observer: Observer, look: Look
) -> None:
    await look(observer, scene)

    assert ["TimerSet"] == await scene.log()
    assert 1 == scene.asked("GET", "/roles")


@by_whom
async def test_a_role_that_is_gone_ends_its_timers_alone(
    scene: Scene, observer: Observer, look: Look
) -> None:
    await scene.set("vera")
    await scene.set("max", "Trial")
    await scene.client.sim("role", {"role": "VIP", "action": "delete"})

    await look(observer, scene)

    assert ["TimerSet"] * 3 + ["Cleared role_deleted"] * 2 == await scene.log()
    assert (await scene.standing(role="Trial")).wanted


async def test_a_list_that_has_all_timed_roles_asks_discord_for_nothing(
    scene: Scene, observer: Observer
) -> None:
    await observer.server_seen(shown(scene, "@everyone", "VIP"))

    assert (0, [scene.guild_id]) == (scene.asked("GET", "/roles"), scene.speaker.hastened)


@pytest.mark.parametrize("unavailable", [True, False])
async def test_an_outage_that_shows_no_roles_ends_nothing(
    scene: Scene, observer: Observer, *, unavailable: bool
) -> None:
    await observer.server_seen(shown(scene, unavailable=unavailable))

    assert (["TimerSet"], 0) == (await scene.log(), scene.asked("GET", "/roles"))


@by_whom
@pytest.mark.parametrize(
    "answer",
    [
        {"status": 200, "body": []},
        {"status": 200, "body": [{"id": "1400000000000000001", "name": "other"}]},
        {"status": 503},
        {"status": 500},
        {"code": 50001},
        {"code": 10004},
        {"reset": True},
    ],
)
async def test_an_answer_that_cannot_be_the_whole_list_ends_nothing(
    scene: Scene, observer: Observer, look: Look, answer: dict[str, Any]
) -> None:
    """Every server has the role @everyone, with the server's own id."""
    await scene.fault(method="GET", path=ROLES_ROUTE, **answer)

    await look(observer, scene)

    assert ["TimerSet"] == await scene.log()


# A list that is cut short.


@by_whom
async def test_a_list_with_everyone_alone_ends_nothing(
    scene: Scene, observer: Observer, look: Look
) -> None:
    await scene.fault(method="GET", path=ROLES_ROUTE, **bare(scene))

    await look(observer, scene)

    assert (["TimerSet"], []) == (await scene.log(), scene.speaker.deleted)


@by_whom
@pytest.mark.parametrize("answer", [{"status": 503}, {"code": 50001}, {"status": 404}])
async def test_a_role_of_which_discord_does_not_tell_ends_nothing(
    scene: Scene, observer: Observer, look: Look, answer: dict[str, Any]
) -> None:
    await scene.fault(method="GET", path=ROLES_ROUTE, **bare(scene))
    await scene.fault(method="GET", path=ONE_ROLE_ROUTE, **answer)

    await look(observer, scene)

    assert ["TimerSet"] == await scene.log()


@pytest.mark.parametrize("kind", ["give_role", "take_role"])
async def test_a_list_with_everyone_alone_keeps_no_role_from_being_changed(
    scene: Scene, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    """Nor does the gateway know the role, of which it may not have told yet."""
    if kind == "take_role":
        await scene.carry_out()
        await scene.clear()
    monkeypatch.setattr(scene.server, "has_role", lambda *_: False)
    await scene.fault(method="GET", path=ROLES_ROUTE, **bare(scene))

    await scene.carry_out(kind)

    assert (["VIP"] if kind == "give_role" else []) == scene.roles()


async def test_a_role_that_two_answers_do_not_know_is_deleted(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    await scene.client.sim("role", {"role": "VIP", "action": "delete"})
    monkeypatch.setattr(scene.server, "has_role", lambda *_: False)

    await scene.carry_out("give_role")

    assert ([], 0) == (await scene.open(), scene.asked("PUT", "/roles/"))


def bare(scene: Scene) -> dict[str, Any]:
    """Answer with the role that every server has, and no other."""
    return {"status": 200, "body": [{"id": scene.guild_id, "name": "@everyone"}]}


async def test_a_role_that_is_made_and_timed_while_discord_answers_ends_nothing(
    scene: Scene, observer: Observer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The database is asked before Discord: what is timed then was there when Discord was asked."""
    ask = scene.api.roles

    async def meanwhile_made(guild_id: str) -> set[str]:
        roles = await ask(guild_id)
        await scene.client.sim("role", {"role": "New", "action": "create"})
        scene.client.ids = scene.client.sandbox.state()["ids"]
        await scene.set("max", "New")
        return roles

    monkeypatch.setattr(scene.api, "roles", meanwhile_made)

    await observer.roles_checked(scene.guild_id)

    assert ["TimerSet", "TimerSet"] == await scene.log()


async def test_without_timers_nothing_is_asked_for(scene: Scene, observer: Observer) -> None:
    await scene.clear()

    await observer.server_seen(shown(scene, "@everyone"))
    await observer.roles_checked(scene.guild_id)

    assert 0 == scene.asked("GET", "/roles")


async def test_a_role_that_is_told_to_be_deleted_twice_ends_its_timer_once(
    scene: Scene, observer: Observer
) -> None:
    for _ in range(2):
        await observer.role_deleted(scene.guild_id, scene.client.role("VIP"))

    assert ["TimerSet", "Cleared role_deleted"] == await scene.log()


async def test_a_role_that_another_server_lacks_is_given_and_taken_here(scene: Scene) -> None:
    """One wrong entry of an import must not stop a role for everybody who has paid for it."""
    scene.delivery.note_deleted("1100000000000000099", scene.client.role("VIP"))

    await scene.set()
    await scene.carry_out("give_role")
    assert "VIP" in scene.roles()
    await scene.clear()
    await scene.carry_out("take_role")
    assert [] == scene.roles()

"""What the gateway tells of a member is a hint: which of them lead to a look."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import asyncpg
import pytest
from msgspec import structs

from boostmon.bot.discord.members import RoleEntry
from boostmon.bot.discord.rest import ATTEMPT_SECONDS
from boostmon.bot.members.observer import SETTLES_AFTER, Observer
from boostmon.database.connections.pool import Database
from boostmon.projections.effects.observed import Observed
from tests.bot.members.test_observer import until
from tests.support.scene import ROLE_ROUTE, Scene
from tests.support.scene import scene as a_scene
from tests.support.standing import NOON
from tests.support.timers import ACTOR, handler_over


class Wishes:
    """Notes who is to be looked at."""

    def __init__(self) -> None:
        self.wanted: list[tuple[str, str, float]] = []

    def want(self, guild_id: str, user_id: str, *, after: float) -> None:
        self.wanted.append((guild_id, user_id, after))


class Ear:
    """What hears of members, and one member with a role that was given for an hour."""

    def __init__(self, scene: Scene) -> None:
        self.scene, self.looks = scene, Wishes()
        self.user, self.role = scene.client.user("max"), scene.client.role("VIP")
        self.observer = Observer(
            handler=handler_over(scene.database),
            observed=Observed(scene.database),
            standings=scene.standings,
            api=scene.api,
            audit_log=scene.audit_log,
            relay=scene.speaker,
            looks=self.looks,
            clock=scene.clock,
        )

    @property
    def looks_at_max(self) -> bool:
        """Whether max is to be looked at, after whoever gives roles to who joins."""
        wanted = self.looks.wanted
        assert {(self.scene.guild_id, self.user, SETTLES_AFTER)} >= set(wanted)
        return bool(wanted)

    @property
    def looks_at_max_when_answered(self) -> bool:
        """Whether max is to be looked at once what is on its way was answered or given up."""
        after = SETTLES_AFTER + ATTEMPT_SECONDS
        return self.looks.wanted == [(self.scene.guild_id, self.user, after)]

    @asynccontextmanager
    async def renewal_on_its_way(self) -> AsyncIterator[None]:
        """Renew the role: Discord has done what it was asked, and the answer is not here yet."""
        await self.scene.fault(method="PUT", path=ROLE_ROUTE, hang=1, when="after")
        before = self.scene.asked("PUT", "/roles/")
        await self.scene.set()
        carrying_out = asyncio.create_task(self.scene.carry_out())
        await until(lambda: self.scene.asked("PUT", "/roles/") > before)
        yield
        await carrying_out

    async def changed(self, *roles: str) -> None:
        """Hear that max holds some roles now."""
        held = {self.scene.client.role(role) for role in roles}
        await self.observer.member_changed(self.scene.guild_id, self.user, held)

    async def logged(self, *, given: str | None = None, taken: str | None = None) -> None:
        """Hear of a line of the audit log about max."""
        ids = self.scene.client.ids["roles"]
        entry = RoleEntry(NOON, ACTOR, self.user, frozenset(), frozenset())
        entry = structs.replace(
            entry,
            given=frozenset({ids[given]} if given else ()),
            taken=frozenset({ids[taken]} if taken else ()),
        )
        await self.observer.roles_logged(self.scene.guild_id, entry)


@pytest.fixture
async def ear(
    database: Database, owner: asyncpg.Connection, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Ear]:
    """Lend what hears of members."""
    async with a_scene(database, owner, monkeypatch) as scene:
        await scene.given()
        yield Ear(scene)


async def test_who_is_said_to_lack_a_timed_role_is_looked_at(ear: Ear) -> None:
    await ear.changed("Trial")
    assert ear.looks_at_max


async def test_who_is_said_to_hold_what_the_log_wants_is_not(ear: Ear) -> None:
    await ear.changed("VIP", "Trial")
    assert not ear.looks_at_max


async def test_who_is_said_to_lack_a_role_that_is_still_owed_is_not(ear: Ear) -> None:
    await ear.scene.set()
    await ear.changed()
    assert not ear.looks_at_max


async def test_who_is_said_to_hold_a_role_whose_take_is_in_doubt_is_looked_at(ear: Ear) -> None:
    await ear.scene.given_up("DELETE")
    await ear.scene.clear()
    await ear.scene.carry_out()
    await ear.scene.carry_out()
    await ear.changed("VIP")
    assert ear.looks_at_max


async def test_who_is_said_to_hold_a_role_that_was_surely_taken_is_not(ear: Ear) -> None:
    await ear.scene.clear()
    await ear.scene.carry_out()
    await ear.changed("VIP")
    assert not ear.looks_at_max


async def test_a_line_that_takes_a_wanted_role_leads_to_a_look(ear: Ear) -> None:
    await ear.logged(taken="VIP")
    assert ear.looks_at_max


async def test_a_line_that_gives_a_wanted_role_does_not(ear: Ear) -> None:
    await ear.logged(given="VIP")
    assert not ear.looks_at_max


async def test_a_line_about_another_role_does_not(ear: Ear) -> None:
    await ear.logged(taken="Trial")
    assert not ear.looks_at_max


async def test_a_line_that_gives_a_role_after_the_end_leads_to_a_look(ear: Ear) -> None:
    await ear.scene.clear()
    await ear.logged(given="VIP")
    assert ear.looks_at_max


async def test_a_line_that_takes_a_role_after_the_end_does_not(ear: Ear) -> None:
    await ear.scene.clear()
    await ear.logged(taken="VIP")
    assert not ear.looks_at_max


async def test_who_joins_is_looked_at(ear: Ear) -> None:
    await ear.observer.member_returned(ear.scene.guild_id, ear.user)
    assert ear.looks_at_max


# A change is on its way, and may be older than the hint: the look waits for its answer.


async def test_who_joins_while_a_give_is_on_its_way_is_looked_at_when_it_is_answered(
    ear: Ear,
) -> None:
    async with ear.renewal_on_its_way():
        await ear.observer.member_returned(ear.scene.guild_id, ear.user)
    assert ear.looks_at_max_when_answered


async def test_who_is_said_to_lack_a_role_on_its_way_is_looked_at_when_it_is_answered(
    ear: Ear,
) -> None:
    async with ear.renewal_on_its_way():
        await ear.changed()
    assert ear.looks_at_max_when_answered


async def test_who_is_said_to_hold_a_role_on_its_way_is_not_looked_at(ear: Ear) -> None:
    async with ear.renewal_on_its_way():
        await ear.changed("VIP")
    assert not ear.looks.wanted


async def test_a_line_that_takes_a_role_on_its_way_leads_to_a_look_when_it_is_answered(
    ear: Ear,
) -> None:
    async with ear.renewal_on_its_way():
        await ear.logged(taken="VIP")
    assert ear.looks_at_max_when_answered


# Too many were missing at once: what is given back by hand is held back no longer.


async def test_who_is_said_to_hold_a_role_that_is_held_back_is_looked_at(ear: Ear) -> None:
    await ear.scene.standings.note(await ear.scene.standing(), "too_many_taken")
    await ear.changed("VIP")
    assert ear.looks_at_max


async def test_a_line_that_gives_a_role_that_is_held_back_leads_to_a_look(ear: Ear) -> None:
    await ear.scene.standings.note(await ear.scene.standing(), "too_many_taken")
    await ear.logged(given="VIP")
    assert ear.looks_at_max


async def test_who_does_not_speak_to_discord_looks_at_nobody_and_keeps_the_lines(
    ear: Ear,
) -> None:
    ear.scene.speaker.leads = False
    await ear.observer.member_returned(ear.scene.guild_id, ear.user)
    await ear.changed()
    await ear.logged(taken="VIP")

    assert not ear.looks_at_max
    assert ACTOR == await ear.scene.audit_log.taker(ear.scene.timer(), since=None)


async def test_no_hint_alone_changes_anything(ear: Ear) -> None:
    await ear.changed()
    await ear.logged(taken="VIP")

    assert (["TimerSet"], []) == (await ear.scene.log(), await ear.scene.open())

"""Discord agrees with the log again: doubt, evidence, and what must not count as either."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from functools import partial
from typing import Any

import asyncpg
import pytest
from msgspec import structs
from msgspec.structs import astuple

from boostmon import machine
from boostmon.bot.discord.members import Membership
from boostmon.bot.discord.refusals import INVITE, Stuck
from boostmon.bot.members import absences
from boostmon.bot.members.absences import PROVEN_AFTER, TOLD_AFTER
from boostmon.bot.members.agreement import AGAIN_AFTER, BELIEVED_FOR, REFUSED_AFTER
from boostmon.commands.decider import AddTime, Pause, RemoveTime
from boostmon.commands.removals import Ends, end_all, restore_all
from boostmon.database.connections.pool import Database
from boostmon.errors import DatabaseError, DatabaseUnavailableError
from boostmon.events.timer import HOUR, MINUTE
from boostmon.projections.effects.kinds import GIVE_ROLE, TAKE_ROLE
from boostmon.projections.effects.standings import TimedMember
from boostmon.projections.replay.run import check, replay
from boostmon.projections.reports.history import history
from tests.bot.members.test_observer import until
from tests.support.scene import AUDIT_ROUTE, MEMBER_ROUTE, ROLE_ROUTE, Scene
from tests.support.scene import scene as a_scene
from tests.support.timers import M, handler_over

TOO_MANY = 3


@pytest.fixture
async def scene(
    database: Database, owner: asyncpg.Connection, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Scene]:
    """Lend a scene in which what was taken by hand ends the timer."""
    async with a_scene(database, owner, monkeypatch) as made:
        yield made


@pytest.fixture
async def restoring(
    database: Database, owner: asyncpg.Connection, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Scene]:
    """Lend a scene in which what was taken by hand is given back."""
    async with a_scene(database, owner, monkeypatch, role_taken="restore") as made:
        yield made


# A1: who left and came back.


async def test_a_late_answer_about_who_came_back_takes_nothing(scene: Scene) -> None:
    await scene.given()
    await scene.member("leave")
    await scene.member("join")
    await scene.fault(method="GET", path=MEMBER_ROUTE, hang=0.05, when="after")

    looking = asyncio.create_task(scene.look())
    await until(lambda: scene.asked("GET", "/members/"))  # the answer is made
    await scene.member("give", role="VIP")  # by another bot, for joining
    await looking

    await scene.agree()
    assert ["TimerSet"] == await scene.log()
    assert ["VIP"] == scene.roles()


async def test_an_old_answer_from_before_a_give_that_was_confirmed_meanwhile_counts_for_nothing(
    scene: Scene,
) -> None:
    await scene.given()
    await scene.member("take", role="VIP")
    await scene.command(AddTime(scene.clock.time, HOUR, M))
    await scene.fault(method="GET", path=MEMBER_ROUTE, hang=0.5, when="after")

    looking = asyncio.create_task(scene.look())
    await until(lambda: scene.asked("GET", "/members/"))  # the answer is made
    await scene.carry_out()

    assert AGAIN_AFTER == await looking
    assert ["TimerSet", "TimeAdded"] == await scene.log()
    assert [] == scene.found


async def test_an_old_answer_from_before_an_imported_role_was_given_reports_nothing(
    scene: Scene,
) -> None:
    await scene.imports()
    await scene.fault(method="GET", path=MEMBER_ROUTE, hang=0.5, when="after")

    looking = asyncio.create_task(scene.look())
    await until(lambda: scene.asked("GET", "/members/"))  # the answer is made
    await scene.command(AddTime(scene.clock.time, HOUR, M))
    await scene.carry_out()

    assert AGAIN_AFTER == await looking
    assert ([], []) == (scene.found, await scene.standings.undecided())


async def test_an_answer_that_says_they_are_away_decides_nothing_and_the_next_gives_the_role(
    scene: Scene,
) -> None:
    await scene.given()
    await scene.member("leave")
    assert await scene.look() is None
    await scene.member("join")

    assert await scene.look() is None
    await scene.agree()

    assert ["TimerSet"] == await scene.log()
    assert (["left_and_returned"], ["VIP"]) == (scene.found, scene.roles())


async def test_who_came_back_keeps_the_timer_even_if_a_moderator_took_the_role_before(
    scene: Scene,
) -> None:
    await scene.given()
    await scene.member("take", role="VIP")
    await scene.member("give", role="VIP")
    await scene.member("leave")
    await scene.member("join")

    await scene.look()

    assert (["TimerSet"], [GIVE_ROLE]) == (await scene.log(), await scene.open())


async def test_what_was_read_before_a_freeze_is_not_believed(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    await scene.given()
    await scene.member("take", role="VIP")
    read = scene.api.member

    async def freeze(*whose: str) -> Any:
        seen = await read(*whose)
        scene.wait(BELIEVED_FOR + 1)
        return seen

    monkeypatch.setattr(scene.api, "member", freeze)

    assert AGAIN_AFTER == await scene.look()
    assert (["TimerSet"], []) == (await scene.log(), scene.found)


async def test_what_was_read_before_a_freeze_opens_nothing(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    await scene.given()
    await scene.member("leave")
    await scene.member("join")
    read = scene.api.member

    async def freeze(*whose: str) -> Any:
        seen = await read(*whose)
        scene.wait(BELIEVED_FOR + 1)
        return seen

    with monkeypatch.context() as patched:
        patched.setattr(scene.api, "member", freeze)
        assert AGAIN_AFTER == await scene.look()
    assert ([], []) == (await scene.open(), scene.found)

    assert await scene.look() is None
    assert [GIVE_ROLE] == await scene.open()


async def test_who_does_not_speak_to_discord_any_more_decides_nothing(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    await scene.given()
    await scene.member("take", role="VIP")
    read = scene.api.member

    async def lose_the_lease(*whose: str) -> Any:
        scene.speaker.leads = False
        return await read(*whose)

    monkeypatch.setattr(scene.api, "member", lose_the_lease)

    assert AGAIN_AFTER == await scene.look()
    assert (["TimerSet"], []) == (await scene.log(), scene.found)


# A2: a give that Discord carries out late.


async def test_a_give_that_was_given_up_and_comes_after_the_end_is_taken_again(
    scene: Scene,
) -> None:
    await scene.given_up("PUT")
    await scene.set()
    await scene.carry_out()
    await scene.clear()
    await scene.carry_out()
    assert [(GIVE_ROLE, "superseded"), (TAKE_ROLE, "done")] == await scene.effects()

    await scene.ours("PUT")
    await scene.agree()

    assert ([], ["held_after_end"]) == (scene.roles(), scene.found)
    assert ["TimerSet", "Cleared asked"] == await scene.log()


async def test_a_give_that_comes_after_the_timer_has_expired_is_taken_again(scene: Scene) -> None:
    await scene.fault(method="PUT", path=ROLE_ROUTE, effect="never", status=500)
    await scene.set()
    await scene.carry_out()
    await scene.expire()
    await scene.carry_out()

    await scene.ours("PUT")
    await scene.agree()

    assert [] == scene.roles()


async def test_a_give_that_a_killed_process_had_sent_is_taken_again_by_the_next(
    scene: Scene,
) -> None:
    await scene.set()
    await scene.killed("PUT")
    other = scene.another()
    await scene.clear()
    await other.carry_out()

    await scene.ours("PUT")
    await scene.agree(by=other)

    assert [] == scene.roles()


async def test_a_give_that_was_done_twice_and_comes_after_the_end_is_taken_again(
    scene: Scene,
) -> None:
    await scene.given_up("PUT")
    await scene.set()
    await scene.carry_out()
    await scene.carry_out()  # confirmed at the second try
    await scene.clear()
    await scene.carry_out()
    assert [(GIVE_ROLE, "done"), (TAKE_ROLE, "done")] == await scene.effects()

    await scene.ours("PUT")
    await scene.agree()

    assert [] == scene.roles()


async def test_a_hanging_give_is_in_doubt_once_it_is_given_up(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("boostmon.bot.relay.delivery.ATTEMPT_SECONDS", 0.1)
    await scene.fault(method="PUT", path=ROLE_ROUTE, hang=0.4, effect=0.3)
    await scene.set()
    await scene.carry_out()
    await scene.clear()
    await scene.carry_out()
    assert [] == scene.roles()
    await until(scene.roles)  # Discord does it late

    await scene.agree()

    assert [] == scene.roles()


async def hangs(scene: Scene, monkeypatch: pytest.MonkeyPatch, method: str) -> None:
    """Do what is owed; a role change is not answered before it is given up, and not done yet."""
    await scene.fault(method=method, path=ROLE_ROUTE, hang=60, effect="never")
    with monkeypatch.context() as patch:
        patch.setattr("boostmon.bot.relay.delivery.ATTEMPT_SECONDS", 0.2)
        await scene.carry_out(GIVE_ROLE, TAKE_ROLE)


@pytest.mark.parametrize("end", ["clear", "expire"])
async def test_a_give_that_hangs_and_is_done_after_the_end_is_taken_again(
    scene: Scene, monkeypatch: pytest.MonkeyPatch, end: str
) -> None:
    await scene.set()
    await hangs(scene, monkeypatch, "PUT")
    await getattr(scene, end)()
    await scene.carry_out()

    await scene.ours("PUT")
    await scene.agree()

    assert ([], ["held_after_end"]) == (scene.roles(), scene.found)


async def test_a_give_whose_doubt_is_over_and_that_comes_later_still_is_told_by_the_audit_log(
    scene: Scene,
) -> None:
    await scene.given()
    await scene.clear()
    await scene.carry_out()
    await scene.later(5)
    await scene.ours("PUT")
    (entry, *_) = await scene.api.role_entries(scene.guild_id, scene.client.user("max"))
    scene.audit_log.note(scene.guild_id, entry)

    await scene.look()
    await scene.agree()

    assert ([], ["held_after_end"]) == (scene.roles(), scene.found)


async def test_a_role_that_somebody_else_gave_after_the_end_stays(scene: Scene) -> None:
    await scene.given()
    await scene.clear()
    await scene.carry_out()
    await scene.later(5)
    await scene.member("give", role="VIP")
    (entry, *_) = await scene.api.role_entries(scene.guild_id, scene.client.user("max"))
    scene.audit_log.note(scene.guild_id, entry)

    await scene.look()
    await scene.agree()

    assert (["VIP"], []) == (scene.roles(), scene.found)


# A3: a take that Discord carries out late.


async def renewed_while_a_take_is_given_up(scene: Scene) -> None:
    """End a timer, and begin it anew before Discord has said that the role was taken."""
    await scene.given()
    await scene.given_up("DELETE")
    await scene.clear()
    await scene.carry_out()
    await scene.set()
    await scene.carry_out()
    assert ["VIP"] == scene.roles()


async def test_a_take_that_was_given_up_and_comes_after_a_renewal_costs_no_role(
    scene: Scene,
) -> None:
    await renewed_while_a_take_is_given_up(scene)

    await scene.ours("DELETE")
    await scene.agree()

    assert (["VIP"], ["not_held"]) == (scene.roles(), scene.found)
    assert ["TimerSet", "Cleared asked", "TimerSet"] == await scene.log()


@pytest.mark.parametrize("end", ["clear", "expire"])
async def test_a_take_that_hangs_and_is_done_after_a_renewal_costs_no_role(
    scene: Scene, monkeypatch: pytest.MonkeyPatch, end: str
) -> None:
    await scene.given()
    await getattr(scene, end)()
    await hangs(scene, monkeypatch, "DELETE")
    await scene.set()
    await scene.carry_out()

    await scene.ours("DELETE")
    await scene.agree()

    assert (["VIP"], ["not_held"]) == (scene.roles(), scene.found)


async def test_a_take_whose_connection_is_cut_and_is_done_after_a_renewal_costs_no_role(
    scene: Scene,
) -> None:
    await scene.given()
    await scene.fault(method="DELETE", path=ROLE_ROUTE, effect="never", reset=True)
    await scene.clear()
    await scene.carry_out()
    await scene.set()
    await scene.carry_out()

    await scene.ours("DELETE")
    await scene.agree()

    assert (["VIP"], ["not_held"]) == (scene.roles(), scene.found)


async def test_a_late_take_that_the_gateway_tells_of_at_once_costs_no_role(scene: Scene) -> None:
    await renewed_while_a_take_is_given_up(scene)
    await scene.later(5)

    await scene.ours("DELETE")
    assert await scene.look() is None  # before the first look at what is in doubt
    await scene.agree()

    assert ["VIP"] == scene.roles()
    assert ["TimerSet", "Cleared asked", "TimerSet"] == await scene.log()


async def test_within_the_window_of_doubt_not_even_a_line_of_the_audit_log_ends_a_timer(
    scene: Scene,
) -> None:
    await renewed_while_a_take_is_given_up(scene)
    await scene.later(5)

    await scene.member("take", role="VIP")
    await scene.look()
    await scene.carry_out()

    assert ["VIP"] == scene.roles()
    assert ["TimerSet", "Cleared asked", "TimerSet"] == await scene.log()


async def test_a_late_take_of_an_expired_timer_costs_the_next_one_no_role(scene: Scene) -> None:
    await scene.given()
    await scene.fault(method="DELETE", path=ROLE_ROUTE, effect="never", status=502)
    await scene.expire()
    await scene.carry_out(TAKE_ROLE)
    await scene.set()
    await scene.carry_out()

    await scene.ours("DELETE")
    await scene.agree()

    assert ["VIP"] == scene.roles()


async def test_a_late_take_of_a_killed_process_costs_no_role(scene: Scene) -> None:
    await scene.given()
    await scene.clear()
    await scene.killed("DELETE")
    other = scene.another()
    await scene.set()
    await other.carry_out()

    await scene.ours("DELETE")
    await scene.agree(by=other)

    assert ["VIP"] == scene.roles()
    assert ["TimerSet", "Cleared asked", "TimerSet"] == await scene.log()


# A4: a process that is frozen between looking at its lease and sending.


async def test_what_a_frozen_process_sends_after_another_has_settled_it_is_found(
    scene: Scene,
) -> None:
    await scene.set()
    effect = await scene.owed.find(1, GIVE_ROLE)
    assert effect is not None
    assert await scene.owed.attempting(effect)  # and here it freezes
    other = scene.another()
    await other.carry_out()
    await scene.clear()
    await other.carry_out()
    assert [(GIVE_ROLE, "done"), (TAKE_ROLE, "done")] == await scene.effects()

    await scene.ours("PUT")  # and here it goes on
    await scene.agree(by=other)

    assert [] == scene.roles()


async def test_a_take_that_a_frozen_process_sends_after_a_renewal_costs_no_role(
    scene: Scene,
) -> None:
    await scene.given()
    await scene.clear()
    effect = await scene.owed.find(2, TAKE_ROLE)
    assert effect is not None
    assert await scene.owed.attempting(effect)
    other = scene.another()
    await scene.set()
    await other.carry_out()

    await scene.ours("DELETE")
    await scene.agree(by=other)

    assert ["VIP"] == scene.roles()
    assert ["TimerSet", "Cleared asked", "TimerSet"] == await scene.log()


async def test_a_request_that_was_not_sent_after_all_leaves_a_doubt_that_ends(
    scene: Scene,
) -> None:
    """The lease ran out between the note and the request: the relay says nothing more of it."""
    await scene.set()
    effect = await scene.owed.find(1, GIVE_ROLE)
    assert effect is not None
    assert await scene.owed.attempting(effect)
    other = scene.another()
    await other.carry_out()

    assert 3 == await scene.agree(by=other)

    assert (["VIP"], ["TimerSet"]) == (scene.roles(), await scene.log())


# A6: a role taken by hand while something else goes on.


async def proven(scene: Scene) -> None:
    """Look until it is known that a role is gone, without the audit log."""
    await scene.fault(audit_log="lose", times=None)
    await scene.member("take", role="VIP")
    again = await scene.look()
    assert again is not None
    scene.wait(again)
    assert await scene.look() is None


@pytest.mark.parametrize("state", ["owed", "stuck"])
async def test_a_role_taken_while_a_notice_waits_ends_the_timer(scene: Scene, state: str) -> None:
    await scene.given()
    await scene.sweep(HOUR - 10 * MINUTE)
    await scene.owner.execute("UPDATE effects SET state = $1 WHERE kind = 'notice'", state)
    assert "notice" in await scene.open()

    await proven(scene)

    assert "Cleared taken_by_hand" == (await scene.log())[-1]


async def test_a_role_taken_while_the_timer_is_paused_ends_it(scene: Scene) -> None:
    await scene.given()
    await scene.command(Pause(scene.clock.time))

    await proven(scene)

    assert ["TimerSet", "Paused", "Cleared taken_by_hand"] == await scene.log()


async def test_a_role_taken_while_the_timer_changes_ends_it_at_the_next_look(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    await scene.given()
    await scene.fault(audit_log="lose", times=None)
    await scene.member("take", role="VIP")
    scene.wait((await scene.look()) or 0)
    handle = scene.agreement._handler.handle  # noqa: SLF001 - a warning comes in between
    with monkeypatch.context() as patched:

        async def behind_a_warning(*what: Any, **more: Any) -> Any:
            await scene.sweep(HOUR - 10 * MINUTE)
            return await handle(*what, **more)

        patched.setattr(scene.agreement._handler, "handle", behind_a_warning)  # noqa: SLF001
        assert AGAIN_AFTER == await scene.look()
    assert [] == scene.found

    assert await scene.look() is None

    assert ["TimerSet", "WarningSent", "Cleared taken_by_hand"] == await scene.log()


async def test_a_role_taken_after_the_timer_was_extended_ends_it(scene: Scene) -> None:
    await scene.given()
    await scene.command(AddTime(scene.clock.time, HOUR, M))
    await scene.carry_out()
    await scene.later(5)

    await proven(scene)

    assert ["TimerSet", "TimeAdded", "Cleared taken_by_hand"] == await scene.log()


async def test_a_role_taken_ends_only_the_timer_that_was_looked_at(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A /settime that comes in between begins anew, with its own give."""
    await scene.given()
    await scene.fault(audit_log="lose", times=None)
    await scene.member("take", role="VIP")
    scene.wait((await scene.look()) or 0)
    handle = scene.agreement._handler.handle  # noqa: SLF001 - a command comes in between

    async def behind_a_command(*what: Any, **more: Any) -> Any:
        await scene.set(ms=5 * HOUR)
        return await handle(*what, **more)

    monkeypatch.setattr(scene.agreement._handler, "handle", behind_a_command)  # noqa: SLF001
    await scene.look()
    await scene.agree()

    assert (["TimerSet", "TimerSet"], ["VIP"]) == (await scene.log(), scene.roles())


# What no line of the audit log tells.


async def test_without_a_line_a_role_is_gone_when_it_is_missing_again_a_minute_later(
    scene: Scene,
) -> None:
    await scene.given()
    await scene.fault(audit_log="lose", times=None)
    await scene.member("take", role="VIP")

    assert pytest.approx(PROVEN_AFTER, abs=0.5) == await scene.look()
    scene.wait(30)
    assert pytest.approx(30, abs=0.5) == await scene.look()
    assert ["TimerSet"] == await scene.log()
    scene.wait(31)
    assert await scene.look() is None

    assert ["TimerSet", "Cleared taken_by_hand"] == await scene.log()
    assert [("taken_by_hand", None)] == scene.differences.found


async def test_a_role_that_is_back_within_the_minute_begins_it_anew(scene: Scene) -> None:
    await scene.given()
    await scene.fault(audit_log="lose", times=None)
    await scene.member("take", role="VIP")
    await scene.look()
    scene.wait(59)
    await scene.member("give", role="VIP")
    await scene.look()
    await scene.member("take", role="VIP")
    scene.wait(2)

    assert pytest.approx(PROVEN_AFTER, abs=0.5) == await scene.look()
    assert ["TimerSet"] == await scene.log()


async def test_a_role_that_was_given_anew_within_the_minute_begins_it_anew(scene: Scene) -> None:
    await scene.given()
    await scene.fault(audit_log="lose", times=None)
    await scene.member("take", role="VIP")
    await scene.look()
    await scene.command(AddTime(scene.clock.time, HOUR, M))
    await scene.carry_out()
    await scene.member("take", role="VIP")
    scene.wait(61)

    assert pytest.approx(PROVEN_AFTER, abs=0.5) == await scene.look()
    assert ["TimerSet", "TimeAdded"] == await scene.log()


async def test_a_restart_waits_the_minute_anew(scene: Scene) -> None:
    await scene.given()
    await scene.fault(audit_log="lose", times=None)
    await scene.member("take", role="VIP")
    await scene.look()
    scene.wait(61)

    again = await scene.look(by=scene.another())

    assert pytest.approx(PROVEN_AFTER, abs=0.5) == again
    assert ["TimerSet"] == await scene.log()


# What the audit log tells.


async def test_who_took_a_role_stands_in_the_history(scene: Scene) -> None:
    await scene.given()
    await scene.member("take", role="VIP")

    await scene.decided()

    assert ["TimerSet", "Cleared taken_by_hand"] == await scene.log()
    (*_, cleared) = await history(
        scene.owner, scene.client.user("max"), guild_id=None, role_id=None
    )
    assert (scene.client.user("olga"), "discord") == (cleared.actor_id, cleared.source)
    assert [("taken_by_hand", scene.client.user("olga"))] == scene.differences.found


async def test_a_line_that_the_gateway_told_is_enough(scene: Scene) -> None:
    await scene.given()
    await scene.member("take", role="VIP")
    (entry, *_) = await scene.api.role_entries(scene.guild_id, scene.client.user("max"))
    await scene.fault(method="GET", path=AUDIT_ROUTE, code=50013, times=None)
    scene.audit_log.note(scene.guild_id, entry)

    await scene.decided()

    assert ["TimerSet", "Cleared taken_by_hand"] == await scene.log()
    assert 1 == scene.asked("GET", "/audit-logs")  # by this test


async def test_a_role_that_boostmon_took_late_is_given_back_although_no_doubt_is_open(
    scene: Scene,
) -> None:
    await scene.given()
    await scene.ours("DELETE")

    await scene.look()
    await scene.carry_out()

    assert (["TimerSet"], ["VIP"]) == (await scene.log(), scene.roles())
    assert [("not_held", scene.api.own_id)] == scene.differences.found


@pytest.mark.parametrize("ahead", [0, 3600, -3600])
async def test_a_line_that_is_older_than_the_give_tells_nothing_however_the_clocks_stand(
    scene: Scene, ahead: int
) -> None:
    """Discord's clock is *ahead* of the database's; BoostMon's own line is missing."""
    await scene.later(ahead)
    await scene.member("give", role="VIP")
    await scene.member("take", role="VIP")
    await scene.later(5)
    await scene.fault(audit_log="lose", times=None)
    await scene.given()
    await scene.member("take", role="VIP")

    assert pytest.approx(PROVEN_AFTER, abs=0.5) == await scene.look()
    assert ["TimerSet"] == await scene.log()


@pytest.mark.parametrize("ahead", [0, 3600, -3600])
async def test_who_came_back_after_the_give_is_known_however_the_clocks_stand(
    scene: Scene, ahead: int
) -> None:
    await scene.later(ahead)
    await scene.given()
    await scene.member("leave")
    await scene.member("join")

    await scene.look()

    assert (["left_and_returned"], [GIVE_ROLE]) == (scene.found, await scene.open())


async def test_where_discord_tells_no_time_the_clock_of_the_host_stands_in_for_it(
    scene: Scene,
) -> None:
    """The database's clock is an hour ahead of the host's and Discord's."""
    wall = machine.wall
    scene.patch.setattr(machine, "wall", lambda: wall() - 3600)
    await scene.later(-3600)
    await scene.fault(path="*", date="missing", times=None)
    await scene.given()
    await scene.member("leave")
    await scene.member("join")

    await scene.look()

    assert (["left_and_returned"], [GIVE_ROLE]) == (scene.found, await scene.open())


@pytest.mark.parametrize("ahead", [0, 3600, -3600])
async def test_who_came_back_after_a_give_that_was_read_back_is_known_however_the_clocks_stand(
    scene: Scene, ahead: int
) -> None:
    await scene.later(ahead)
    await scene.fault(method="PUT", path=ROLE_ROUTE, status=500, when="after")
    await scene.set()
    await scene.carry_out()
    await scene.carry_out()
    await scene.owner.execute("UPDATE effects SET look_again_at = NULL")  # the doubt is over
    await scene.member("leave")
    await scene.member("join")

    await scene.look()

    assert (["left_and_returned"], [GIVE_ROLE]) == (scene.found, await scene.open())


async def told(scene: Scene, lines: int) -> bool:
    """Tell whether the audit log has so many lines about max."""
    return len(await scene.api.role_entries(scene.guild_id, scene.client.user("max"))) >= lines


async def test_a_line_that_comes_late_decides_when_it_is_there(scene: Scene) -> None:
    await scene.given()
    await scene.fault(audit_log="delay", seconds=0.3)
    await scene.member("take", role="VIP")
    assert await scene.look() is not None
    await until(lambda: told(scene, 2))

    await scene.decided()

    assert [("taken_by_hand", scene.client.user("olga"))] == scene.differences.found


async def test_without_the_right_the_audit_log_is_asked_for_once_in_ten_minutes(
    scene: Scene,
) -> None:
    await scene.given()
    await scene.given("vera", "Trial")
    await scene.fault(method="GET", path=AUDIT_ROUTE, code=50013, times=None)
    for user, role in (("max", "VIP"), ("vera", "Trial")):
        await scene.member("take", user, role)
        assert await scene.look(user) is not None
    assert 1 == scene.asked("GET", "/audit-logs")

    scene.wait(61)
    assert await scene.look() is None
    assert "Cleared taken_by_hand" == (await scene.log())[-1]
    assert 1 == scene.asked("GET", "/audit-logs")

    scene.wait(600)
    await scene.look("vera")
    assert 2 == scene.asked("GET", "/audit-logs")


@pytest.mark.parametrize(
    "trouble",
    [{"status": 500}, {"reset": True}, {"status": 429, "body": {"retry_after": 0.05}}],
)
async def test_an_audit_log_that_cannot_be_read_now_is_no_audit_log_without_a_line(
    scene: Scene, trouble: dict[str, Any]
) -> None:
    """It was BoostMon that took the role, late, which only the audit log knows."""
    await scene.given()
    await scene.ours("DELETE")
    await scene.fault(method="GET", path=AUDIT_ROUTE, times=2, **trouble)

    assert AGAIN_AFTER == await scene.look()
    scene.wait(61)
    assert AGAIN_AFTER == await scene.look()
    assert ["TimerSet"] == await scene.log()

    assert await scene.look() is None
    assert [("not_held", scene.api.own_id)] == scene.differences.found


async def test_what_was_read_before_a_slow_audit_log_is_not_believed(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A process that was frozen meanwhile cannot know that somebody has given the role back."""
    await scene.given()
    await scene.member("take", role="VIP")
    ask = scene.audit_log.taker

    async def freeze(*what: Any, **more: Any) -> Any:
        taker = await ask(*what, **more)
        scene.wait(BELIEVED_FOR + 1)
        await scene.member("give", role="VIP")
        return taker

    monkeypatch.setattr(scene.audit_log, "taker", freeze)

    assert AGAIN_AFTER == await scene.look()
    assert (["TimerSet"], []) == (await scene.log(), scene.found)


async def test_who_loses_the_lease_while_the_audit_log_answers_decides_nothing(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    await scene.given()
    await scene.member("take", role="VIP")
    ask = scene.audit_log.taker

    async def lose_the_lease(*what: Any, **more: Any) -> Any:
        scene.speaker.leads = False
        return await ask(*what, **more)

    monkeypatch.setattr(scene.audit_log, "taker", lose_the_lease)

    assert AGAIN_AFTER == await scene.look()
    assert (["TimerSet"], []) == (await scene.log(), scene.found)


async def test_with_restore_a_role_that_a_moderator_took_is_given_back(restoring: Scene) -> None:
    await restoring.given()
    await restoring.member("take", role="VIP")

    await restoring.decided()
    await restoring.carry_out()

    assert (["TimerSet"], ["VIP"]) == (await restoring.log(), restoring.roles())
    assert [("taken_by_hand", restoring.client.user("olga"))] == restoring.differences.found


async def test_with_restore_a_role_without_a_line_is_given_back_after_a_minute(
    restoring: Scene,
) -> None:
    await restoring.given()
    await proven(restoring)
    await restoring.carry_out()

    assert (["TimerSet"], ["VIP"]) == (await restoring.log(), restoring.roles())


# Doubt: how long it lasts.


async def doubt(scene: Scene) -> tuple[float, int]:
    """Return in how many seconds the next look is, and how many there were."""
    ask = (
        "SELECT extract(epoch FROM look_again_at - clock_timestamp())::float8 AS left, looks"
        " FROM effects WHERE look_again_at IS NOT NULL"
    )
    row = await scene.owner.fetchrow(ask)
    return row["left"], row["looks"]


async def test_the_member_is_read_after_30_seconds_2_minutes_and_10_minutes(scene: Scene) -> None:
    await scene.given_up("PUT")
    await scene.set()
    await scene.carry_out()
    await scene.carry_out()

    for seconds, looks in ((30, 0), (90, 1), (480, 2)):
        left, looked = await doubt(scene)
        assert (looks, True) == (looked, seconds - 5 < left <= seconds)
        assert [] == await scene.standings.in_doubt(9)
        await scene.doubts_due()
        assert [(scene.guild_id, scene.client.user("max"))] == await scene.standings.in_doubt(9)
        await scene.look()
    assert [] == await scene.in_doubt()


async def test_an_early_look_does_not_count_as_one_of_the_three(scene: Scene) -> None:
    await scene.given_up("PUT")
    await scene.set()
    await scene.carry_out()
    await scene.carry_out()

    for _ in range(5):
        await scene.look()

    assert 0 == (await doubt(scene))[1]


async def test_a_confirmed_attempt_leaves_an_earlier_doubt_on_its_schedule(scene: Scene) -> None:
    await scene.given_up("PUT")
    await scene.set()
    await scene.carry_out()
    before = await doubt(scene)
    await scene.owner.execute("UPDATE effects SET looks = 1")

    await scene.carry_out()

    left, looks = await doubt(scene)
    assert [(GIVE_ROLE, "done")] == await scene.effects()
    assert looks == 1
    assert before[0] - 2 < left <= before[0]


async def test_an_answered_attempt_leaves_no_doubt(scene: Scene) -> None:
    await scene.given()
    assert [] == await scene.in_doubt()


@pytest.mark.parametrize(
    "refusal", [{"status": 429, "body": {"retry_after": 0.1}}, {"code": 50013}]
)
async def test_a_refused_attempt_leaves_no_doubt(scene: Scene, refusal: dict[str, Any]) -> None:
    await scene.fault(method="PUT", path=ROLE_ROUTE, **refusal)
    await scene.set()
    await scene.carry_out()

    assert [] == await scene.in_doubt()


async def test_a_refused_attempt_leaves_an_earlier_doubt_on_its_schedule(scene: Scene) -> None:
    await scene.given_up("PUT")
    await scene.set()
    await scene.carry_out()
    await scene.owner.execute(
        "UPDATE effects SET looks = 2, look_again_at = clock_timestamp() + interval '8 min'"
    )
    await scene.fault(method="PUT", path=ROLE_ROUTE, code=50013)
    await scene.carry_out()

    left, looks = await doubt(scene)
    assert [(GIVE_ROLE, "stuck")] == await scene.effects()
    assert (2, True) == (looks, 470 < left <= 480)


@pytest.mark.parametrize("step", ["1 hour", "-1 hour", "5 minutes", "-5 minutes", "1 year"])
async def test_whatever_the_clock_of_the_database_does_a_look_comes_within_ten_minutes(
    scene: Scene, step: str
) -> None:
    """A clock that went by *step* is a row that is as much away from it the other way."""
    await scene.given_up("PUT")
    await scene.set()
    await scene.carry_out()
    await scene.owner.execute(
        "UPDATE effects SET look_again_at = look_again_at - $1::text::interval", step
    )

    due = bool(await scene.standings.in_doubt(9))
    left, _ = await doubt(scene)

    assert due or 0 < left <= 600
    await scene.doubts_due()
    assert 3 == await scene.agree()


async def test_a_moderator_who_takes_the_role_when_the_doubt_is_over_ends_the_timer(
    scene: Scene,
) -> None:
    await scene.given_up("PUT")
    await scene.set()
    await scene.carry_out()
    await scene.carry_out()
    for _ in range(3):  # again and again while it is in doubt: it is given back
        await scene.later(5)
        await scene.member("take", role="VIP")
        await scene.doubts_due()
        await scene.look()
        await scene.carry_out()
        assert ["VIP"] == scene.roles()
    assert [] == await scene.in_doubt()

    await scene.later(5)
    await scene.member("take", role="VIP")
    await scene.decided()

    assert ["TimerSet", "Cleared taken_by_hand"] == await scene.log()


async def test_a_look_that_finds_nothing_out_does_not_count(scene: Scene) -> None:
    await scene.given_up("PUT")
    await scene.set()
    await scene.carry_out()
    await scene.doubts_due()

    for trouble in ({"status": 500}, {"status": 503}, {"reset": True}):
        await scene.fault(method="GET", path=MEMBER_ROUTE, **trouble)
        assert AGAIN_AFTER == await scene.look()
    await scene.fault(method="GET", path=MEMBER_ROUTE, code=50001)
    assert REFUSED_AFTER == await scene.look()
    scene.server.away = Stuck(INVITE)
    assert REFUSED_AFTER == await scene.look()

    assert 0 == (await doubt(scene))[1]


async def test_a_member_of_no_timer_is_not_read(scene: Scene) -> None:
    assert await scene.look() is None
    assert 0 == scene.asked("GET", "/members/")


# A7: imported timers.


async def test_an_imported_role_that_is_held_is_like_all_others_from_then_on(scene: Scene) -> None:
    await scene.member("give", role="VIP")
    await scene.imports()
    assert await scene.look() is None
    assert [(GIVE_ROLE, "done")] == await scene.effects()
    await scene.later(5)

    await scene.member("take", role="VIP")
    await scene.decided()

    assert ["TimerSet", "Cleared taken_by_hand"] == await scene.log()
    assert scene.client.user("olga") == scene.differences.found[-1][1]


async def test_who_was_imported_and_left_and_came_back_unseen_gets_the_role(scene: Scene) -> None:
    await scene.member("give", role="VIP")
    await scene.imports()
    await scene.look()
    await scene.member("leave")
    await scene.member("join")

    await scene.look()
    await scene.carry_out()

    assert (["TimerSet"], ["VIP"]) == (await scene.log(), scene.roles())


@pytest.mark.parametrize("ahead", [0, 3600, -3600])
async def test_who_was_imported_and_came_back_is_known_however_the_clocks_stand(
    scene: Scene, ahead: int
) -> None:
    await scene.later(ahead)
    await scene.member("give", role="VIP")
    await scene.imports()
    await scene.look()
    await scene.member("leave")
    await scene.member("join")

    await scene.look()

    assert (["left_and_returned"], [GIVE_ROLE]) == (scene.found, await scene.open())


async def test_a_role_given_by_hand_to_who_had_left_before_the_end_and_is_back_stays(
    scene: Scene,
) -> None:
    await scene.given()
    await scene.member("leave")
    await scene.clear()
    await scene.carry_out()
    await scene.member("join")
    await scene.look()  # they are back without the role: leaving has taken it
    await scene.member("give", role="VIP")

    await scene.look()
    await scene.agree()

    assert (["VIP"], []) == (scene.roles(), scene.found)


async def test_a_role_that_is_there_at_once_when_who_had_left_is_back_is_taken(
    scene: Scene,
) -> None:
    await scene.given()
    await scene.member("leave")
    await scene.clear()
    await scene.carry_out()
    await scene.member("join")
    await scene.member("give", role="VIP")  # by a bot that gives back what members had

    await scene.look()
    await scene.agree()

    assert ([], ["held_after_end"]) == (scene.roles(), scene.found)


async def test_who_was_imported_and_was_never_read_before_coming_back_gets_the_role(
    scene: Scene,
) -> None:
    await scene.member("give", role="VIP")
    await scene.imports()
    await scene.member("leave")
    await scene.member("join")

    await scene.look()
    await scene.carry_out()

    assert (["left_and_returned"], ["VIP"]) == (scene.found, scene.roles())


async def test_an_imported_role_that_is_absent_is_reported_and_neither_given_nor_ended(
    scene: Scene,
) -> None:
    await scene.imports()

    for _ in range(2):
        assert await scene.look() is None
        scene.wait(61)

    assert (["TimerSet"], []) == (await scene.log(), await scene.effects())
    assert ["import_not_held"] == [each.found for each in await scene.standings.undecided()]
    assert [] == scene.roles()


async def test_an_imported_role_that_was_absent_and_is_held_now_is_no_longer_reported(
    scene: Scene,
) -> None:
    await scene.imports()
    await scene.look()
    await scene.member("give", role="VIP")

    await scene.look()

    assert [] == await scene.standings.undecided()
    assert [(GIVE_ROLE, "done")] == await scene.effects()


async def test_a_member_of_two_imported_timers_has_each_judged_by_itself(scene: Scene) -> None:
    await scene.member("give", role="VIP")
    await scene.imports()
    await scene.imports(role="Trial")

    await scene.look()

    assert [(GIVE_ROLE, "done")] == await scene.effects()
    assert [scene.timer(role="Trial")] == [each.timer for each in await scene.standings.undecided()]


# Too many at once.


async def gone(scene: Scene, count: int) -> list[str]:
    """Have members whose role was given and confirmed, and is missing; return their names.

    More than three are too many here.
    """
    scene.patch.setattr(absences, "TOO_MANY", TOO_MANY)
    names = [f"member{number}" for number in range(count)]
    for name in names:
        await scene.member("join", name)
    scene.client.ids = scene.client.sandbox.state()["ids"]
    for name in names:
        await scene.set(name)
    await scene.owner.execute("UPDATE effects SET state = 'done', receipt = '{}', done_at = now()")
    return names


async def look_at_all(scene: Scene, names: list[str]) -> None:
    """Look at each, a minute later once more, and a third time."""
    for _ in range(3):
        for name in names:
            await scene.look(name)
        scene.wait(61)


async def test_too_many_missing_at_once_are_held_back(scene: Scene) -> None:
    names = await gone(scene, TOO_MANY + 1)

    await look_at_all(scene, names)

    assert ["TimerSet"] * len(names) == await scene.log()
    assert ([], ["too_many_taken"] * len(names)) == (await scene.open(), scene.found)
    assert {scene.timer(name) for name in names} == {
        each.timer for each in await scene.standings.undecided(scene.guild_id)
    }


async def test_what_is_held_back_is_told_once_however_many_are_looked_at_together(
    scene: Scene,
) -> None:
    names = await gone(scene, TOO_MANY + 5)

    await asyncio.gather(*map(scene.look, names))

    assert ["too_many_taken"] * len(names) == scene.found


async def test_what_could_not_be_held_back_is_at_the_next_look_at_any(scene: Scene) -> None:
    names = await gone(scene, TOO_MANY + 1)
    for name in names[:-1]:
        await scene.look(name)

    async def fail(*_: object) -> None:
        raise DatabaseError("the database is away")

    with scene.patch.context() as patch:
        patch.setattr(scene.standings, "note", fail)
        with pytest.raises(DatabaseError):
            await scene.look(names[-1])
    await scene.look(names[-1])

    assert len(names) == len(await scene.standings.undecided(scene.guild_id))


async def test_fewer_missing_at_once_end(scene: Scene) -> None:
    names = await gone(scene, TOO_MANY)

    await look_at_all(scene, names)

    assert ["Cleared taken_by_hand"] * len(names) == (await scene.log())[len(names) :]


async def test_with_restore_too_many_are_held_back_as_well(restoring: Scene) -> None:
    names = await gone(restoring, TOO_MANY + 1)

    await look_at_all(restoring, names)

    assert (["too_many_taken"] * len(names), []) == (restoring.found, await restoring.open())


async def test_what_is_held_back_stays_so_after_a_restart(scene: Scene) -> None:
    names = await gone(scene, TOO_MANY + 1)
    await look_at_all(scene, names)
    other = scene.another()

    for _ in range(2):
        for name in names:
            assert await scene.look(name, by=other) is None
        scene.wait(601)

    assert (["TimerSet"] * len(names), []) == (await scene.log(), other.found)


async def test_a_command_lifts_the_hold_of_its_timer_alone(scene: Scene) -> None:
    names = await gone(scene, TOO_MANY + 1)
    await look_at_all(scene, names)

    await scene.command(AddTime(scene.clock.time, HOUR, M), names[0])
    await scene.carry_out()
    for name in names:
        await scene.look(name)

    assert (["VIP"], []) == (scene.roles(names[0]), scene.roles(names[1]))
    assert len(names) - 1 == len(await scene.standings.undecided())
    assert not (await scene.standing(names[0])).held_back


@pytest.mark.parametrize("command", [AddTime(0, HOUR, M), Pause(0), RemoveTime(0, MINUTE, M)])
async def test_a_command_lifts_a_hold_before_anybody_looks(
    scene: Scene, command: AddTime | Pause | RemoveTime
) -> None:
    names = await gone(scene, TOO_MANY + 1)
    await look_at_all(scene, names)

    await scene.command(structs.replace(command, now=scene.clock.time), names[0])

    assert [False, True] == [(await scene.standing(name)).held_back for name in names[:2]]
    assert len(names) - 1 == len(await scene.standings.undecided())


async def test_a_timer_whose_hold_was_lifted_is_judged_anew_when_it_is_one_of_few(
    scene: Scene,
) -> None:
    names = await gone(scene, TOO_MANY + 1)
    await look_at_all(scene, names)
    await scene.command(Pause(scene.clock.time), names[0])
    scene.wait(601)  # those of before do not count any more

    for name in names[:2]:
        await scene.look(name)
    scene.wait(61)
    for name in names[:2]:
        await scene.look(name)

    assert ["Paused", "Cleared taken_by_hand"] == (await scene.log())[len(names) :]


async def test_a_role_that_is_given_back_by_hand_is_held_back_no_longer(scene: Scene) -> None:
    names = await gone(scene, TOO_MANY + 1)
    await look_at_all(scene, names)
    await scene.member("give", names[0], "VIP")

    await scene.look(names[0])

    assert len(names) - 1 == len(await scene.standings.undecided())
    assert not (await scene.standing(names[0])).held_back


async def test_what_was_restored_is_given_by_the_next_pass(scene: Scene) -> None:
    names = await gone(scene, TOO_MANY + 1)
    await look_at_all(scene, names)

    assert len(names) == await restore_all(scene.standings, scene.guild_id)

    assert [GIVE_ROLE] * len(names) == await scene.open()
    assert 0 == await restore_all(scene.standings, scene.guild_id)


async def test_what_was_ended_stands_in_the_log_as_taken_by_hand(scene: Scene) -> None:
    names = await gone(scene, TOO_MANY + 1)
    await look_at_all(scene, names)
    handler = handler_over(scene.database)

    end = partial(end_all, scene.standings, handler, scene.guild_id, now=scene.clock.time)
    assert Ends(ended=len(names)) == await end(holds=None)
    assert ["Cleared taken_by_hand"] * len(names) == (await scene.log())[len(names) :]
    assert Ends() == await end(holds=None)


async def taken(scene: Scene, names: list[str]) -> None:
    """Let a person take the roles of members, of which the audit log tells."""
    for name in names:
        await scene.member("give", name, "VIP")
    await scene.later(5)
    for name in names:
        await scene.member("take", name, "VIP")


async def test_too_many_that_the_audit_log_tells_of_are_all_held_back(scene: Scene) -> None:
    names = await gone(scene, TOO_MANY + 3)
    await taken(scene, names)

    await look_at_all(scene, names)

    assert ["TimerSet"] * len(names) == await scene.log()
    assert len(names) == len(await scene.standings.undecided())


async def test_too_many_that_are_looked_at_one_after_the_other_are_all_held_back(
    scene: Scene,
) -> None:
    """A bot that takes roles makes some requests a second, no more."""
    names = await gone(scene, TOO_MANY + 1)
    await taken(scene, names)

    for name in names:
        await scene.look(name)
        scene.wait((TOLD_AFTER - 1) / TOO_MANY)
    await look_at_all(scene, names)

    assert (["TimerSet"] * len(names), []) == (await scene.log(), await scene.open())
    assert ["too_many_taken"] * len(names) == scene.found


async def test_with_restore_too_many_that_the_audit_log_tells_of_are_not_given_back(
    restoring: Scene,
) -> None:
    names = await gone(restoring, TOO_MANY + 1)
    await taken(restoring, names)

    await look_at_all(restoring, names)

    assert (["too_many_taken"] * len(names), []) == (restoring.found, await restoring.open())


async def test_of_too_many_those_that_were_decided_before_stay_so(scene: Scene) -> None:
    names = await gone(scene, TOO_MANY + 1)
    await taken(scene, names)

    await scene.decided(names[0])
    await look_at_all(scene, names[1:])

    assert "Cleared taken_by_hand" == (await scene.log())[-1]
    assert TOO_MANY == len(await scene.standings.undecided())


async def test_who_is_being_judged_when_it_becomes_too_many_is_held_back_as_well(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = await gone(scene, TOO_MANY + 1)
    await scene.fault(method="GET", path=AUDIT_ROUTE, code=50013, times=None)
    for name in names[:-1]:
        await scene.look(name)
    scene.wait(61)
    ask = scene.audit_log.taker

    async def meanwhile_another(*what: Any, **more: Any) -> Any:
        monkeypatch.setattr(scene.audit_log, "taker", ask)
        await scene.look(names[-1])
        return await ask(*what, **more)

    monkeypatch.setattr(scene.audit_log, "taker", meanwhile_another)
    await scene.look(names[0])

    assert ["TimerSet"] * len(names) == await scene.log()
    assert ["too_many_taken"] * len(names) == scene.found


async def test_many_that_are_in_doubt_are_given_back_and_none_held_back(scene: Scene) -> None:
    names = await gone(scene, TOO_MANY + 1)
    await scene.owner.execute("UPDATE effects SET look_again_at = clock_timestamp()")

    for name in names:
        await scene.look(name)

    assert [GIVE_ROLE] * len(names) == await scene.open()
    assert {"not_held"} == set(scene.found)


# A8: a row that was changed by hand.


async def row_by_hand(scene: Scene) -> None:
    """Put a row there, by hand, of a timer of max that has ended."""
    await scene.owner.execute(
        "INSERT INTO role_timers (id, guild_id, user_id, role_id, expires_at, version)"
        " SELECT 1, $1, $2, $3, 1, max(version) FROM events WHERE stream_id = 1",
        *astuple(scene.timer()),
    )


@pytest.mark.parametrize("end", ["clear", "a command that takes all time", "a second life"])
async def test_a_replay_owes_the_take_again_that_a_row_by_hand_had_superseded(
    scene: Scene, end: str
) -> None:
    await scene.given()
    await scene.given("vera", "Trial")
    if end == "a second life":
        await scene.clear()
        await scene.carry_out()
        await scene.given()
    if end == "a command that takes all time":
        await scene.command(RemoveTime(scene.clock.time, HOUR, M))
    else:
        await scene.clear()
    await row_by_hand(scene)
    await scene.carry_out()
    assert ["VIP"] == scene.roles()

    await replay(scene.owner)
    assert [TAKE_ROLE] == await scene.open()
    await scene.carry_out()

    assert ([], ["Supporter", "Trial"]) == (scene.roles(), sorted(scene.roles("vera")))
    assert (await check(scene.owner)).clean


async def test_a_replay_owes_nothing_again_that_was_done(scene: Scene) -> None:
    await scene.given()
    await scene.clear()
    await scene.carry_out()
    await scene.later(5)
    await scene.member("give", role="VIP")  # for good
    await row_by_hand(scene)

    await replay(scene.owner)
    await scene.carry_out()

    assert ([], ["VIP"]) == (await scene.open(), scene.roles())


async def test_a_replay_owes_no_notice_again_that_a_row_by_hand_had_superseded(
    scene: Scene,
) -> None:
    await scene.given()
    await scene.expire()
    await row_by_hand(scene)
    await scene.carry_out()
    assert [(TAKE_ROLE, "superseded"), ("notice", "superseded")] == (await scene.effects())[-2:]

    await replay(scene.owner)

    assert [TAKE_ROLE] == await scene.open()


async def test_a_replay_owes_no_take_again_that_a_renewal_had_superseded(scene: Scene) -> None:
    await scene.given()
    await scene.clear()
    await scene.set()
    await scene.carry_out()
    await scene.clear()
    await scene.carry_out()
    await row_by_hand(scene)

    await replay(scene.owner)

    assert [] == await scene.open()
    assert 1 == (await scene.effects()).count((TAKE_ROLE, "superseded"))


async def test_a_replay_owes_no_give_again_that_a_row_deleted_by_hand_had_superseded(
    scene: Scene,
) -> None:
    """The row is mended, and the give is found to be missing by the next look."""
    await scene.set()
    await scene.owner.execute("DELETE FROM role_timers")
    await scene.carry_out()
    assert [(GIVE_ROLE, "superseded")] == await scene.effects()

    await replay(scene.owner)
    assert [] == await scene.open()
    await scene.look()
    await scene.carry_out()

    assert (["not_held"], ["VIP"]) == (scene.found, scene.roles())


async def test_a_replay_owes_no_take_again_of_a_timer_that_was_begun_anew(scene: Scene) -> None:
    await scene.given()
    await scene.clear()
    await row_by_hand(scene)
    await scene.carry_out()
    await scene.owner.execute("DELETE FROM role_timers")
    await scene.set()
    await scene.carry_out()
    await scene.owner.execute("UPDATE role_timers SET expires_at = expires_at + 1")

    await replay(scene.owner)
    await scene.carry_out()

    assert ([], ["VIP"]) == (await scene.open(), scene.roles())
    assert (GIVE_ROLE, "done") == (await scene.effects())[-1]


# What cannot be read keeps nobody waiting.


async def test_members_who_cannot_be_read_keep_no_other_in_doubt_waiting(scene: Scene) -> None:
    await scene.given_up("PUT")
    await scene.set()
    await scene.carry_out()
    await scene.doubts_due()
    scene.server.away = Stuck(INVITE)

    await scene.look()

    assert [] == await scene.standings.in_doubt(1)
    left, looks = await doubt(scene)
    assert (0, True) == (looks, REFUSED_AFTER - 5 < left <= REFUSED_AFTER)


async def test_who_is_not_due_yet_is_not_put_off(scene: Scene) -> None:
    await scene.given_up("PUT")
    await scene.set()
    await scene.carry_out()
    await scene.fault(method="GET", path=MEMBER_ROUTE, code=50001)

    await scene.look()

    assert (await doubt(scene))[0] <= 30


# Whom the reconciler asks for.


async def members(scene: Scene) -> list[TimedMember]:
    return await scene.standings.members(scene.guild_id, after="", most=100)


async def test_members_come_in_pages_with_all_of_their_roles(scene: Scene) -> None:
    for user, role in (("max", "VIP"), ("max", "Trial"), ("vera", "VIP"), ("carl", "VIP")):
        await scene.set(user, role)
    await scene.clear("carl")

    first = await scene.standings.members(scene.guild_id, after="", most=1)
    rest = await scene.standings.members(scene.guild_id, after=first[0].user_id, most=100)

    wanted = {
        scene.client.user("max"): {scene.client.role("VIP"), scene.client.role("Trial")},
        scene.client.user("vera"): {scene.client.role("VIP")},
    }
    assert wanted == {each.user_id: set(each.role_ids) for each in [*first, *rest]}
    assert [scene.guild_id] == await scene.standings.servers()
    assert [] == await scene.standings.members("1", after="", most=100)


async def test_an_imported_timer_is_one_of_those_never_given_until_its_role_was_seen(
    scene: Scene,
) -> None:
    await scene.member("give", role="VIP")
    await scene.imports()
    await scene.set("vera")
    (number,) = [(await scene.standing()).number]
    assert [(number,), ()] == [each.never_given for each in await members(scene)]

    await scene.look()

    assert [(), ()] == [each.never_given for each in await members(scene)]


async def test_an_imported_role_that_was_reported_is_so_until_a_command_gives_it(
    scene: Scene,
) -> None:
    await scene.imports()
    await scene.look()
    assert [{scene.client.role("VIP")}] == [set(each.reported) for each in await members(scene)]

    await scene.command(AddTime(scene.clock.time, HOUR, M))
    await scene.carry_out()

    assert [set()] == [set(each.reported) for each in await members(scene)]


async def test_who_is_held_back_is_so_until_a_command_lifts_it(scene: Scene) -> None:
    await scene.given()
    await scene.standings.note(await scene.standing(), "too_many_taken")
    assert [True] == [each.held_back for each in await members(scene)]

    await scene.sweep(HOUR - 10 * MINUTE)
    assert [True] == [each.held_back for each in await members(scene)]
    await scene.command(Pause(scene.clock.time))

    assert [False] == [each.held_back for each in await members(scene)]


# Two at once.


async def test_two_processes_that_look_at_once_end_a_timer_once(scene: Scene) -> None:
    await scene.given()
    await scene.member("take", role="VIP")
    other = scene.another()

    for _ in range(2):
        await asyncio.gather(scene.look(), scene.look(by=other))
        scene.wait(TOLD_AFTER)

    assert ["TimerSet", "Cleared taken_by_hand"] == await scene.log()


async def test_two_processes_that_look_at_once_open_a_give_once(scene: Scene) -> None:
    await scene.given()
    await scene.member("leave")
    await scene.member("join")
    other = scene.another()

    await asyncio.gather(scene.look(), scene.look(by=other))

    assert ["left_and_returned"] == [*scene.found, *other.found]
    await scene.carry_out()
    assert (["VIP"], ["TimerSet"]) == (scene.roles(), await scene.log())


async def test_a_look_that_comes_behind_another_opens_nothing_that_was_done_since(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    await scene.given()
    await scene.member("leave")
    await scene.member("join")
    other = scene.another()
    reopen = other.standings.reopen

    async def behind(*what: Any) -> bool:
        await scene.look()
        await scene.carry_out()
        return await reopen(*what)

    monkeypatch.setattr(other.standings, "reopen", behind)
    await scene.look(by=other)

    assert (["left_and_returned"], [], []) == (scene.found, other.found, await scene.open())


async def test_a_command_that_comes_before_a_look_has_had_effect_is_obeyed(scene: Scene) -> None:
    """A give is opened again, and the timer is cleared before that is carried out."""
    await scene.given()
    await scene.member("leave")
    await scene.member("join")
    await scene.look()
    await scene.clear()

    await scene.agree()

    assert ([], ["TimerSet", "Cleared asked"]) == (scene.roles(), await scene.log())


async def test_a_look_is_counted_before_what_it_opened_again_is_done(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else the attempt would carry on with the looks of before, and another bot keep it up."""
    await renewed_while_a_take_is_given_up(scene)
    await scene.ours("DELETE")
    await scene.doubts_due()
    looked, rechecked = scene.standings.looked, scene.speaker.rechecked

    async def not_rechecked_yet(numbers: Sequence[int]) -> None:
        assert [] == rechecked
        await looked(numbers)

    monkeypatch.setattr(scene.standings, "looked", not_rechecked_yet)
    await scene.look()

    assert [1] == rechecked


async def test_what_was_opened_again_is_done_although_the_look_was_not_counted(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    await renewed_while_a_take_is_given_up(scene)
    await scene.ours("DELETE")

    async def fail(_: Sequence[int]) -> None:
        raise DatabaseUnavailableError

    monkeypatch.setattr(scene.standings, "looked", fail)
    with pytest.raises(DatabaseUnavailableError):
        await scene.look()

    assert [1] == scene.speaker.rechecked


async def test_what_is_opened_again_keeps_its_doubt_and_its_looks(scene: Scene) -> None:
    await scene.given_up("PUT")
    await scene.set()
    await scene.carry_out()
    await scene.carry_out()
    await scene.member("take", role="VIP")
    await scene.doubts_due()

    await scene.look()
    await scene.carry_out()

    left, looks = await doubt(scene)
    assert (1, True) == (looks, 85 < left <= 90)


@pytest.mark.parametrize("status", [200, 201, 302, 307])
@pytest.mark.parametrize("method", ["PUT", "DELETE"])
async def test_a_role_change_that_something_else_answers_is_in_doubt(
    scene: Scene, method: str, status: int
) -> None:
    """Discord answers one with 204 and nothing else; a page of a proxy is no receipt."""
    if method == "DELETE":
        await scene.given()
    page = {"status": status, "body": "<html>Hello</html>", "effect": "never"}
    await scene.fault(method=method, path=ROLE_ROUTE, times=1, **page)
    await (scene.set() if method == "PUT" else scene.clear())

    await scene.carry_out("give_role", "take_role")

    assert ["give_role" if method == "PUT" else "take_role"] == await scene.open()
    await scene.agree()
    assert (["VIP"] if method == "PUT" else []) == scene.roles()


# Nobody has left because one answer says so.

NOBODY = [10007, 10013]


async def owed(scene: Scene, method: str) -> str:
    """Owe a member a give or a take; return its kind."""
    if method == "DELETE":
        await scene.given()
        await scene.clear()
        return TAKE_ROLE
    await scene.set()
    return GIVE_ROLE


@pytest.mark.parametrize("code", NOBODY)
@pytest.mark.parametrize("method", ["PUT", "DELETE"])
async def test_a_role_change_that_knows_no_such_member_is_tried_again_while_they_are_there(
    scene: Scene, method: str, code: int
) -> None:
    kind = await owed(scene, method)
    await scene.fault(method=method, path=ROLE_ROUTE, code=code, times=3)

    for _ in range(3):
        await scene.carry_out(kind)
        assert [kind] == await scene.open()
    await scene.carry_out(kind)

    assert (["VIP"] if method == "PUT" else []) == scene.roles()
    assert [] == await scene.in_doubt()


@pytest.mark.parametrize("code", NOBODY)
@pytest.mark.parametrize("method", ["PUT", "DELETE"])
async def test_a_member_whom_two_answers_did_not_know_is_looked_at_again(
    scene: Scene, method: str, code: int
) -> None:
    kind = await owed(scene, method)
    await scene.fault(method=method, path=ROLE_ROUTE, code=code)
    await scene.fault(method="GET", path=MEMBER_ROUTE, code=code)

    await scene.carry_out(kind)
    assert ([], 1) == (await scene.open(), len(await scene.in_doubt()))
    await scene.agree()

    assert (["VIP"] if method == "PUT" else []) == scene.roles()
    assert ["not_held" if method == "PUT" else "held_after_end"] == scene.found


async def test_a_member_whom_the_gateway_knows_is_looked_at_until_all_answers_do(
    scene: Scene,
) -> None:
    kind = await owed(scene, "DELETE")
    await scene.fault(method="DELETE", path=ROLE_ROUTE, code=10007)
    await scene.fault(method="GET", path=MEMBER_ROUTE, code=10007, times=None)
    await scene.carry_out(kind)

    for _ in range(5):
        await scene.doubts_due()
        assert AGAIN_AFTER == await scene.look()
    await scene.disarm()
    await scene.agree()

    assert ([], ["held_after_end"]) == (scene.roles(), scene.found)


@pytest.mark.parametrize("tells", ["nothing", "too late"])
async def test_what_the_gateway_does_not_tell_of_a_member_keeps_no_doubt_open(
    scene: Scene, tells: str
) -> None:
    def told(_: object) -> None:
        if tells == "too late":
            raise TimeoutError

    scene.members.tells = told
    await scene.given()
    await scene.member("leave")
    await scene.clear()
    await scene.carry_out(TAKE_ROLE)

    assert 3 == await scene.agree()


async def test_a_member_whom_discord_does_not_know_behind_a_missing_right_is_looked_at_again(
    scene: Scene,
) -> None:
    await scene.given()
    await scene.clear()
    await scene.fault(method="DELETE", path=ROLE_ROUTE, code=50013)
    await scene.fault(method="GET", path=MEMBER_ROUTE, code=10007)

    await scene.carry_out(TAKE_ROLE)
    await scene.agree()

    assert ([], ["held_after_end"]) == (scene.roles(), scene.found)


async def test_a_role_that_one_reading_lacked_behind_a_missing_right_is_looked_at_again(
    scene: Scene,
) -> None:
    await scene.given()
    await scene.clear()
    await scene.fault(method="DELETE", path=ROLE_ROUTE, code=50013)
    bare = {"roles": [], "joined_at": "2020-01-01T00:00:00+00:00"}
    await scene.fault(method="GET", path=MEMBER_ROUTE, status=200, body=bare)

    await scene.carry_out(TAKE_ROLE)
    assert [] == await scene.open()
    await scene.agree()

    assert ([], ["held_after_end"]) == (scene.roles(), scene.found)


async def test_who_has_left_indeed_is_asked_for_three_times_more_and_nothing_is_changed(
    scene: Scene,
) -> None:
    await scene.given()
    await scene.member("leave")
    await scene.clear()
    await scene.carry_out(TAKE_ROLE)

    assert 3 == await scene.agree()

    assert (1, []) == (scene.asked("DELETE", "/roles/"), scene.found)


@pytest.mark.parametrize("method", ["PUT", "DELETE"])
async def test_a_role_that_one_answer_does_not_know_is_changed_all_the_same(
    scene: Scene, method: str
) -> None:
    kind = await owed(scene, method)
    await scene.fault(method=method, path=ROLE_ROUTE, code=10011, times=3)

    for _ in range(4):
        await scene.carry_out(kind)

    assert (["VIP"] if method == "PUT" else []) == scene.roles()


# What REST alone shows to be missing.

BARE = {"roles": [], "joined_at": "2020-01-01T00:00:00+00:00"}


async def test_a_reading_without_any_role_ends_nothing_that_the_gateway_knows_better(
    scene: Scene,
) -> None:
    await scene.given()
    await scene.given(role="Trial")
    await scene.fault(method="GET", path=MEMBER_ROUTE, status=200, body=BARE, times=None)

    for again in (PROVEN_AFTER, AGAIN_AFTER, AGAIN_AFTER):
        assert pytest.approx(again, abs=0.5) == await scene.look()
        scene.wait(61)
    await scene.disarm()
    assert await scene.look() is None

    assert (["TimerSet", "TimerSet"], []) == (await scene.log(), scene.found)


@pytest.mark.parametrize("tells", ["nothing", "nobody", "too late"])
async def test_what_the_gateway_does_not_tell_ends_nothing(scene: Scene, tells: str) -> None:
    await scene.given()
    await scene.fault(audit_log="lose", times=None)
    await scene.member("take", role="VIP")

    def told(_: object) -> dict[str, Membership] | None:
        if tells == "too late":
            raise TimeoutError
        return {} if tells == "nobody" else None

    scene.members.tells = told
    await scene.look()
    scene.wait(61)

    assert AGAIN_AFTER == await scene.look()
    assert (["TimerSet"], []) == (await scene.log(), scene.found)


async def test_who_loses_the_lease_while_the_gateway_answers_decides_nothing(scene: Scene) -> None:
    await scene.given()
    await scene.fault(audit_log="lose", times=None)
    await scene.member("take", role="VIP")

    def lose_the_lease(seen: dict[str, Membership]) -> dict[str, Membership]:
        scene.speaker.leads = False
        return seen

    scene.members.tells = lose_the_lease
    await scene.look()
    scene.wait(61)

    assert AGAIN_AFTER == await scene.look()
    assert (["TimerSet"], []) == (await scene.log(), scene.found)


async def test_where_a_line_tells_who_took_a_role_the_gateway_is_not_asked(scene: Scene) -> None:
    await scene.given()
    await scene.member("take", role="VIP")

    await scene.decided()

    assert ("Cleared taken_by_hand", 0) == ((await scene.log())[-1], scene.members.asked)

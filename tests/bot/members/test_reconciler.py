"""The reconciler: who is compared when, and what comes of what differs."""

import asyncio
from collections.abc import Collection, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from structlog.testing import capture_logs

from boostmon.bot.discord.members import Membership
from boostmon.bot.members import reconciler
from boostmon.bot.members.looks import Member
from boostmon.bot.members.reconciler import (
    AGAIN_AFTER,
    BETWEEN_PASSES,
    EVERY,
    PAGE,
    PATIENCE,
    TRIES,
    Memberships,
    Reconciler,
)
from boostmon.errors import DatabaseUnavailableError
from boostmon.projections.effects.standings import TimedMember
from tests.support.fakes import Machine, Relay, at_work, turns

VIP, TRIAL = "21", "22"
Held = dict[str, list[str]]


def timed(user_id: str, *role_ids: str, **more: Any) -> TimedMember:
    """Name a member who has timers of some roles."""
    nothing: dict[str, Any] = {
        "never_given": (),
        "reported": frozenset(),
        "reported_at": None,
        "held_back": False,
    }
    return TimedMember(user_id=user_id, role_ids=frozenset(role_ids), **nothing | more)


class Timers:
    """Who has timers, as the database tells, and what it is told."""

    def __init__(self) -> None:
        self.of: dict[str, list[TimedMember]] = {}
        self.noted: list[tuple[tuple[int, ...], float]] = []
        self.settled: list[int] = []
        self.failures = 0

    async def servers(self) -> list[str]:
        if self.failures:
            self.failures -= 1
            raise DatabaseUnavailableError
        return list(self.of)

    async def members(self, guild_id: str, *, after: str, most: int) -> list[TimedMember]:
        everybody = sorted(self.of.get(guild_id, ()), key=lambda each: each.user_id)
        return [each for each in everybody if each.user_id > after][:most]

    async def owe_nothing(self, held: Mapping[int, datetime | None], *, seconds_ago: float) -> int:
        self.noted.append((tuple(held), seconds_ago))
        return len(held)

    async def decided(self, numbers: Sequence[int]) -> None:
        self.settled += numbers


class Gateway:
    """What members hold, by server and user; who is not there is no member."""

    def __init__(self) -> None:
        self.held: dict[str, Held] = {}
        self.joined: dict[str, datetime] = {}
        self.asked: list[tuple[str, int]] = []
        self.roles_asked: list[str] = []
        self.silent: dict[str, int] = {}
        self.broken: set[str] = set()
        self.meanwhile: Any = lambda _: None

    async def memberships(self, guild_id: str, user_ids: Collection[str]) -> Memberships | None:
        self.asked.append((guild_id, len(user_ids)))
        self.meanwhile(guild_id)
        if self.silent.get(guild_id, 0):
            self.silent[guild_id] -= 1
            raise TimeoutError
        if guild_id not in self.held:
            return None
        there = self.held[guild_id]
        return {
            u: Membership(frozenset(there[u]), self.joined.get(u)) for u in user_ids if u in there
        }

    async def roles_checked(self, guild_id: str) -> None:
        self.roles_asked.append(guild_id)
        if guild_id in self.broken:
            raise ValueError(guild_id)


class Wishes:
    """Notes who is to be looked at."""

    def __init__(self) -> None:
        self.wanted: list[Member] = []

    def want_in_time(self, guild_id: str, user_id: str) -> None:
        self.wanted.append((guild_id, user_id))


class Count:
    """Counts who was compared."""

    def __init__(self) -> None:
        self.members = 0

    def compared(self, members: int) -> None:
        self.members += members


class Bench:
    """A reconciler with all that it talks to."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self.machine, self.relay = Machine(patch), Relay()
        self.timers, self.gateway = Timers(), Gateway()
        self.looks, self.count = Wishes(), Count()
        standings: Any = self.timers
        self.reconciler = Reconciler(
            standings=standings,
            members=self.gateway,
            roles=self.gateway,
            looks=self.looks,
            relay=self.relay,
            watch=self.count,
        )

    def has(self, guild_id: str, member: TimedMember, *held: str) -> None:
        """Have a member with timers, who holds some roles."""
        self.timers.of.setdefault(guild_id, []).append(member)
        self.gateway.held.setdefault(guild_id, {})[member.user_id] = list(held)

    async def passed(self, *, after: float = 1) -> None:
        """Let the pass that is due, or will be *after* seconds, come to its end."""
        before = self.reconciler.ended
        self.machine.now += after
        await turns(lambda: self.reconciler.ended not in (None, before))

    async def quiet(self) -> None:
        """Let everybody have their turn; nothing is due."""
        for _ in range(50):
            await asyncio.sleep(0)


@pytest.fixture
def bench(monkeypatch: pytest.MonkeyPatch) -> Bench:
    """Lend a reconciler that has compared nobody yet, and does not wait between questions."""
    for name in ("EVERY", "LOOK"):
        monkeypatch.setattr(reconciler, name, 0.0)
    return Bench(monkeypatch)


@pytest.fixture
def patient_no_longer(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have it begin anew at once after it was cut short."""
    monkeypatch.setattr(reconciler, "PATIENCE", 0.0)


# What differs.


async def test_who_lacks_a_timed_role_is_looked_at(bench: Bench) -> None:
    bench.has("1", timed("11", VIP))
    bench.has("1", timed("12", VIP), VIP, "29")
    bench.has("1", timed("13", VIP, TRIAL), TRIAL)
    async with at_work(bench.reconciler.run()):
        await bench.passed()

    assert [("1", "11"), ("1", "13")] == bench.looks.wanted
    assert ([], 3) == (bench.timers.noted, bench.count.members)


async def test_who_has_left_is_not_looked_at(bench: Bench) -> None:
    bench.has("1", timed("11", VIP, held_back=True, never_given=(7,)))
    bench.has("1", timed("12", VIP))
    bench.gateway.held["1"] = {}
    async with at_work(bench.reconciler.run()):
        await bench.passed()

    assert ([], []) == (bench.looks.wanted, bench.timers.noted)


async def test_who_is_held_back_is_looked_at_whatever_they_hold(bench: Bench) -> None:
    bench.has("1", timed("11", VIP, held_back=True), VIP)
    async with at_work(bench.reconciler.run()):
        await bench.passed()

    assert [("1", "11")] == bench.looks.wanted


async def test_an_imported_role_that_is_held_is_noted_with_when_it_was_asked_for(
    bench: Bench,
) -> None:
    def slow(_: str) -> None:
        bench.machine.now += 3

    bench.has("1", timed("11", VIP, TRIAL, never_given=(7, 8)), VIP, TRIAL)
    bench.gateway.meanwhile = slow
    async with at_work(bench.reconciler.run()):
        await bench.passed()

    assert [((7, 8), 3.0)] == bench.timers.noted
    assert [7, 8] == bench.timers.settled


async def test_an_imported_role_that_is_absent_is_looked_at_once_and_then_reported(
    bench: Bench,
) -> None:
    bench.has("1", timed("11", VIP, never_given=(7,)))
    bench.has("1", timed("12", VIP, never_given=(8,), reported=frozenset({VIP})))
    async with at_work(bench.reconciler.run()):
        await bench.passed()

    assert ([("1", "11")], []) == (bench.looks.wanted, bench.timers.noted)


async def test_who_has_come_back_since_a_role_was_reported_is_looked_at(bench: Bench) -> None:
    reported_at, VIPS = datetime(2026, 11, 30, tzinfo=UTC), frozenset({VIP})  # noqa: N806 - as VIP
    for user, days in (("11", 1), ("12", -1)):
        bench.has("1", timed(user, VIP, reported=VIPS, reported_at=reported_at))
        bench.gateway.joined[user] = reported_at + timedelta(days=days)
    async with at_work(bench.reconciler.run()):
        await bench.passed()

    assert [("1", "11")] == bench.looks.wanted


async def test_who_lacks_another_role_beside_the_one_that_was_reported_is_looked_at(
    bench: Bench,
) -> None:
    bench.has("1", timed("11", VIP, TRIAL, reported=frozenset({VIP})))
    async with at_work(bench.reconciler.run()):
        await bench.passed()

    assert [("1", "11")] == bench.looks.wanted


# Who is asked for, and how.


async def test_members_are_asked_for_by_hundreds_and_roles_once_a_server(bench: Bench) -> None:
    for number in range(2 * PAGE + 1):
        bench.has("1", timed(f"{1000 + number}", VIP), VIP)
    bench.has("2", timed("11", VIP), VIP)
    async with at_work(bench.reconciler.run()):
        await bench.passed()

    assert [("1", PAGE), ("1", PAGE), ("1", 1), ("2", 1)] == bench.gateway.asked
    assert (["1", "2"], 2 * PAGE + 2) == (bench.gateway.roles_asked, bench.count.members)


async def test_each_question_keeps_the_pace_of_the_gateway(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    slept, sleep = list[float](), asyncio.sleep

    async def note(seconds: float) -> None:
        slept.append(seconds)
        await sleep(0)

    for number in range(2 * PAGE + 1):
        bench.has("1", timed(str(1_000 + number), VIP), VIP)
    bench.has("2", timed("11", VIP), VIP)
    monkeypatch.setattr(reconciler, "EVERY", EVERY)
    monkeypatch.setattr(reconciler, "asyncio", SimpleNamespace(sleep=note))
    async with at_work(bench.reconciler.run()):
        await bench.passed()

    assert len(bench.gateway.asked) == slept.count(EVERY) == 4
    assert 60 / EVERY <= 0.75 * 120  # of the 120 in a minute; heartbeats and others have the rest


async def test_without_timers_nobody_is_asked_for(bench: Bench) -> None:
    async with at_work(bench.reconciler.run()):
        await bench.passed()

    assert ([], []) == (bench.gateway.asked, bench.gateway.roles_asked)


async def test_a_server_out_of_sight_is_passed_over_and_compared_when_it_is_back(
    bench: Bench,
) -> None:
    bench.timers.of["1"] = [timed("11", VIP)]
    bench.has("2", timed("12", VIP))
    async with at_work(bench.reconciler.run()):
        await bench.passed()
        assert [("2", "12")] == bench.looks.wanted

        bench.gateway.held["1"] = {"11": []}
        bench.reconciler.server_returned("1")
        await turns(lambda: len(bench.looks.wanted) == 2)

    assert [("1", 1), ("2", 1), ("1", 1)] == bench.gateway.asked


async def test_a_question_without_an_answer_is_asked_again(bench: Bench) -> None:
    bench.has("1", timed("11", VIP))
    bench.has("2", timed("12", VIP))
    bench.gateway.silent["1"] = TRIES - 1
    async with at_work(bench.reconciler.run()):
        await bench.passed()

    assert [("2", "12"), ("1", "11")] == bench.looks.wanted


async def test_a_server_that_never_answers_keeps_no_other_waiting_and_is_asked_in_ten_minutes(
    bench: Bench,
) -> None:
    bench.has("1", timed("11", VIP))
    bench.has("2", timed("12", VIP))
    bench.gateway.silent["1"] = TRIES
    async with at_work(bench.reconciler.run()):
        await bench.passed()
        assert [("2", "12")] == bench.looks.wanted
        await bench.quiet()
        assert TRIES + 1 == len(bench.gateway.asked)

        bench.machine.now += AGAIN_AFTER + 1
        await turns(lambda: ("1", "11") in bench.looks.wanted)


async def test_a_server_that_causes_an_accident_keeps_no_other_waiting(bench: Bench) -> None:
    bench.has("1", timed("11", VIP))
    bench.has("2", timed("12", VIP))
    bench.gateway.broken.add("1")
    with capture_logs() as logged:
        async with at_work(bench.reconciler.run()):
            await bench.passed()

    assert [("2", "12")] == bench.looks.wanted
    assert TRIES == [line["event"] for line in logged].count("members not compared")


async def test_a_busy_relay_goes_first_for_seconds_and_not_longer(bench: Bench) -> None:
    bench.has("1", timed("11", VIP))
    bench.relay.is_idle = False
    async with at_work(bench.reconciler.run()):
        await bench.quiet()
        bench.machine.now += PATIENCE / 2
        await bench.quiet()
        assert [] == bench.gateway.asked

        bench.machine.now += PATIENCE / 2
        await turns(lambda: bench.gateway.asked)


async def test_a_relay_that_has_time_is_not_waited_for(bench: Bench) -> None:
    bench.has("1", timed("11", VIP))
    bench.relay.is_idle = False
    async with at_work(bench.reconciler.run()):
        await turns(lambda: bench.gateway.roles_asked)
        bench.relay.is_idle = True
        await turns(lambda: bench.gateway.asked)


# When.


async def test_all_are_compared_after_a_start_and_then_nobody_for_hours(bench: Bench) -> None:
    bench.has("1", timed("11", VIP))
    async with at_work(bench.reconciler.run()):
        await bench.passed()
        bench.machine.now += BETWEEN_PASSES - 10
        await bench.quiet()
        assert 1 == len(bench.gateway.asked)

        await bench.passed(after=20)

    assert 2 == len(bench.gateway.asked)
    assert 2 * BETWEEN_PASSES <= 24 * 3600


@pytest.mark.parametrize("how", ["came back", "did not answer"])
async def test_what_is_compared_alone_puts_off_no_pass_through_all(bench: Bench, how: str) -> None:
    bench.has("1", timed("11", VIP))
    bench.has("2", timed("12", VIP))
    if how == "did not answer":
        bench.gateway.silent["1"] = TRIES
    async with at_work(bench.reconciler.run()):
        await bench.passed()
        asked = len(bench.gateway.asked)
        bench.machine.now += BETWEEN_PASSES - 10
        if how == "came back":
            bench.reconciler.server_returned("1")
        await turns(lambda: len(bench.gateway.asked) == asked + 1)
        await bench.quiet()

        bench.machine.now += 20
        await turns(lambda: len(bench.gateway.asked) == asked + 3)

    assert [("1", 1), ("1", 1), ("2", 1)] == bench.gateway.asked[asked:]


async def test_all_are_compared_every_twelve_hours_again_and_again(bench: Bench) -> None:
    bench.has("1", timed("11", VIP))
    async with at_work(bench.reconciler.run()):
        await bench.passed()
        for passes in range(2, 6):
            await bench.passed(after=BETWEEN_PASSES + 1)
            assert passes == len(bench.gateway.asked)


async def test_who_stands_by_compares_nobody_until_it_takes_over(bench: Bench) -> None:
    bench.has("1", timed("11", VIP))
    bench.relay.lose()
    async with at_work(bench.reconciler.run()):
        await bench.quiet()
        assert [] == bench.gateway.roles_asked

        bench.relay.win()
        await bench.passed()

    assert [("1", "11")] == bench.looks.wanted


@pytest.mark.parametrize("occasion", ["a new session", "a takeover"])
async def test_all_are_compared_after(bench: Bench, occasion: str) -> None:
    bench.has("1", timed("11", VIP))
    async with at_work(bench.reconciler.run()):
        await bench.passed()
        if occasion == "a new session":
            bench.reconciler.begin_anew()
        else:
            bench.relay.lose()
            bench.relay.win()
        await bench.passed()

    assert 2 == len(bench.gateway.asked)


async def test_a_session_that_is_new_during_a_pass_has_all_compared_after_it(bench: Bench) -> None:
    bench.has("1", timed("11", VIP))
    bench.has("2", timed("12", VIP))
    once = Once()
    bench.gateway.meanwhile = lambda guild: guild == "2" and once(bench.reconciler.begin_anew)
    async with at_work(bench.reconciler.run()):
        await bench.passed()
        await bench.passed()

    assert 2 == bench.gateway.asked.count(("1", 1))


@pytest.mark.usefixtures("patient_no_longer")
async def test_a_session_that_is_new_during_a_pass_that_is_cut_short_is_not_forgotten(
    bench: Bench,
) -> None:
    bench.has("1", timed("11", VIP))
    bench.has("2", timed("12", VIP))
    async with at_work(bench.reconciler.run()):
        await bench.passed()
        asked = len(bench.gateway.asked)
        once = Once()

        def trouble(_: str) -> None:
            if once(bench.reconciler.begin_anew):
                raise DatabaseUnavailableError

        bench.gateway.meanwhile = trouble
        bench.reconciler.server_returned("2")
        await bench.passed()

    assert {("1", 1), ("2", 1)} <= set(bench.gateway.asked[asked:])


@pytest.mark.usefixtures("patient_no_longer")
async def test_a_pass_that_the_database_cuts_short_begins_anew(bench: Bench) -> None:
    bench.has("1", timed("11", VIP))
    bench.timers.failures = 2
    async with at_work(bench.reconciler.run()):
        await bench.passed()

    assert [("1", "11")] == bench.looks.wanted


@pytest.mark.usefixtures("patient_no_longer")
async def test_a_pass_during_which_another_takes_over_is_begun_anew_when_this_leads_again(
    bench: Bench,
) -> None:
    bench.has("1", timed("11", VIP))
    bench.has("2", timed("12", VIP))
    once = Once()
    bench.gateway.meanwhile = lambda guild: guild == "1" and once(bench.relay.lose)
    async with at_work(bench.reconciler.run()):
        await turns(lambda: not bench.relay.leads)
        await bench.quiet()
        assert [("1", 1)] == bench.gateway.asked

        bench.relay.win()
        await bench.passed()

    assert [("1", 1), ("1", 1), ("2", 1)] == bench.gateway.asked


async def test_a_lease_that_was_lost_and_won_during_a_question_has_all_compared_again(
    bench: Bench,
) -> None:
    """What the gateway told meanwhile was heard by nobody."""
    bench.has("1", timed("11", VIP))
    once = Once()

    def blink() -> None:
        bench.relay.lose()
        bench.relay.win()

    bench.gateway.meanwhile = lambda _: once(blink)
    async with at_work(bench.reconciler.run()):
        await bench.passed()
        await bench.passed()

    assert 2 == len(bench.gateway.asked)


async def test_one_server_that_is_back_has_no_other_compared(bench: Bench) -> None:
    bench.has("1", timed("11", VIP))
    bench.has("2", timed("12", VIP))
    async with at_work(bench.reconciler.run()):
        await bench.passed()
        bench.reconciler.server_returned("2")
        await turns(lambda: len(bench.gateway.asked) == 3)
        await bench.quiet()

    assert [("1", 1), ("2", 1), ("2", 1)] == bench.gateway.asked


class Once:
    """Does what it is asked for the first time, and nothing afterwards."""

    def __init__(self) -> None:
        self._done = False

    def __call__(self, act: Any) -> bool:
        first, self._done = not self._done, True
        if first:
            act()
        return first

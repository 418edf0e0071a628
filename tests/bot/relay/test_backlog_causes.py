"""What is stuck for one cause, and what waits for a server: one is tried, and the rest wait."""

import sys
from collections.abc import Iterable

import pytest
from msgspec import structs

from boostmon.bot.backlog.causes import CERTAIN
from boostmon.bot.backlog.order import Backlog
from boostmon.bot.discord.refusals import INVITE, LOG_IN_ANEW
from boostmon.projections.effects.kinds import GIVE_ROLE, NOTICE, EffectKind
from boostmon.projections.effects.queue import Owed
from tests.bot.relay.test_backlog import at_once, owed

LOW, MISSING = "Move BoostMon's role above **r**.", "Allow BoostMon to manage roles."


def stuck(stream_id: int, *, reason: str = LOW, due_in: float = 0.0) -> Owed:
    """Return a removal that is stuck since it was tried."""
    made = owed(stream_id, due_in=due_in, position=100_000 + stream_id)
    return structs.replace(made, stuck_for=reason, tried=True)


def streams(taken: Iterable[Owed]) -> list[int]:
    """Name the timers of effects."""
    return [effect.stream_id for effect in taken]


def all_now(backlog: Backlog, now: float) -> list[Owed]:
    """Take all that may be in flight together."""
    taken = []
    while (effect := backlog.take(now, at_once)) is not None:
        taken.append(effect)
    return taken


def backlog_of(effects: Iterable[Owed], now: float = 0.0) -> Backlog:
    backlog = Backlog()
    backlog.replace(list(effects), now)
    return backlog


def test_of_what_is_stuck_for_one_cause_one_is_tried_and_another_the_next_time() -> None:
    backlog = backlog_of(stuck(number) for number in range(1, 6))
    (probe,) = all_now(backlog, 0.0)
    backlog.postpone(probe, 600.0, 0.0, stuck_for=LOW)
    assert [] == all_now(backlog, 599.9)
    (again,) = all_now(backlog, 600.0)
    assert (1, 2) == (probe.stream_id, again.stream_id)


def test_a_refusal_is_doubted_at_first_and_less_each_time_whoever_asks() -> None:
    backlog = backlog_of(owed(number) for number in range(1, 4))
    met = []
    for now in range(4):
        effect = backlog.take(float(now), at_once)
        assert effect is not None
        met.append((effect.stream_id, backlog.tries(effect, LOW)))
        backlog.postpone(effect, now + 1.0, float(now), stuck_for=LOW)
    assert [(1, 0), (1, 1), (2, 2), (3, 3)] == met


def test_what_was_on_its_way_together_is_refused_once() -> None:
    backlog = backlog_of(owed(number) for number in range(1, 5))
    together = all_now(backlog, 0.0)
    assert [1, 2, 3, 4] == streams(together)
    for effect in together:
        backlog.postpone(effect, 2.0, 0.5, stuck_for=LOW)

    (probe,) = all_now(backlog, 2.0)

    assert 1 == backlog.tries(probe, LOW)


def test_what_was_stuck_before_this_process_is_not_doubted() -> None:
    backlog = backlog_of([stuck(1)])
    (probe,) = all_now(backlog, 0.0)
    assert CERTAIN == backlog.tries(probe, LOW)


def test_what_is_met_for_ever_is_counted_no_further() -> None:
    backlog = backlog_of([owed(1)])
    for now in range(50):
        (effect,) = all_now(backlog, float(now))
        backlog.postpone(effect, now + 1.0, float(now), stuck_for=LOW)
    assert CERTAIN == backlog.tries(effect, LOW)


def test_after_a_success_the_same_refusal_is_doubted_anew() -> None:
    backlog = backlog_of([owed(1), owed(2)])
    for now in range(3):
        effect = backlog.take(float(now), at_once)
        assert effect is not None
        backlog.postpone(effect, now + 1.0, float(now), stuck_for=LOW)
    probe = backlog.take(3.0, at_once)
    assert probe is not None
    backlog.settle(probe, 3.0, proof=True)
    (other,) = all_now(backlog, 3.0)
    assert 0 == backlog.tries(other, LOW)


@pytest.mark.parametrize("reason", [INVITE, LOG_IN_ANEW])
def test_what_holds_a_whole_server_is_tried_by_one_of_it_and_over_for_all(reason: str) -> None:
    roles = [structs.replace(owed(number), role_id=f"r{number}") for number in range(1, 5)]
    there = structs.replace(owed(9), guild_id="h")
    backlog = backlog_of([*roles, there])
    first = backlog.take(0.0, at_once)
    assert first is not None
    backlog.postpone(first, 2.0, 0.0, stuck_for=reason)
    assert [9] == streams(all_now(backlog, 0.0))
    (probe,) = all_now(backlog, 2.0)
    backlog.settle(probe, 2.0, proof=True)
    assert 3 == len(all_now(backlog, 2.0))


def test_causes_differ_by_server_by_role_and_by_reason() -> None:
    others = [
        structs.replace(stuck(2), guild_id="h"),
        structs.replace(stuck(3), role_id="s"),
        stuck(4, reason=MISSING),
    ]
    backlog = backlog_of([stuck(1), *others, stuck(5)])
    assert {1, 2, 3, 4} == set(streams(all_now(backlog, 0.0)))


def test_when_the_probe_is_done_the_rest_follow_at_once() -> None:
    backlog = backlog_of(stuck(number, due_in=600.0) for number in range(1, 6))
    backlog.hasten("g", 1.0)
    (probe,) = all_now(backlog, 1.0)
    backlog.settle(probe, 2.0, proof=True)
    assert [2, 3, 4, 5] == streams(all_now(backlog, 2.0))


def test_when_nothing_came_of_the_probe_another_is_tried_at_once() -> None:
    """Such as of a member who has left: that proves nothing."""
    backlog = backlog_of(stuck(number) for number in range(1, 4))
    (probe,) = all_now(backlog, 0.0)
    backlog.settle(probe, 1.0)
    assert [2] == streams(all_now(backlog, 1.0))


def test_what_was_not_tried_yet_waits_with_those_that_are_stuck_and_is_told_of() -> None:
    backlog = backlog_of([stuck(1, due_in=600.0), owed(2), owed(3, GIVE_ROLE)])
    assert [] == all_now(backlog, 0.0)
    told = [(cause.reason, streams(held)) for cause, held in backlog.take_joined().items()]
    assert [(LOW, [2, 3])] == told
    assert {} == backlog.take_joined()


def test_what_was_offered_before_the_cause_was_known_waits_too() -> None:
    backlog = backlog_of(owed(number) for number in range(1, 100))
    first = backlog.take(0.0, at_once)
    assert first is not None
    backlog.postpone(first, 600.0, 0.0, stuck_for=LOW)
    assert [] == all_now(backlog, 1.0)


def test_a_person_is_answered_for_themselves_and_a_success_frees_the_rest() -> None:
    person = owed(9, GIVE_ROLE, urgent=True)
    backlog = backlog_of([stuck(1, due_in=600.0), stuck(2, due_in=600.0), person])
    assert [person] == all_now(backlog, 0.0)
    backlog.settle(person, 1.0, proof=True)
    assert [1, 2] == streams(all_now(backlog, 1.0))


def test_another_reason_holds_for_all_that_had_the_first() -> None:
    backlog = backlog_of(stuck(number) for number in range(1, 4))
    (probe,) = all_now(backlog, 0.0)
    backlog.postpone(probe, 600.0, 0.0, stuck_for=MISSING)
    ((cause, held),) = backlog.take_joined().items()
    assert (MISSING, [2, 3]) == (cause.reason, streams(held)[-2:])
    assert [] == all_now(backlog, 599.0)
    assert 1 == len(all_now(backlog, 600.0))


def test_a_notice_does_not_wait_for_a_role() -> None:
    notice = owed(2, NOTICE)
    backlog = backlog_of([stuck(1, due_in=600.0), notice])
    assert [notice] == all_now(backlog, 0.0)


def test_another_role_is_served_before_those_that_failed() -> None:
    failed = [structs.replace(owed(number), tried=True) for number in range(1, 50)]
    new = structs.replace(owed(60), role_id="s")
    backlog = backlog_of([*failed, new])
    assert new == backlog.take(0.0, at_once)


def test_what_failed_in_this_process_waits_behind_what_is_new() -> None:
    backlog = backlog_of(owed(number) for number in range(1, 6))
    for failed in all_now(backlog, 0.0):
        backlog.postpone(failed, 1.0, 0.5)
    new = structs.replace(owed(60), role_id="s")
    backlog.replace([new], 1.0)
    assert [60, 1, 2, 3, 4, 5] == streams(all_now(backlog, 1.0))


def test_what_discord_was_not_asked_for_is_as_new_as_before() -> None:
    backlog = backlog_of([owed(1), owed(2)])
    for put_off in all_now(backlog, 0.0):
        backlog.postpone(put_off, 1.0, 0.5, asked=False)  # the limits had it wait
    backlog.replace([structs.replace(owed(60), role_id="s")], 1.0)
    assert [1, 2, 60] == streams(all_now(backlog, 1.0))


def test_a_notice_that_failed_waits_behind_a_new_one_of_its_channel() -> None:
    failed = [structs.replace(owed(number, NOTICE), tried=True) for number in range(1, 6)]
    backlog = backlog_of([*failed, owed(60, NOTICE)])
    assert [60, 1, 2, 3, 4, 5] == streams(all_now(backlog, 0.0))


@pytest.mark.parametrize("how", ["while it was read", "while it was tried", "before it was stuck"])
def test_haste_survives_a_reload(how: str) -> None:
    backlog = backlog_of([owed(1)])
    taken = backlog.take(1.0, at_once)
    assert taken is not None
    if how == "while it was tried":  # it was refused before the rights changed
        backlog.hasten("g", 2.0)
        backlog.postpone(taken, 602.0, 3.0, stuck_for=LOW)
    else:
        backlog.postpone(taken, 602.0, 2.0, stuck_for=LOW)
        backlog.hasten("g", 2.5)
    read = [stuck(1, due_in=600.0), stuck(2, due_in=600.0)]
    if how == "while it was read":
        backlog = Backlog()
        backlog.hasten("g", 2.5)
    backlog.replace(read, 3.0, asked_at=2.2)
    assert 1 == len(all_now(backlog, 3.0))


@pytest.mark.parametrize("asked_at", [2.2, 2.5])
def test_haste_while_it_is_read_holds_for_whatever_waits_in_that_server(asked_at: float) -> None:
    backlog = Backlog()
    backlog.hasten("g", 2.5)
    elsewhere = structs.replace(owed(4, due_in=300.0), guild_id="h")
    notice, another = owed(2, NOTICE, due_in=300.0), stuck(3, due_in=600.0)
    another = structs.replace(another, role_id="s")
    read = [owed(1, due_in=300.0), notice, another, elsewhere]
    backlog.replace(read, 3.0, asked_at=asked_at)
    assert {1, 2, 3} == set(streams(all_now(backlog, 3.0)))


def test_haste_before_it_was_asked_for_is_over() -> None:
    backlog = Backlog()
    backlog.hasten("g", 2.0)
    backlog.replace([owed(1, due_in=300.0)], 3.0, asked_at=2.2)
    assert [] == all_now(backlog, 3.0)


@pytest.mark.parametrize("kind", [GIVE_ROLE, NOTICE])
@pytest.mark.parametrize("counts", [True, False])
def test_haste_while_it_is_tried_counts_whatever_came_of_it(kind: EffectKind, counts: bool) -> None:
    backlog = backlog_of([owed(1, kind)])
    if not counts:  # it was over before Discord was asked
        backlog.hasten("g", 0.5)
    (taken,) = all_now(backlog, 1.0)
    if counts:
        backlog.hasten("g", 1.5)
    backlog.postpone(taken, 302.0, 2.0)
    assert counts is bool(all_now(backlog, 2.0))


def test_what_a_success_has_freed_stays_free_when_it_is_read_again() -> None:
    backlog = backlog_of([stuck(1), stuck(2, due_in=600.0), stuck(3, due_in=600.0)])
    (probe,) = all_now(backlog, 0.0)
    backlog.settle(probe, 1.0, proof=True)
    backlog.replace([stuck(2, due_in=600.0), stuck(3, due_in=600.0)], 2.0, asked_at=1.5)
    assert {2, 3} == set(streams(all_now(backlog, 2.0)))


def test_a_server_that_is_away_is_left_alone_until_it_is_back() -> None:
    there = structs.replace(owed(500), guild_id="h")
    backlog = backlog_of([*(owed(number) for number in range(1, 100)), there])
    away = {"g"}
    assert there == backlog.take(0.0, at_once, away.__contains__)
    assert backlog.take(0.0, at_once, away.__contains__) is None
    assert (["g"], 99) == (backlog.away, len(backlog.owed_away("g")))
    assert backlog.next_at is None
    backlog.returned("g", 1.0)
    assert 99 == len(all_now(backlog, 1.0))


@pytest.mark.parametrize(
    "waiting",
    [
        [stuck(1)],
        [stuck(1), structs.replace(stuck(2), role_id="s"), stuck(3, reason=MISSING)],
        [structs.replace(stuck(1), kind=NOTICE)],
        [stuck(1), stuck(2)],
    ],
)
def test_nothing_is_due_in_a_server_that_is_away_for_ten_minutes(waiting: list[Owed]) -> None:
    backlog = backlog_of(waiting)
    for now in (0.0, 600.0):
        assert backlog.take(now, at_once, lambda _: True) is None
        assert now + 600.0 == backlog.next_at
    backlog.hasten("g", 601.0)
    assert len({effect.stuck_for for effect in waiting}) <= len(all_now(backlog, 601.0))


def test_news_of_what_waits_for_a_server_does_not_offer_it() -> None:
    backlog = backlog_of([owed(1, position=50)])
    assert backlog.take(0.0, at_once, lambda _: True) is None
    backlog.replace([owed(1, position=50)], 1.0, asked_at=0.5)
    assert (["g"], []) == (backlog.away, list(backlog.lanes))


def test_what_a_server_waits_with_is_tried_when_its_rights_have_changed() -> None:
    backlog = backlog_of([owed(1), stuck(2, due_in=600.0)])
    assert backlog.take(0.0, at_once, lambda _: True) is None
    backlog.hasten("g", 1.0)
    assert {1, 2} >= set(streams(all_now(backlog, 1.0)))


def test_what_is_owed_no_more_is_forgotten_wherever_it_waited() -> None:
    backlog = backlog_of([owed(1), owed(2, due_in=5.0), stuck(3), owed(4), owed(5)])
    assert backlog.take(0.0, at_once, lambda _: True) is None
    backlog.keep({4}, 1.0)
    assert 1 == len(backlog)
    backlog.returned("g", 1.0)
    assert [4] == streams(all_now(backlog, 700.0))


def many(now: float) -> list[Owed]:
    """Return 50,000 effects as a reading has them, some of each kind of waiting."""
    waits = (0.0, 0.0, 700.0)
    return [
        owed(
            number,
            guild_id=f"g{number % 900}",
            position=number,
            due_in=max(0.0, waits[number % 3] - now - number % 7 / 10),
        )
        if number % 5
        else structs.replace(stuck(number, due_in=max(0.0, 600 - now)), position=number)
        for number in range(1, 50_001)
    ]


def test_thirty_readings_leave_one_entry_of_each_timer() -> None:
    backlog = Backlog()
    backlog.replace(many(0.0), 0.0, asked_at=0.0)
    entries, blocks = backlog.places, []
    for reading in range(1, 31):
        now = reading * 10.0
        backlog.keep(backlog.replace(many(now), now, asked_at=now), now)
        blocks.append(sys.getallocatedblocks())
    assert (50_000, entries) == (len(backlog), backlog.places)
    assert blocks[-1] <= 1.02 * blocks[1]


def reading(number: int, news: str, which: int) -> Owed:
    """Return an effect as one reading has it, of which the one before said something else."""
    made = owed(number, NOTICE, position=number)
    match news:
        case "when":
            return structs.replace(made, due_in=10_000.0 - 100 * which)
        case "how urgent":
            return structs.replace(made, urgent=which % 2 == 0)
        case _:
            return structs.replace(made, channel_id=f"c{which}")


@pytest.mark.parametrize("news", ["when", "how urgent", "where"])
def test_readings_that_each_say_something_else_leave_places_in_proportion(news: str) -> None:
    backlog = Backlog()
    for which in range(31):
        read = [reading(number, news, which) for number in range(1, 1_001)]
        backlog.keep(backlog.replace(read, float(which)), float(which))
    assert 1_000 == len(backlog)
    assert 1_000 <= backlog.places <= 3_000

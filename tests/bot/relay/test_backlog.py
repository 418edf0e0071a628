"""The order in which Discord is given what it is owed."""

from itertools import count

from boostmon.bot.backlog.order import Backlog
from boostmon.bot.backlog.streams import key_of
from boostmon.projections.effects.kinds import GIVE_ROLE, NOTICE, TAKE_ROLE, EffectKind
from boostmon.projections.effects.queue import Owed

_positions = count(1)


def owed(
    stream_id: int,
    kind: EffectKind = TAKE_ROLE,
    *,
    guild_id: str = "g",
    user_id: str | None = None,
    channel_id: str | None = "c",
    urgent: bool = False,
    position: int | None = None,
    due_in: float = 0.0,
) -> Owed:
    return Owed(
        position=position or next(_positions),
        kind=kind,
        stream_id=stream_id,
        guild_id=guild_id,
        user_id=user_id or f"u{stream_id}",
        role_id="r",
        command_id="i",
        channel_id=channel_id,
        urgent=urgent,
        due_in=due_in,
    )


def at_once(_: str) -> float:
    """Let every lane go on."""
    return 0.0


def all_but_one_server(lane: str) -> float:
    """Let every lane go on but that of one server's roles."""
    return 100.0 if lane == "roles:g" else 0.0


def backlog_of(*effects: Owed) -> Backlog:
    backlog = Backlog()
    backlog.replace(effects, now=0.0)
    return backlog


def drain(backlog: Backlog, now: float = 0.0) -> list[Owed]:
    """Take and settle until nothing is left that may start."""
    taken = []
    while (effect := backlog.take(now, at_once)) is not None:
        taken.append(effect)
        backlog.settle(effect, now)
    return taken


def test_nothing_is_taken_from_nothing() -> None:
    assert Backlog().take(0.0, at_once) is None


def test_within_a_lane_the_oldest_comes_first() -> None:
    effects = [owed(1), owed(2), owed(3)]
    assert effects == drain(backlog_of(*reversed(effects)))


def test_nobody_is_told_before_the_role_is_gone() -> None:
    role = owed(1, TAKE_ROLE, position=1000)
    notice = owed(1, NOTICE, position=1000)
    backlog = backlog_of(role, notice)
    assert role == backlog.take(0.0, at_once)
    assert backlog.take(0.0, at_once) is None
    backlog.settle(role, 0.0)
    assert notice == backlog.take(0.0, at_once)


def test_a_persons_command_goes_ahead_of_a_sweep() -> None:
    sweep, command = owed(1), owed(2, GIVE_ROLE, urgent=True)
    assert [command, sweep] == drain(backlog_of(sweep, command))


def test_a_command_in_another_server_goes_ahead_of_a_sweep_in_this_one() -> None:
    sweep, command = owed(1), owed(2, GIVE_ROLE, guild_id="h", urgent=True)
    assert [command, sweep] == drain(backlog_of(sweep, command))


def test_servers_take_turns() -> None:
    many = [owed(number) for number in range(1, 6)]
    few = [owed(9, guild_id="h")]
    order = drain(backlog_of(*many, *few))
    assert order.index(few[0]) == 1


def test_a_lane_whose_pace_is_used_up_holds_up_no_other() -> None:
    slow, quick = owed(1), owed(2, guild_id="h")
    backlog = backlog_of(slow, quick)
    assert quick == backlog.take(0.0, all_but_one_server)
    assert backlog.take(0.0, all_but_one_server) is None
    assert ["roles:g"] == list(backlog.lanes)


def test_a_lane_whose_pace_is_used_up_is_looked_at_when_it_opens_and_not_before() -> None:
    backlog, asked = backlog_of(owed(1)), list[str]()

    def opens_at_five(lane: str) -> float:
        asked.append(lane)
        return 5.0

    assert backlog.take(0.0, opens_at_five) is None
    assert backlog.take(4.9, opens_at_five) is None
    assert 5.0 == backlog.next_at
    assert 1 == len(asked)
    assert 1 == (backlog.take(5.0, opens_at_five) or owed(0)).stream_id


def test_of_one_member_one_write_is_in_flight() -> None:
    one, other = owed(1, user_id="u"), owed(2, user_id="u")
    backlog = backlog_of(one, other)
    assert one == backlog.take(0.0, at_once)
    assert backlog.take(0.0, at_once) is None
    backlog.settle(one, 0.0)
    assert other == backlog.take(0.0, at_once)


def test_of_one_user_one_notice_is_in_flight_over_all_servers() -> None:
    one = owed(1, NOTICE, user_id="u", channel_id=None)
    other = owed(2, NOTICE, user_id="u", guild_id="h", channel_id="d")
    backlog = backlog_of(one, other)
    taken = backlog.take(0.0, at_once)
    assert taken in (one, other)
    assert backlog.take(0.0, at_once) is None


def test_what_failed_waits_and_holds_up_its_own_timer_only() -> None:
    failing, behind, other = owed(1, position=2000), owed(1, NOTICE, position=2000), owed(2)
    backlog = backlog_of(failing, behind, other)
    while (effect := backlog.take(0.0, at_once)) is not None:
        if effect == failing:
            backlog.postpone(effect, due_at=5.0, now=0.0)
        else:
            backlog.settle(effect, 0.0)
    assert backlog.next_at == 5.0
    assert len(backlog) == 2
    assert [key_of(failing), key_of(behind)] == list(map(key_of, drain(backlog, now=5.0)))


def test_what_is_not_due_yet_is_not_taken() -> None:
    later = owed(1, due_in=3.0)
    backlog = backlog_of(later)
    assert [] == drain(backlog, now=2.9)
    assert [later] == drain(backlog, now=3.0)


def test_news_of_a_timer_has_it_looked_at_again_at_once() -> None:
    stuck = owed(1, position=3000, due_in=600.0)
    backlog = backlog_of(stuck)
    newer = owed(1, GIVE_ROLE, position=3001, urgent=True)
    again = owed(1, position=3000, due_in=0.0)
    backlog.replace([again, newer], now=1.0)
    assert [again, newer] == drain(backlog, now=1.0)


def test_a_wait_does_not_grow_because_it_is_read_again() -> None:
    retried = owed(1, position=4000, due_in=60.0)
    backlog = backlog_of(retried)
    backlog.replace([owed(1, position=4000, due_in=3600.0)], now=30.0)  # a clock went back
    assert [] == drain(backlog, now=59.9)
    assert 4000 == drain(backlog, now=60.0)[0].position


def test_what_was_postponed_meanwhile_waits_for_its_own_time() -> None:
    retried = owed(1, position=4001)
    backlog = backlog_of(retried)
    assert retried == backlog.take(0.0, at_once)
    backlog.postpone(retried, due_at=60.0, now=0.0)
    assert [] == drain(backlog, now=59.9)


def test_news_of_an_effect_in_flight_does_not_start_it_twice() -> None:
    effect = owed(1)
    backlog = backlog_of(effect)
    assert effect == backlog.take(0.0, at_once)
    backlog.replace([effect], now=0.0)
    assert backlog.take(0.0, at_once) is None
    backlog.settle(effect, 0.0)
    assert [] == drain(backlog)
    assert len(backlog) == 0


def test_a_change_of_the_server_hastens_what_waits_there() -> None:
    here, there = owed(1, due_in=600.0), owed(2, guild_id="h", due_in=600.0)
    backlog = backlog_of(here, there)
    backlog.hasten("g", now=1.0)
    assert [here] == drain(backlog, now=1.0)


def test_notices_of_a_channel_and_direct_messages_have_lanes_of_their_own() -> None:
    backlog = backlog_of(owed(1), owed(2, NOTICE), owed(3, NOTICE, channel_id=None))
    assert ["channel:c", "direct", "roles:g"] == sorted(backlog.lanes)

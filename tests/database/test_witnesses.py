"""Which of three clocks is followed: a pure decision, as a table and as properties."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from boostmon.database.clocks.witnesses import (
    AGREES,
    HOLD,
    NAMES,
    Bounds,
    Heard,
    Judgement,
    Name,
    Offsets,
    judge,
    stepped_together,
)

HOUR = 3_600_000.0
TWO_HOURS = 2 * HOUR


def clocks(database: float, host: float, discord: float | None = None) -> dict[Name, float]:
    told: dict[Name, float] = {"database": database, "host": host}
    return told if discord is None else told | {"discord": discord}


# Of a database elsewhere, and of one on this machine: what the clocks say, and whom to follow.
ELSEWHERE: list[tuple[dict[Name, float], Name | None]] = [
    (clocks(0, 0, 0), "database"),
    (clocks(TWO_HOURS, 0, 0), "host"),
    (clocks(-6 * HOUR, 0, 0), "host"),
    (clocks(0, TWO_HOURS, 0), "database"),
    (clocks(0, 0, TWO_HOURS), "database"),  # a date that is wrong
    (clocks(0, 0), "database"),  # no date at all
    (clocks(0, AGREES, TWO_HOURS), "database"),
    (clocks(0, AGREES + 1, TWO_HOURS), None),
    (clocks(0, -AGREES - 1, AGREES), "database"),
    (clocks(0, HOUR, TWO_HOURS), None),
    (clocks(0, HOUR), None),  # Discord is silent
]
HERE: list[tuple[dict[Name, float], Name | None]] = [
    (clocks(0, 0, 0), "database"),
    (clocks(TWO_HOURS, TWO_HOURS, 0), None),  # one witness against one
    (clocks(-6 * HOUR, -6 * HOUR, 0), None),
    (clocks(0, 0, TWO_HOURS), None),
    (clocks(TWO_HOURS, 0, 0), "host"),  # not this machine's clock after all
    (clocks(0, TWO_HOURS, 0), "database"),
    (clocks(0, HOUR, TWO_HOURS), None),
    (clocks(0, 0), "database"),  # nobody gainsays it
    (clocks(0, HOUR), None),
]


@pytest.mark.parametrize(("told", "followed"), ELSEWHERE)
def test_two_that_agree_are_followed(told: dict[Name, float], followed: Name | None) -> None:
    assert followed == judge(told, one_witness=False, now=0.0).followed


@pytest.mark.parametrize(("told", "followed"), HERE)
def test_the_database_and_its_host_are_one_witness(
    told: dict[Name, float], followed: Name | None
) -> None:
    assert followed == judge(told, one_witness=True, now=0.0).followed


def test_in_doubt_timer_time_goes_on_as_it_was() -> None:
    before = judge(clocks(1, 1, 1), one_witness=True, now=0.0)
    doubt = judge(clocks(TWO_HOURS, TWO_HOURS, 1), one_witness=True, now=60.0, before=before)

    assert (None, 1, 60.0) == (doubt.followed, doubt.offset, doubt.doubted_since)


@pytest.mark.parametrize("one_witness", [True, False])
def test_after_ten_minutes_discord_is_followed(*, one_witness: bool) -> None:
    told = clocks(0, HOUR, TWO_HOURS)
    began = judge(told, one_witness=one_witness, now=100.0)
    just_before = judge(told, one_witness=one_witness, now=699.9, before=began)
    then = judge(told, one_witness=one_witness, now=700.0, before=just_before)
    later = judge(told, one_witness=one_witness, now=9000.0, before=then)

    assert HOLD == 600.0
    assert [None, "discord", "discord"] == [j.followed for j in (just_before, then, later)]
    assert [TWO_HOURS] * 2 == [then.offset, later.offset]


def test_two_that_agree_again_end_the_doubt_and_the_next_one_begins_anew() -> None:
    doubt = judge(clocks(0, HOUR, TWO_HOURS), one_witness=False, now=0.0)
    over = judge(clocks(0, 0, TWO_HOURS), one_witness=False, now=599.0, before=doubt)
    again = judge(clocks(0, HOUR, TWO_HOURS), one_witness=False, now=601.0, before=over)

    assert ("database", None) == (over.followed, over.doubted_since)
    assert (None, 601.0) == (again.followed, again.doubted_since)


def test_while_discord_is_silent_two_that_disagree_are_never_believed() -> None:
    doubt = judge(clocks(0, HOUR), one_witness=False, now=0.0)

    assert judge(clocks(0, HOUR), one_witness=False, now=9e9, before=doubt).followed is None


def test_a_lone_clock_that_jumps_is_believed_after_ten_minutes_only() -> None:
    before = judge(clocks(0, 0), one_witness=True, now=0.0)
    jumped = clocks(TWO_HOURS, TWO_HOURS)
    doubt = judge(jumped, one_witness=True, now=60.0, before=before)
    over = judge(jumped, one_witness=True, now=660.0, before=doubt)

    assert [None, "database"] == [doubt.followed, over.followed]
    assert [0, TWO_HOURS] == [doubt.offset, over.offset]
    assert judge(jumped, one_witness=True, now=661.0, before=over).doubted_since is None


@pytest.mark.parametrize(
    ("after", "together"),
    [
        (clocks(TWO_HOURS, TWO_HOURS), True),
        (clocks(-HOUR, -HOUR + 900), True),
        (clocks(TWO_HOURS, 0), False),
        (clocks(0, TWO_HOURS), False),
        (clocks(TWO_HOURS, HOUR), False),
        (clocks(900, 900), False),
    ],
)
def test_clocks_that_make_the_same_step_are_one(after: Offsets, *, together: bool) -> None:
    assert together == stepped_together(clocks(0, 0, 0), after)


offsets = st.floats(-HOUR, HOUR) | st.sampled_from([0.0, AGREES, -AGREES, AGREES + 1])
tellings = st.builds(clocks, offsets, offsets, st.none() | offsets)


@given(tellings, st.booleans(), st.floats(0, 2 * HOLD), st.none() | offsets)
def test_one_wrong_clock_never_carries_the_day(
    told: dict[Name, float],
    one_witness: bool,
    now: float,
    earlier: float | None,
) -> None:
    before = None
    if earlier is not None:
        before = Judgement(clocks=told, followed="database", offset=earlier, doubted_since=0.0)
    judged = judge(told, one_witness=one_witness, now=now, before=before)

    if judged.followed is None:
        return
    others = [name for name in told if name != judged.followed]
    assert judged.offset == told[judged.followed]
    assert (
        judged.doubted_since is not None  # the last resort
        or any(abs(told[name] - judged.offset) <= AGREES for name in others)
    )


@given(tellings, st.booleans())
def test_who_agrees_with_everybody_is_always_followed(
    told: dict[Name, float],
    one_witness: bool,
) -> None:
    if max(told.values()) - min(told.values()) <= AGREES:
        assert "database" == judge(told, one_witness=one_witness, now=0.0).followed


def test_those_on_the_left_are_followed_first() -> None:
    assert ("database", "host", "discord") == NAMES


# What Discord says.


def test_an_answer_leaves_a_second_and_the_time_it_took() -> None:
    heard = Heard().answer(1000, sent=10.0, received=10.5)

    assert Bounds(989_500.0, 991_000.0) == heard.dated
    assert 990_250.0 == heard.offset


def test_more_answers_narrow_it_down() -> None:
    heard = Heard()
    for tenth in range(30):
        sent = 10 + tenth / 10
        heard = heard.answer(int(1000.25 + tenth / 10), sent=sent, received=sent + 0.02)

    assert heard.offset == pytest.approx(990_250, abs=100)


def test_an_answer_that_contradicts_the_earlier_ones_is_believed() -> None:
    heard = Heard().answer(1000, sent=10.0, received=10.1).answer(8200, sent=11.0, received=11.1)

    assert heard.offset == pytest.approx(8_189_450)


def test_an_answer_that_took_long_tells_no_time() -> None:
    assert Heard() == Heard().answer(1000, sent=10.0, received=19.1)


def test_where_answers_have_no_date_the_id_that_came_soonest_tells() -> None:
    heard = Heard().id_made(1_000_000, received=10.0)
    assert 990_500.0 == heard.offset
    late = heard.id_made(1_001_000, received=14.0)
    assert heard == late
    sooner = heard.id_made(1_002_300, received=12.0)
    assert Bounds(990_300.0, 991_000.0) == sooner.by_id
    jumped = sooner.id_made(8_000_000, received=13.0)
    assert 7_987_500.0 == jumped.offset


def test_an_id_that_comes_late_proves_nothing_against_a_date() -> None:
    heard = Heard().answer(1000, sent=10.0, received=10.0)

    assert heard.id_made(400_000, received=11.0).is_consistent
    assert heard.offset == heard.id_made(400_000, received=11.0).offset


def test_an_id_of_a_time_to_come_is_noticed_and_the_date_stays() -> None:
    heard = Heard().answer(1000, sent=10.0, received=10.0)
    ahead = heard.id_made(1_007_001, received=10.0)

    assert not ahead.is_consistent
    assert heard.offset == ahead.offset
    assert structs.replace(heard, dated=None).is_consistent

"""The table of evidence: what a reading of a member means for a timed role, cell by cell."""

from datetime import datetime, timedelta
from typing import Any

import pytest
from disnake.utils import time_snowflake
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from boostmon.bot.discord.members import Membership, RoleEntry, role_entry
from boostmon.bot.members.evidence import (
    Agrees,
    Held,
    Missing,
    Owe,
    Reopen,
    Unheld,
    conclude,
    given_by,
    newest_about,
    taken_by,
)
from boostmon.projections.effects.kinds import GIVE_ROLE, TAKE_ROLE, EffectKind
from boostmon.projections.effects.standings import RoleChange, Standing
from tests.support.standing import NOON, USER, at, change, holding, lacking, over, standing
from tests.support.timers import ACTOR, ROLE

OTHER_ROLE = "1400000000000000009"
OTHER_USER = "1200000000000000009"
OWED: dict[str, Any] = {"state": "owed", "done_at": None, "given_after": None, "given_before": None}
IMPORTED: dict[str, Any] = {"change": None, "position": 1}


def member(*, held: bool, joined: float = -3600.0) -> Membership:
    return holding(joined=joined) if held else lacking(joined=joined)


# What the log wants is what is seen.


@pytest.mark.parametrize("in_doubt", [False, True])
def test_a_role_that_is_wanted_and_held_agrees(*, in_doubt: bool) -> None:
    assert Agrees() == conclude(standing(in_doubt=in_doubt), holding())


@pytest.mark.parametrize("in_doubt", [False, True])
def test_a_role_that_is_over_and_not_held_agrees(*, in_doubt: bool) -> None:
    assert Agrees() == conclude(over(in_doubt=in_doubt), lacking())


def test_another_role_that_is_held_is_no_evidence() -> None:
    seen = lacking(also=frozenset({OTHER_ROLE}))

    assert Missing(change(GIVE_ROLE)) == conclude(standing(), seen)
    assert Agrees() == conclude(over(), seen)


# A change is open: nothing is concluded.


@pytest.mark.parametrize("held", [False, True])
@pytest.mark.parametrize("wanted", [False, True])
@pytest.mark.parametrize("state", ["owed", "stuck"])
def test_nothing_follows_while_a_change_is_open(*, state: str, wanted: bool, held: bool) -> None:
    kind: EffectKind = GIVE_ROLE if wanted else TAKE_ROLE
    opened = change(kind, **OWED | {"state": state})
    has = standing(wanted=wanted, ended=0 if wanted else 5, change=opened, is_open=True)

    assert Agrees() == conclude(has, member(held=held, joined=3600))


def test_an_imported_role_that_is_held_waits_for_the_take_of_the_life_before() -> None:
    took = change(TAKE_ROLE, 3, **OWED)
    imported = standing(change=took, ended=3, is_open=True)

    assert Agrees() == conclude(imported, holding())


# Wanted and missing.


def test_a_give_that_is_in_doubt_is_owed_again() -> None:
    has = standing(in_doubt=True)

    assert Reopen(change(GIVE_ROLE), "not_held") == conclude(has, lacking())


@pytest.mark.parametrize("state", ["done", "superseded"])
def test_a_give_that_was_settled_without_is_owed_again(state: str) -> None:
    settled = change(GIVE_ROLE, state=state, unfulfilled=True)

    assert Reopen(settled, "not_held") == conclude(standing(change=settled), lacking())


@pytest.mark.parametrize("joined", [-0.9, 0.0, 1.0, 3600.0])
def test_a_give_that_may_be_older_than_the_membership_is_owed_again(joined: float) -> None:
    found = conclude(standing(), lacking(joined=joined))

    assert Reopen(change(GIVE_ROLE), "left_and_returned") == found


@pytest.mark.parametrize("joined", [-3600.0, -1.0])
def test_a_give_that_was_confirmed_since_they_joined_is_missing(joined: float) -> None:
    assert Missing(change(GIVE_ROLE)) == conclude(standing(), lacking(joined=joined))


def test_of_a_guest_a_give_is_never_too_old() -> None:
    assert Missing(change(GIVE_ROLE)) == conclude(standing(), lacking(joined=None))


def test_doubt_goes_before_leaving_as_the_reason() -> None:
    has = standing(in_doubt=True)

    assert Reopen(change(GIVE_ROLE), "not_held") == conclude(has, lacking(joined=3600))


# Imported: no give in the present life.


def test_an_imported_role_that_is_held_is_noted_as_given() -> None:
    assert Held() == conclude(standing(**IMPORTED), holding())


def test_an_imported_role_of_a_later_life_that_is_held_is_noted_as_given() -> None:
    again = standing(change=change(TAKE_ROLE, 3), ended=3)

    assert Held() == conclude(again, holding())


def test_an_imported_role_that_is_missing_is_reported() -> None:
    assert Unheld() == conclude(standing(**IMPORTED), lacking())


def test_an_imported_role_in_doubt_is_reported_and_the_take_of_the_life_before_not_redone() -> None:
    again = standing(change=change(TAKE_ROLE, 3), ended=3, in_doubt=True)

    assert Unheld() == conclude(again, lacking())


def test_an_imported_role_of_who_joined_since_is_owed() -> None:
    assert Owe("left_and_returned") == conclude(standing(**IMPORTED), lacking(joined=0))


def test_an_imported_role_of_a_guest_is_reported() -> None:
    assert Unheld() == conclude(standing(**IMPORTED), lacking(joined=None))


# Held after the end.


def test_a_role_that_somebody_gave_after_the_end_stays() -> None:
    assert Agrees() == conclude(over(), holding())


def test_a_role_that_somebody_gave_to_who_came_back_after_the_end_stays() -> None:
    assert Agrees() == conclude(over(), holding(joined=3600))


def test_a_role_that_is_held_while_the_take_is_in_doubt_is_taken_again() -> None:
    assert Reopen(change(TAKE_ROLE), "held_after_end") == conclude(over(in_doubt=True), holding())


@pytest.mark.parametrize("state", ["done", "superseded"])
def test_a_role_whose_take_was_settled_without_is_taken_again(state: str) -> None:
    settled = change(TAKE_ROLE, state=state, unfulfilled=True)

    assert Reopen(settled, "held_after_end") == conclude(over(change=settled), holding())


def test_a_role_that_was_never_to_be_taken_stays() -> None:
    assert Agrees() == conclude(over(change=None, in_doubt=True), holding())
    assert Agrees() == conclude(over(change=change(GIVE_ROLE), in_doubt=True), holding())


# Every cell at once.

moments = st.one_of(st.none(), st.integers(-5, 5).map(at))
changes = st.builds(
    RoleChange,
    position=st.integers(1, 9),
    kind=st.sampled_from([GIVE_ROLE, TAKE_ROLE]),
    state=st.sampled_from(["owed", "stuck", "done", "superseded"]),
    done_at=moments,
    unfulfilled=st.booleans(),
    given_after=moments,
    given_before=moments,
)
standings = st.builds(
    standing,
    ended=st.integers(0, 9),
    begun_at=moments,
    wanted=st.booleans(),
    change=st.none() | changes,
    is_open=st.booleans(),
    in_doubt=st.booleans(),
    held_back=st.booleans(),
)
readings = st.builds(
    Membership, st.frozensets(st.sampled_from([ROLE, OTHER_ROLE])), joined_at=moments
)


@given(standings, readings)
def test_nothing_is_ever_concluded_while_a_change_is_open(has: Standing, seen: Membership) -> None:
    assert Agrees() == conclude(structs.replace(has, is_open=True), seen)


@given(standings, readings)
def test_a_role_goes_missing_only_when_its_give_was_surely_confirmed_and_nothing_is_in_doubt(
    has: Standing, seen: Membership
) -> None:
    found = conclude(has, seen)
    if isinstance(found, Missing):
        assert has.wanted
        assert ROLE not in seen.roles
        assert (False, False, False) == (has.is_open, has.in_doubt, found.given.unfulfilled)
        assert found.given.position > has.ended
        assert not _before(found.given.given_after, seen.joined_at)


@given(standings, readings)
def test_nothing_is_given_or_taken_that_the_log_does_not_want(
    has: Standing, seen: Membership
) -> None:
    held = ROLE in seen.roles
    match conclude(has, seen):
        case Reopen(change=again):
            assert has.change == again
            assert has.wanted != held
            assert again == has.given if has.wanted else again.kind == TAKE_ROLE
        case Owe() | Unheld() | Missing():
            assert (True, False) == (has.wanted, held)
        case Held():
            assert (True, True, None) == (has.wanted, held, has.given)
        case Agrees():
            pass


@given(standings, readings)
def test_a_wanted_role_that_is_missing_never_agrees_unless_a_change_is_open(
    has: Standing, seen: Membership
) -> None:
    if conclude(has, seen) == Agrees() and has.wanted:
        assert has.is_open or ROLE in seen.roles


@given(standings, readings, st.integers(), st.booleans())
def test_a_conclusion_depends_on_nothing_else(
    has: Standing, seen: Membership, number: int, held_back: bool
) -> None:
    other = structs.replace(
        has, number=number, version=number, position=number, held_back=held_back
    )
    more = Membership(seen.roles ^ {OTHER_ROLE}, seen.joined_at)

    assert conclude(has, seen) == conclude(other, more)


def _before(first: datetime | None, second: datetime | None) -> bool:
    return first is not None and second is not None and first < second


# The audit log.


def entry(seconds: float, **more: Any) -> RoleEntry:
    """Make a line in which the actor took the role *seconds* after noon, but for *more*."""
    took = RoleEntry(
        at=at(seconds),
        actor_id=ACTOR,
        target_id=USER,
        given=frozenset(),
        taken=frozenset({ROLE}),
    )
    return structs.replace(took, **more)


def giving(seconds: float, **more: Any) -> RoleEntry:
    return entry(seconds, given=frozenset({ROLE}), taken=frozenset(), **more)


ABOUT = {"user_id": USER, "role_id": ROLE}


def test_who_took_a_role_is_told_by_a_line_after_the_give() -> None:
    assert ACTOR == taken_by([entry(2)], since=at(1), **ABOUT)


@pytest.mark.parametrize("seconds", [-5.0, 1.0])
def test_a_line_that_may_be_older_than_the_give_tells_nothing(seconds: float) -> None:
    assert taken_by([entry(seconds)], since=at(1), **ABOUT) is None


def test_without_a_moment_of_the_give_every_line_tells() -> None:
    assert ACTOR == taken_by([entry(-99)], since=None, **ABOUT)
    assert ACTOR == given_by([giving(-99)], since=None, **ABOUT)


def test_no_line_tells_nothing() -> None:
    assert taken_by([], since=at(1), **ABOUT) is None
    assert given_by([], since=at(1), **ABOUT) is None
    assert newest_about([], **ABOUT) is None


@pytest.mark.parametrize(
    "unrelated",
    [
        entry(9, target_id=OTHER_USER),
        entry(9, taken=frozenset({OTHER_ROLE})),
        entry(9, given=frozenset({OTHER_ROLE}), taken=frozenset()),
        entry(9, taken=frozenset()),
    ],
)
def test_a_line_about_another_member_or_role_tells_nothing(unrelated: RoleEntry) -> None:
    assert taken_by([unrelated], since=None, **ABOUT) is None
    assert ACTOR == taken_by([unrelated, entry(2)], since=at(1), **ABOUT)


def test_the_newest_line_counts_in_whatever_order_they_came() -> None:
    late = entry(3, actor_id=OTHER_USER)

    for lines in ([entry(2), late], [late, entry(2)]):
        assert OTHER_USER == taken_by(lines, since=at(1), **ABOUT)


def test_who_took_a_role_that_was_given_back_since_is_not_told() -> None:
    for lines in ([entry(2), giving(3)], [giving(3), entry(2)]):
        assert taken_by(lines, since=at(1), **ABOUT) is None
        assert ACTOR == given_by(lines, since=at(1), **ABOUT)


def test_who_gave_a_role_that_was_taken_since_is_not_told() -> None:
    assert given_by([giving(2), entry(3)], since=at(1), **ABOUT) is None


def test_a_give_that_may_be_older_tells_nothing() -> None:
    assert given_by([giving(1)], since=at(1), **ABOUT) is None


def raw(**more: Any) -> dict[str, Any]:
    """Return a line of Discord's audit log, as it stands in its documentation."""
    removed = [{"id": ROLE, "name": "VIP"}]
    return {
        "id": str(time_snowflake(NOON)),
        "action_type": 25,
        "user_id": ACTOR,
        "target_id": USER,
        "changes": [{"key": "$remove", "new_value": removed}],
        **more,
    }


def test_an_entry_of_discord_is_read() -> None:
    assert entry(0) == role_entry(raw())


def test_an_entry_that_gives_and_takes_several_roles_is_read_whole() -> None:
    changes = [
        {"key": "$add", "new_value": [{"id": "7", "name": "a"}, {"id": "8", "name": "b"}]},
        {"key": "$remove", "new_value": [{"id": "9", "name": "c"}]},
        {"key": "nick", "old_value": "max"},
    ]

    read = role_entry(raw(changes=changes))

    assert entry(0, given=frozenset({"7", "8"}), taken=frozenset({"9"})) == read


@pytest.mark.parametrize("changes", [None, [], [{"key": "$add"}, {"key": "$remove"}]])
def test_an_entry_without_roles_tells_of_none(changes: Any) -> None:
    read = role_entry(raw(changes=changes))

    assert entry(0, taken=frozenset()) == read


def test_ids_that_come_as_numbers_are_read() -> None:
    changes = [{"key": "$remove", "new_value": [{"id": int(ROLE)}]}]
    numbers = raw(id=time_snowflake(NOON), user_id=int(ACTOR), target_id=int(USER))

    assert entry(0) == role_entry(numbers | {"changes": changes})


@pytest.mark.parametrize("more", [{"action_type": 24}, {"action_type": 20}, {"user_id": None}])
def test_an_entry_about_something_else_or_by_nobody_is_left_out(more: Any) -> None:
    assert role_entry(raw(**more)) is None


def test_the_moment_of_an_entry_is_that_of_its_id() -> None:
    later = role_entry(raw(id=str(time_snowflake(NOON + timedelta(seconds=9)))))

    assert at(9) == (later.at if later else None)

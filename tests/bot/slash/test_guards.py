"""Guards: every refusal that needs no database, each with its remedy."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from boostmon.bot.servers import guards
from boostmon.bot.servers.guards import (
    Action,
    Rank,
    RoleFacts,
    Standing,
    check_member,
    check_role,
    escaped,
)
from boostmon.errors import RejectedError

VIP = RoleFacts(role_id="30", name="VIP", rank=Rank(3, 30))
ACTIONS: tuple[Action, ...] = ("set", "add", "remove", "pause", "resume", "clear")


def standing(
    *, caller: int = 5, bot: int = 6, owns: bool = False, manages_roles: bool = True
) -> Standing:
    return Standing(
        caller_owns=owns,
        caller=Rank(caller, 50),
        bot=Rank(bot, 60),
        bot_manages_roles=manages_roles,
    )


@pytest.mark.parametrize("action", ACTIONS)
def test_a_role_below_the_caller_and_the_bot_is_theirs_to_handle(action: Action) -> None:
    check_role(VIP, standing(), action)


@pytest.mark.parametrize("action", ACTIONS)
def test_everyone_is_refused(action: Action) -> None:
    everyone = RoleFacts(role_id="1", name="@everyone", rank=Rank(0, 1), everyone=True)

    with pytest.raises(guards.EveryoneRoleError, match="name another role"):
        check_role(everyone, standing(owns=True), action)


def test_a_managed_role_is_refused() -> None:
    booster = RoleFacts(role_id="2", name="Server Booster", rank=Rank(1, 2), managed=True)

    with pytest.raises(guards.ManagedRoleError, match=r"\*\*Server Booster\*\* is managed"):
        check_role(booster, standing(owns=True), "set")


def test_a_bot_that_may_not_manage_roles_says_what_to_allow() -> None:
    with pytest.raises(guards.RolesForbiddenError, match=r"Manage Roles.*Server Settings → Roles"):
        check_role(VIP, standing(manages_roles=False), "set")


@pytest.mark.parametrize("bot", [2, 3])
def test_a_role_not_below_the_bots_says_where_to_move_it(bot: int) -> None:
    sentence = "Move BoostMon's role above **VIP** in Server Settings → Roles."

    with pytest.raises(guards.RoleTooHighError, match=re.escape(sentence)):
        check_role(VIP, standing(bot=bot, owns=True), "set")


@pytest.mark.parametrize("caller", [0, 2, 3])
def test_a_role_not_below_the_callers_is_refused(caller: int) -> None:
    with pytest.raises(guards.CallerTooLowError, match=r"\*\*VIP\*\* is not below your highest"):
        check_role(VIP, standing(caller=caller), "set")


def test_the_owner_outranks_every_role() -> None:
    check_role(VIP, standing(caller=0, owns=True), "set")


def test_of_two_roles_at_one_position_the_older_ranks_higher() -> None:
    older, younger = Rank(3, 10), Rank(3, 20)

    assert older.outranks(younger)
    assert not younger.outranks(older)
    assert not older.outranks(older)


def test_position_counts_before_age() -> None:
    assert Rank(4, 99).outranks(Rank(3, 1))


@pytest.mark.parametrize("action", ["remove", "pause", "clear"])
def test_the_timer_of_a_deleted_role_can_still_be_ended(action: Action) -> None:
    check_role(None, standing(), action)


@pytest.mark.parametrize("action", ["set", "add", "resume"])
def test_a_deleted_role_is_not_given(action: Action) -> None:
    with pytest.raises(guards.RoleDeletedError, match="/cleartime"):
        check_role(None, standing(), action)


@pytest.mark.parametrize("action", ["set", "resume"])
def test_no_countdown_starts_for_somebody_who_left(action: Action) -> None:
    check_member("7", action, here=True)
    with pytest.raises(guards.MemberGoneError, match="<@7> is not in this server"):
        check_member("7", action, here=False)


@pytest.mark.parametrize("action", ["add", "remove", "pause", "clear"])
def test_the_timers_of_somebody_who_left_can_be_changed(action: Action) -> None:
    check_member("7", action, here=False)


def test_every_refusal_is_one_sentence() -> None:
    for kind in RejectedError.__subclasses__():
        if kind.__module__ == guards.__name__:
            assert re.fullmatch(r"[A-Z][^\n]*\.", str(kind())), kind


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("VIP", "VIP"),
        ("**bold**", r"\*\*bold\*\*"),
        ("`code`", r"\`code\`"),
        ("<@123>", r"\<\@123>"),
        ("@everyone", r"\@everyone"),
        ("[x](https://example.org)", r"\[x\](https\://example.org)"),
        ("a\\", "a\\\\"),
        ("two\nlines", "two lines"),
    ],
)
def test_a_name_shows_as_it_is(name: str, shown: str) -> None:
    assert shown == escaped(name)


@given(st.text())
def test_no_name_leaves_a_character_that_could_break_markdown(name: str) -> None:
    assert not re.search(r"[*_~|`<\[@:]", re.sub(r"\\.", "", escaped(name)))

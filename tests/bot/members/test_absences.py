"""Absences: since when a role is missing, and when too many are for it to be a moderator."""

from boostmon.bot.members.absences import TOO_MANY, WITHIN, Absences
from boostmon.events.timer import TimerId
from boostmon.projections.effects.kinds import GIVE_ROLE
from boostmon.projections.effects.standings import RoleChange, Standing
from tests.support.standing import USER, at, change, standing
from tests.support.timers import GUILD, ROLE

OTHER = "1100000000000000099"


def numbered(number: int, guild_id: str = GUILD) -> Standing:
    return standing(number=number, timer=TimerId(guild_id, USER, ROLE))


def note(absences: Absences, number: int, now: float, guild_id: str = GUILD) -> float:
    """Note that the timer *number* is missing its role; return since when."""
    return absences.note(numbered(number, guild_id), change(GIVE_ROLE), now).since


def many(absences: Absences, count: int, now: float = 0.0, guild_id: str = GUILD) -> None:
    for number in range(count):
        note(absences, number, now, guild_id)


def regiven() -> RoleChange:
    return change(GIVE_ROLE, done_at=at(60))


def test_a_role_is_missing_since_it_was_first_found_so() -> None:
    absences = Absences()

    assert [5.0, 5.0] == [note(absences, 1, now) for now in (5.0, 60.0)]


def test_a_role_that_was_given_anew_meanwhile_is_missing_since_now() -> None:
    absences = Absences()
    note(absences, 1, 5.0)

    assert 60.0 == absences.note(numbered(1), regiven(), 60.0).since


def test_a_role_that_was_there_meanwhile_is_missing_since_now() -> None:
    absences = Absences()
    note(absences, 1, 5.0)

    assert absences.forget(1)
    assert 60.0 == note(absences, 1, 60.0)


def test_what_is_not_known_is_forgotten_without_ado() -> None:
    absences = Absences()

    assert not absences.forget(1)
    assert [] == absences.of_server(GUILD)


def test_each_timer_is_missing_its_role_by_itself() -> None:
    absences = Absences()

    assert [5.0, 6.0] == [note(absences, 1, 5.0), note(absences, 2, 6.0)]
    assert [1, 2] == [each.standing.number for each in absences.of_server(GUILD)]


def test_the_newest_standing_is_kept() -> None:
    absences = Absences()
    note(absences, 1, 5.0)
    later = standing(position=9)

    absences.note(later, change(GIVE_ROLE), 6.0)

    assert [later] == [each.standing for each in absences.of_server(GUILD)]


def test_twenty_at_once_are_not_too_many_and_twenty_one_are() -> None:
    absences = Absences()
    many(absences, TOO_MANY)
    assert not absences.too_many(GUILD, 0.0)
    note(absences, TOO_MANY, 0.0)

    assert absences.too_many(GUILD, 0.0)


def test_one_timer_that_is_found_again_and_again_counts_once() -> None:
    absences = Absences()
    for now in range(TOO_MANY + 5):
        absences.note(numbered(1), change(GIVE_ROLE, done_at=at(now)), float(now))

    assert not absences.too_many(GUILD, float(TOO_MANY))


def test_those_that_were_decided_meanwhile_count_still() -> None:
    absences = Absences()
    many(absences, TOO_MANY + 1)
    for number in range(TOO_MANY + 1):
        absences.forget(number)

    assert absences.too_many(GUILD, WITHIN - 1)
    assert [] == absences.of_server(GUILD)


def test_those_of_ten_minutes_ago_count_no_more() -> None:
    absences = Absences()
    many(absences, TOO_MANY)
    note(absences, TOO_MANY, WITHIN - 0.1)
    assert absences.too_many(GUILD, WITHIN - 0.1)

    assert not absences.too_many(GUILD, WITHIN)
    assert not absences.too_many(GUILD, 9 * WITHIN)


def test_servers_do_not_count_together() -> None:
    absences = Absences()
    many(absences, TOO_MANY)
    note(absences, TOO_MANY, 0.0, OTHER)

    assert not absences.too_many(GUILD, 0.0)
    assert not absences.too_many(OTHER, 0.0)
    assert [TOO_MANY] == [each.standing.number for each in absences.of_server(OTHER)]


def test_of_a_server_where_nothing_was_missing_none_are_too_many() -> None:
    assert not Absences().too_many(GUILD, 0.0)

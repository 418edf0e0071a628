"""Every row of the decision table."""

import pytest

from boostmon.commands.decider import (
    LONGEST,
    AddTime,
    Clear,
    Pause,
    RemoveTime,
    Resume,
    SetTime,
    Sweep,
    TimerCommand,
)
from boostmon.errors import (
    TimerEndedError,
    TimerNotFoundError,
    TimerPausedError,
    TimerRunningError,
    TooLongError,
)
from boostmon.events.timer import (
    HOUR,
    MINUTE,
    Cleared,
    Expired,
    Paused,
    Resumed,
    TimeAdded,
    TimeRemoved,
    TimerSet,
    WarningSent,
)
from tests.support.spec import given

M = (60, 10, 1)
RUNNING = TimerSet(0, HOUR, HOUR, M, "7")
PAUSED = Paused(20 * MINUTE, 40 * MINUTE)


def test_set_starts_a_timer() -> None:
    given().when(SetTime(5, HOUR, M, "7")).then(TimerSet(5, HOUR, HOUR + 5, M, "7"))


def test_set_replaces_the_end_and_the_channel_of_a_running_timer() -> None:
    given(RUNNING).when(SetTime(MINUTE, HOUR, M)).then(TimerSet(MINUTE, HOUR, HOUR + MINUTE, M))


def test_set_starts_anew_when_the_end_has_passed() -> None:
    given(RUNNING).when(SetTime(2 * HOUR, HOUR, M)).then(TimerSet(2 * HOUR, HOUR, 3 * HOUR, M))


def test_set_lets_a_timer_on_hold_run_again() -> None:
    given(RUNNING, PAUSED).when(SetTime(HOUR, HOUR, M)).then(TimerSet(HOUR, HOUR, 2 * HOUR, M))


def test_add_starts_a_timer_when_a_role_was_named() -> None:
    given().when(AddTime(0, HOUR, M, starts=True)).then(TimerSet(0, HOUR, HOUR, M, added=True))


def test_add_without_a_timer_is_refused_when_no_role_was_named() -> None:
    given().when(AddTime(0, HOUR, M)).then_rejected(TimerNotFoundError)


def test_add_moves_the_end_of_a_running_timer() -> None:
    given(RUNNING).when(AddTime(9, HOUR, M)).then(
        TimeAdded(9, HOUR, expires_at=2 * HOUR, warning_minutes=M)
    )


def test_add_counts_from_now_when_the_end_has_passed() -> None:
    given(RUNNING).when(AddTime(5 * HOUR, HOUR, M)).then(
        TimeAdded(5 * HOUR, HOUR, expires_at=6 * HOUR, warning_minutes=M)
    )


def test_add_lengthens_the_remainder_on_hold() -> None:
    given(RUNNING, PAUSED).when(AddTime(9 * HOUR, HOUR, M)).then(
        TimeAdded(9 * HOUR, HOUR, remaining_ms=100 * MINUTE)
    )


def test_remove_without_a_timer_is_refused() -> None:
    given().when(RemoveTime(0, HOUR, M)).then_rejected(TimerNotFoundError)


def test_remove_brings_the_end_of_a_running_timer_nearer() -> None:
    given(RUNNING).when(RemoveTime(9, MINUTE, M)).then(
        TimeRemoved(9, MINUTE, expires_at=59 * MINUTE, warning_minutes=M)
    )


def test_remove_down_to_nothing_ends_a_running_timer() -> None:
    given(RUNNING).when(RemoveTime(MINUTE, 59 * MINUTE, M)).then(
        TimeRemoved(MINUTE, 59 * MINUTE, expires_at=MINUTE), Expired(MINUTE, "7")
    )


def test_remove_ends_a_timer_whose_end_has_passed() -> None:
    given(RUNNING).when(RemoveTime(2 * HOUR, MINUTE, M)).then(
        TimeRemoved(2 * HOUR, MINUTE, expires_at=HOUR), Expired(2 * HOUR, "7")
    )


def test_remove_shortens_the_remainder_on_hold() -> None:
    given(RUNNING, PAUSED).when(RemoveTime(HOUR, MINUTE, M)).then(
        TimeRemoved(HOUR, MINUTE, remaining_ms=39 * MINUTE)
    )


def test_remove_down_to_nothing_ends_a_timer_on_hold() -> None:
    given(RUNNING, PAUSED).when(RemoveTime(HOUR, 40 * MINUTE, M)).then(
        TimeRemoved(HOUR, 40 * MINUTE, remaining_ms=0), Expired(HOUR, "7")
    )


def test_pause_without_a_timer_is_refused() -> None:
    given().when(Pause(0)).then_rejected(TimerNotFoundError)


def test_pause_keeps_what_is_left() -> None:
    given(RUNNING).when(Pause(20 * MINUTE)).then(PAUSED)


def test_pause_comes_too_late_when_the_end_has_passed() -> None:
    given(RUNNING).when(Pause(HOUR)).then_rejected(TimerEndedError)


def test_pause_on_hold_is_refused() -> None:
    given(RUNNING, PAUSED).when(Pause(HOUR)).then_rejected(TimerPausedError)


def test_resume_without_a_timer_is_refused() -> None:
    given().when(Resume(0, M)).then_rejected(TimerNotFoundError)


def test_resume_of_a_running_timer_is_refused() -> None:
    given(RUNNING).when(Resume(0, M)).then_rejected(TimerRunningError)


def test_resume_comes_too_late_when_the_end_has_passed() -> None:
    given(RUNNING).when(Resume(HOUR, M)).then_rejected(TimerEndedError)


def test_resume_gives_back_what_was_left() -> None:
    given(RUNNING, PAUSED).when(Resume(5 * HOUR, M)).then(
        Resumed(5 * HOUR, 5 * HOUR + 40 * MINUTE, M)
    )


def test_time_added_and_removed_on_hold_is_kept_by_the_resume() -> None:
    given(
        RUNNING,
        PAUSED,
        TimeAdded(HOUR, HOUR, remaining_ms=100 * MINUTE),
        TimeRemoved(HOUR, MINUTE, remaining_ms=99 * MINUTE),
    ).when(Resume(5 * HOUR, M)).then(Resumed(5 * HOUR, 5 * HOUR + 99 * MINUTE, M))


def test_clear_without_a_timer_is_refused() -> None:
    given().when(Clear(0)).then_rejected(TimerNotFoundError)


def test_clear_gives_up_what_a_running_timer_had_left() -> None:
    given(RUNNING).when(Clear(MINUTE)).then(Cleared(MINUTE, 59 * MINUTE))


def test_clear_ends_a_timer_whose_end_has_passed() -> None:
    given(RUNNING).when(Clear(2 * HOUR)).then(Cleared(2 * HOUR, 0))


def test_clear_gives_up_what_a_timer_on_hold_had_left() -> None:
    given(RUNNING, PAUSED).when(Clear(9 * HOUR)).then(Cleared(9 * HOUR, 40 * MINUTE))


def test_a_sweep_without_a_timer_finds_nothing() -> None:
    given().when(Sweep(HOUR)).then_nothing()


def test_a_sweep_skips_a_timer_on_hold() -> None:
    given(RUNNING, PAUSED).when(Sweep(99 * HOUR)).then_nothing()


def test_a_sweep_before_anything_is_due_finds_nothing() -> None:
    given(RUNNING).when(Sweep(50 * MINUTE - 1)).then_nothing()


def test_a_sweep_announces_the_threshold_reached() -> None:
    given(RUNNING).when(Sweep(50 * MINUTE)).then(WarningSent(50 * MINUTE, 10, HOUR, "7"))


def test_a_sweep_ends_a_timer_whose_end_has_come() -> None:
    given(RUNNING).when(Sweep(HOUR)).then(Expired(HOUR, "7"))


def test_a_sweep_after_downtime_announces_only_the_nearest_threshold() -> None:
    start = TimerSet(0, 2 * HOUR, 2 * HOUR, M)
    late = 2 * HOUR - 30_000
    given(start).when(Sweep(late)).then(WarningSent(late, 1, 2 * HOUR))
    given(start, WarningSent(late, 1, 2 * HOUR)).when(Sweep(late)).then_nothing()


def test_a_sweep_after_the_end_warns_of_nothing() -> None:
    given(TimerSet(0, 2 * HOUR, 2 * HOUR, M)).when(Sweep(3 * HOUR)).then(Expired(3 * HOUR))


def test_a_timer_of_five_minutes_warns_at_one_minute_only() -> None:
    start = TimerSet(0, 5 * MINUTE, 5 * MINUTE, M)
    given(start).when(Sweep(4 * MINUTE - 1)).then_nothing()
    given(start).when(Sweep(4 * MINUTE)).then(WarningSent(4 * MINUTE, 1, 5 * MINUTE))


def test_a_threshold_exactly_as_long_as_the_timer_is_not_announced() -> None:
    given(TimerSet(0, HOUR, HOUR, M)).when(Sweep(0)).then_nothing()


def test_a_resume_arms_again_only_what_lies_ahead() -> None:
    history = (
        TimerSet(0, 2 * HOUR, 2 * HOUR, M),
        WarningSent(HOUR, 60, 2 * HOUR),
        Paused(115 * MINUTE, 5 * MINUTE),
        Resumed(9 * HOUR, 9 * HOUR + 5 * MINUTE, M),
    )
    given(*history).when(Sweep(9 * HOUR)).then_nothing()
    minute_before = 9 * HOUR + 4 * MINUTE
    given(*history).when(Sweep(minute_before)).then(
        WarningSent(minute_before, 1, 9 * HOUR + 5 * MINUTE)
    )


def test_time_added_arms_a_threshold_again_that_was_announced() -> None:
    given(
        TimerSet(0, 2 * HOUR, 2 * HOUR, M),
        WarningSent(HOUR, 60, 2 * HOUR),
        TimeAdded(HOUR, HOUR, expires_at=3 * HOUR, warning_minutes=M),
    ).when(Sweep(2 * HOUR)).then(WarningSent(2 * HOUR, 60, 3 * HOUR))


def test_a_life_after_the_end_starts_with_a_clean_slate() -> None:
    given(RUNNING, Expired(HOUR)).when(Pause(HOUR)).then_rejected(TimerNotFoundError)
    given(RUNNING, Cleared(9, 0)).when(Sweep(9 * HOUR)).then_nothing()


@pytest.mark.parametrize(
    "command",
    [
        SetTime(HOUR // 2, LONGEST + 1, M),
        AddTime(HOUR // 2, LONGEST, M),
    ],
)
def test_no_end_lies_more_than_five_years_ahead(command: TimerCommand) -> None:
    given(RUNNING).when(command).then_rejected(TooLongError)


def test_no_remainder_on_hold_is_longer_than_five_years() -> None:
    given(RUNNING, PAUSED).when(AddTime(HOUR, LONGEST, M)).then_rejected(TooLongError)


def test_exactly_five_years_are_allowed() -> None:
    given().when(SetTime(0, LONGEST, M)).then(TimerSet(0, LONGEST, LONGEST, M))

"""How events add up to a timer, and what no history may do."""

import msgspec
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from boostmon.commands.decider import (
    AddTime,
    Clear,
    Pause,
    RemoveTime,
    Resume,
    SetTime,
    Sweep,
    TimerCommand,
    decide,
)
from boostmon.errors import RejectedError, UnknownEventError
from boostmon.events.document import decode, encode
from boostmon.events.timer import (
    HOUR,
    MINUTE,
    Expired,
    NoTimer,
    OnHold,
    Paused,
    Running,
    Timer,
    TimerEvent,
    TimerSet,
    WarningSent,
    fold,
    is_snowflake,
    next_due_at,
    remaining_ms,
)
from tests.support.places import TESTS

M = (60, 10, 1)
EVENTS = TESTS / "data" / "events.jsonl"


def test_every_shape_of_event_ever_written_decodes() -> None:
    lines = EVENTS.read_text().splitlines()
    kinds = {type(decode(line)).__name__ for line in lines}
    assert {kind.__name__ for kind in TimerEvent.__args__} == kinds


@pytest.mark.parametrize("line", EVENTS.read_text().splitlines())
def test_an_event_survives_being_written_again(line: str) -> None:
    event = decode(line)
    assert event == decode(encode(event))


def test_an_event_of_a_newer_version_is_refused_by_name() -> None:
    with pytest.raises(UnknownEventError, match="newer version"):
        decode('{"type": "Transferred", "at": 1}')


def test_a_pause_keeps_the_warnings_and_a_new_end_forgets_them() -> None:
    warned = fold([TimerSet(0, 2 * HOUR, 2 * HOUR, M), WarningSent(HOUR, 60, 2 * HOUR)])
    assert isinstance(warned, Running)
    assert frozenset({60}) == warned.warned
    held = fold([Paused(HOUR, HOUR)], warned)
    assert isinstance(held, OnHold)
    assert frozenset({60}) == held.warned


def test_a_life_begins_with_its_first_event() -> None:
    first = TimerSet(5, HOUR, HOUR + 5, M)
    again = TimerSet(9, HOUR, HOUR + 9, M)
    state = fold([first, again])
    assert isinstance(state, Running)
    assert (5, 9) == (state.since, state.at)
    reborn = fold([first, Expired(2 * HOUR), TimerSet(3 * HOUR, HOUR, 4 * HOUR, M)])
    assert isinstance(reborn, Running)
    assert 3 * HOUR == reborn.since


def test_the_next_due_time_is_the_nearest_threshold_ahead_then_the_end() -> None:
    state = fold([TimerSet(0, 30 * MINUTE, 30 * MINUTE, M)])
    assert 20 * MINUTE == next_due_at(state)
    end = 30 * MINUTE
    assert end == next_due_at(fold([WarningSent(29 * MINUTE, 1, end)], state))
    assert next_due_at(fold([Paused(MINUTE, MINUTE)], state)) is None
    assert next_due_at(NoTimer()) is None


def test_nothing_is_left_of_a_timer_that_is_not_there() -> None:
    assert remaining_ms(NoTimer(), 5) == 0


@pytest.mark.parametrize("event", [Paused(1, 1), WarningSent(1, 1, 1), Expired(1)])
def test_an_event_without_a_timer_makes_none(event: TimerEvent) -> None:
    assert NoTimer() == fold([event])


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1", True),
        ("18446744073709551615", True),
        ("18446744073709551616", False),
        ("0", False),
        ("01", False),
        ("-1", False),
        ("", False),
        ("1" * 5000, False),
        ("\u0661", False),
    ],
)
def test_a_snowflake_is_an_unsigned_64_bit_number(text: str, expected: bool) -> None:
    assert expected == is_snowflake(text)


DURATIONS = st.one_of(
    st.integers(1, 180).map(lambda minutes: minutes * MINUTE), st.integers(1, 3 * HOUR)
)


class TimerMachine(RuleBasedStateMachine):
    """No order of commands and sweeps, at any pace, breaks a promise made to a member."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 0
        self.log: list[TimerEvent] = []
        self.announced: list[int] = []

    @property
    def state(self) -> Timer:
        return fold(self.log)

    def give(self, command: TimerCommand) -> None:
        try:
            events = decide(self.state, command)
        except RejectedError:
            return
        assert events
        self.log += events
        if not isinstance(command, Pause):
            self.announced = []

    @rule(ms=st.integers(1, 90 * MINUTE))
    def wait(self, ms: int) -> None:
        self.now += ms

    @rule(duration=DURATIONS)
    def set(self, duration: int) -> None:
        self.give(SetTime(self.now, duration, M))

    @rule(duration=DURATIONS, starts=st.booleans())
    def add(self, duration: int, starts: bool) -> None:
        left, had = remaining_ms(self.state, self.now), self.state != NoTimer()
        self.give(AddTime(self.now, duration, M, starts))
        if had:
            assert left + duration == remaining_ms(self.state, self.now)

    @rule(duration=DURATIONS)
    def remove(self, duration: int) -> None:
        left = remaining_ms(self.state, self.now)
        self.give(RemoveTime(self.now, duration, M))
        assert max(0, left - duration) == remaining_ms(self.state, self.now)

    @rule(away=st.integers(0, 99 * HOUR))
    def pause_and_resume(self, away: int) -> None:
        self.give(Pause(self.now))
        left = remaining_ms(self.state, self.now)
        self.now += away
        if isinstance(self.state, OnHold):
            assert left == remaining_ms(self.state, self.now)
            self.give(Resume(self.now, M))
            assert left == remaining_ms(self.state, self.now)

    @rule()
    def pause(self) -> None:
        self.give(Pause(self.now))

    @rule()
    def resume(self) -> None:
        self.give(Resume(self.now, M))

    @rule()
    def clear(self) -> None:
        self.give(Clear(self.now))
        assert NoTimer() == self.state

    @rule()
    def sweep(self) -> None:
        before = self.state
        events = decide(before, Sweep(self.now))
        self.log += events
        for event in events:
            if isinstance(event, WarningSent):
                assert isinstance(before, Running)
                left = before.expires_at - self.now
                assert left <= event.minutes * MINUTE
                assert all(event.minutes < earlier for earlier in self.announced)
                self.announced.append(event.minutes)
            else:
                assert remaining_ms(before, self.now) == 0

    @invariant()
    def a_sweep_leaves_nothing_to_sweep(self) -> None:
        due = decide(self.state, Sweep(self.now))
        after = fold(due, self.state)
        assert [] == decide(after, Sweep(self.now))
        next_time = next_due_at(after)
        assert next_time is None or next_time > self.now

    @invariant()
    def nothing_is_due_before_its_time(self) -> None:
        next_time = next_due_at(self.state)
        if next_time is not None and next_time > 0:
            assert [] == decide(self.state, Sweep(next_time - 1))

    @invariant()
    def the_log_survives_being_written(self) -> None:
        assert self.state == fold(decode(encode(event)) for event in self.log)


TimerMachine.TestCase.settings = settings(max_examples=150, stateful_step_count=30, deadline=None)
TestHistories = TimerMachine.TestCase


def test_the_document_of_an_event_names_its_type() -> None:
    document = msgspec.json.decode(encode(Expired(5)))
    assert {"type": "Expired", "at": 5, "warn_channel_id": None} == document

"""Decides what a command does to a timer: the decision table, as a pure function."""

from typing import Literal

from msgspec import UNSET, Struct, UnsetType, structs

from boostmon.errors import (
    TimerEndedError,
    TimerNotFoundError,
    TimerPausedError,
    TimerRunningError,
    TooLongError,
)
from boostmon.events.timer import (
    DAY,
    MINUTE,
    Cleared,
    Expired,
    NoTimer,
    OnHold,
    Paused,
    Resumed,
    Running,
    TimeAdded,
    Timer,
    TimeRemoved,
    TimerEvent,
    TimerSet,
    WarningSent,
    remaining_ms,
)

LONGEST = 5 * 365 * DAY


class Command(Struct, frozen=True):
    """Something asked of a timer at *now* (timer time, epoch milliseconds)."""

    now: int


class SetTime(Command, frozen=True):
    """Start the timer, or set its end anew; no channel means that notices go by DM."""

    duration_ms: int
    warning_minutes: tuple[int, ...]
    warn_channel_id: str | None = None


class AddTime(Command, frozen=True):
    """Move the end away; *starts* says whether a timer may be started when there is none."""

    duration_ms: int
    warning_minutes: tuple[int, ...]
    starts: bool = False


class RemoveTime(Command, frozen=True):
    """Bring the end nearer; down to nothing ends the timer."""

    duration_ms: int
    warning_minutes: tuple[int, ...]


class Pause(Command, frozen=True):
    """Stop the countdown."""


class Resume(Command, frozen=True):
    """Let the countdown go on."""

    warning_minutes: tuple[int, ...]


class Clear(Command, frozen=True):
    """End the timer now."""

    reason: Literal["asked", "role_deleted", "taken_by_hand", "erased"] = "asked"
    because: Literal["server_given_up"] | UnsetType = UNSET


class Sweep(Command, frozen=True):
    """Announce or end what is due."""


TimerCommand = SetTime | AddTime | RemoveTime | Pause | Resume | Clear | Sweep


def decide(state: Timer, command: TimerCommand) -> list[TimerEvent]:
    """Answer *command* with the events it causes, or raise `RejectedError`."""
    match command, state:
        case SetTime(now, duration, minutes, channel), _:
            return [TimerSet(now, duration, _end(now, duration), minutes, channel)]
        case Sweep(now), Running():
            return _due(state, now)
        case Sweep(), _:
            return []
        case AddTime(now, duration, minutes, starts=True), NoTimer():
            return [TimerSet(now, duration, _end(now, duration), minutes, added=True)]
        case _, NoTimer():
            raise TimerNotFoundError
        case AddTime(), _:
            return [_added(state, command)]
        case RemoveTime(), _:
            return _removed(state, command)
        case Pause(now), _:
            return [_paused(state, now)]
        case Resume(), _:
            return [_resumed(state, command)]
        case Clear(now, reason, because), _:
            return [Cleared(now, remaining_ms(state, now), reason, because)]


def as_recorded(command: TimerCommand, now: int) -> TimerCommand:
    """Return *command* as it is to be decided when it is recorded at *now*, not when it was asked.

    A countdown begins when it is recorded. What stops or ends one keeps the time of the asking.
    """
    match command:
        case SetTime() | AddTime() | Resume():
            return structs.replace(command, now=now)
        case RemoveTime() | Pause() | Clear() | Sweep():
            return command


def _end(now: int, duration: int) -> int:
    return _at_most(now + duration, now)


def _at_most(end: int, now: int) -> int:
    if end - now > LONGEST:
        raise TooLongError
    return end


def _added(state: Running | OnHold, command: AddTime) -> TimeAdded:
    now, duration = command.now, command.duration_ms
    match state:
        case Running(expires_at=end):
            later = _at_most(max(end, now) + duration, now)
            minutes = command.warning_minutes
            return TimeAdded(now, duration, expires_at=later, warning_minutes=minutes)
        case OnHold(remaining_ms=remaining):
            return TimeAdded(now, duration, remaining_ms=_at_most(remaining + duration, 0))


def _removed(state: Running | OnHold, command: RemoveTime) -> list[TimerEvent]:
    now, duration = command.now, command.duration_ms
    ended = Expired(now, state.warn_channel_id)
    match state:
        case Running(expires_at=end) if end - duration > now:
            nearer = end - duration
            minutes = command.warning_minutes
            return [TimeRemoved(now, duration, expires_at=nearer, warning_minutes=minutes)]
        case Running(expires_at=end):
            return [TimeRemoved(now, duration, expires_at=min(end, now)), ended]
        case OnHold(remaining_ms=remaining) if remaining > duration:
            return [TimeRemoved(now, duration, remaining_ms=remaining - duration)]
        case OnHold():
            return [TimeRemoved(now, duration, remaining_ms=0), ended]


def _paused(state: Running | OnHold, now: int) -> Paused:
    match state:
        case OnHold():
            raise TimerPausedError
        case Running(expires_at=end) if end <= now:
            raise TimerEndedError
        case Running(expires_at=end):
            return Paused(now, end - now)


def _resumed(state: Running | OnHold, command: Resume) -> Resumed:
    now = command.now
    match state:
        case OnHold(remaining_ms=remaining):
            return Resumed(now, now + remaining, command.warning_minutes)
        case Running(expires_at=end) if end <= now:
            raise TimerEndedError
        case Running():
            raise TimerRunningError


def _due(timer: Running, now: int) -> list[TimerEvent]:
    end, channel = timer.expires_at, timer.warn_channel_id
    if end <= now:
        return [Expired(now, channel)]
    reached = [m for m in timer.ahead if end - now <= m * MINUTE]
    return [WarningSent(now, min(reached), end, channel)] if reached else []

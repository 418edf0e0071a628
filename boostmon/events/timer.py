"""The timer: its events, its states, and how one follows from the other.

Every time is in epoch milliseconds, every amount in milliseconds but the warning thresholds,
which are minutes. An event once written is never renamed or removed; new fields get defaults.
"""

from collections.abc import Iterable
from functools import lru_cache, reduce
from typing import Annotated, Literal

from msgspec import UNSET, Meta, Struct, UnsetType

MINUTE = 60_000
HOUR = 60 * MINUTE
DAY = 24 * HOUR
# What an event may say; PostgreSQL records nothing else (`is_event`).
Number = Annotated[int, Meta(ge=0, le=999_999_999_999_999)]
Minutes = Annotated[int, Meta(ge=0, le=99_999_999)]


class TimerId(Struct, frozen=True, order=True):
    """One role of one member of one server; the ids are snowflakes in decimal."""

    guild_id: str
    user_id: str
    role_id: str


def is_snowflake(text: str) -> bool:
    """Tell whether *text* is an id of Discord: an unsigned 64-bit number in plain decimal."""
    plain = text.isascii() and text.isdigit() and not text.startswith("0")
    return plain and len(text) <= 20 and int(text) < 1 << 64  # noqa: PLR2004 - digits of 2**64


class Event(Struct, frozen=True, tag=True):
    """Something that happened to a timer."""

    at: Number


class TimerSet(Event, frozen=True):
    """A timer was started, or its end was set anew; *added*: by adding time where none was."""

    duration_ms: Number
    expires_at: Number
    warning_minutes: tuple[Minutes, ...]
    warn_channel_id: str | None = None
    added: bool = False


class TimeAdded(Event, frozen=True):
    """A running timer got a later end, or one on hold a longer remainder."""

    duration_ms: Number
    expires_at: Number | None = None
    remaining_ms: Number | None = None
    warning_minutes: tuple[Minutes, ...] = ()


class TimeRemoved(Event, frozen=True):
    """A running timer got an earlier end, or one on hold a shorter remainder."""

    duration_ms: Number
    expires_at: Number | None = None
    remaining_ms: Number | None = None
    warning_minutes: tuple[Minutes, ...] = ()


class Paused(Event, frozen=True):
    """The countdown stopped; the member keeps the role."""

    remaining_ms: Number


class Resumed(Event, frozen=True):
    """The countdown went on."""

    expires_at: Number
    warning_minutes: tuple[Minutes, ...]


class Cleared(Event, frozen=True):
    """The timer was ended before its time; *remaining_ms* was given up.

    What has come *because* of something newer than the reasons is still one of these.
    """

    remaining_ms: Number
    reason: Literal["asked", "role_deleted", "taken_by_hand", "erased"] = "asked"
    because: Literal["server_given_up"] | UnsetType = UNSET


class WarningSent(Event, frozen=True):
    """The member is to be told that *minutes* are left until *expires_at*."""

    minutes: Number
    expires_at: Number
    warn_channel_id: str | None = None


class Expired(Event, frozen=True):
    """The timer came to its end; the member is to be told in the channel, or else by DM."""

    warn_channel_id: str | None = None


TimerEvent = TimerSet | TimeAdded | TimeRemoved | Paused | Resumed | Cleared | WarningSent | Expired


class NoTimer(Struct, frozen=True):
    """Nothing is counted for this role."""


class Running(Struct, frozen=True, kw_only=True):
    """Counting down; *ahead* are the thresholds to be announced, *warned* those that were."""

    since: int
    at: int
    expires_at: int
    ahead: frozenset[int] = frozenset()
    warned: frozenset[int] = frozenset()
    warn_channel_id: str | None = None


class OnHold(Struct, frozen=True, kw_only=True):
    """Paused at *paused_at* with *remaining_ms* left."""

    since: int
    at: int
    paused_at: int
    remaining_ms: int
    warned: frozenset[int] = frozenset()
    warn_channel_id: str | None = None


Timer = NoTimer | Running | OnHold
INITIAL = NoTimer()


def evolve(state: Timer, event: TimerEvent) -> Timer:
    """Take in one fact. Events carry their outcome, so this only assigns.

    A fact that does not fit the state changes nothing.
    """
    match event:
        case TimerSet():
            since = event.at if isinstance(state, NoTimer) else state.since
            channel = event.warn_channel_id
            return _running(since, event.at, event.expires_at, event.warning_minutes, channel)
        case TimeAdded() | TimeRemoved():
            return _changed(state, event)
        case Paused():
            return _paused(state, event) if isinstance(state, Running) else state
        case Resumed():
            if isinstance(state, OnHold):
                return _ending(state, event.at, event.expires_at, event.warning_minutes)
            return state
        case WarningSent():
            return _warned(state, event.at, event.minutes) if isinstance(state, Running) else state
        case Cleared() | Expired():
            return INITIAL


def _changed(state: Timer, event: TimeAdded | TimeRemoved) -> Timer:
    if isinstance(state, Running) and event.expires_at is not None:
        return _ending(state, event.at, event.expires_at, event.warning_minutes)
    if isinstance(state, OnHold) and event.remaining_ms is not None:
        return OnHold(
            since=state.since,
            at=event.at,
            paused_at=state.paused_at,
            remaining_ms=event.remaining_ms,
            warn_channel_id=state.warn_channel_id,
        )
    return state


def _paused(state: Running, event: Paused) -> OnHold:
    return OnHold(
        since=state.since,
        at=event.at,
        paused_at=event.at,
        remaining_ms=event.remaining_ms,
        warned=state.warned,
        warn_channel_id=state.warn_channel_id,
    )


def _running(since: int, at: int, end: int, minutes: Iterable[int], channel: str | None) -> Running:
    ahead = _thresholds(tuple([m for m in minutes if end - at > m * MINUTE]))
    return Running(since=since, at=at, expires_at=end, ahead=ahead, warn_channel_id=channel)


@lru_cache(maxsize=1_000)
def _thresholds(minutes: tuple[int, ...]) -> frozenset[int]:
    """Return them as one set for all timers, most of which have the same; a replay holds them."""
    return frozenset(minutes)


def _ending(state: Running | OnHold, at: int, end: int, minutes: Iterable[int]) -> Running:
    return _running(state.since, at, end, minutes, state.warn_channel_id)


def _warned(state: Running, at: int, minutes: int) -> Running:
    passed = frozenset(m for m in state.ahead if m >= minutes)
    return Running(
        since=state.since,
        at=at,
        expires_at=state.expires_at,
        ahead=state.ahead - passed,
        warned=state.warned | passed | {minutes},
        warn_channel_id=state.warn_channel_id,
    )


def fold(events: Iterable[TimerEvent], state: Timer = INITIAL) -> Timer:
    """Add up *events*, oldest first."""
    return reduce(evolve, events, state)


def next_due_at(state: Timer) -> int | None:
    """When a sweep next finds something to do: the nearest threshold ahead, or the end."""
    if not isinstance(state, Running):
        return None
    return state.expires_at - max(state.ahead, default=0) * MINUTE


def remaining_ms(state: Timer, now: int) -> int:
    """Tell what is left of *state* at *now*; never below 0."""
    match state:
        case Running(expires_at=end):
            return max(0, end - now)
        case OnHold(remaining_ms=remaining):
            return remaining
        case NoTimer():
            return 0

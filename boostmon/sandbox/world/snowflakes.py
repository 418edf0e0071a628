"""Ids as Discord makes them: milliseconds since 2015, then a counter."""

import time
from collections.abc import Callable
from datetime import UTC, datetime

EPOCH_MS = 1_420_070_400_000
_TIME_SHIFT = 22
_LARGEST = (1 << 63) - 1


def is_snowflake(value: object) -> bool:
    """Whether *value* is an id: a string of digits, or (in requests) a number."""
    if isinstance(value, bool):
        return False
    if isinstance(value, int):
        return 0 < value <= _LARGEST
    return isinstance(value, str) and value.isascii() and value.isdigit() and int(value) <= _LARGEST


def at(snowflake: str) -> str:
    """Return the time within *snowflake* as Discord writes times."""
    return iso(((int(snowflake) >> _TIME_SHIFT) + EPOCH_MS) / 1000)


def iso(seconds: float) -> str:
    """Write *seconds* since 1970 as Discord does."""
    moment = datetime.fromtimestamp(seconds, UTC)
    return moment.isoformat(timespec="microseconds")


class Snowflakes:
    """Makes ids that rise strictly, from real time."""

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self._last = 0

    def __call__(self) -> str:
        """Return the next id."""
        base = (int(self._clock() * 1000) - EPOCH_MS) << _TIME_SHIFT
        self._last = max(base, self._last + 1)
        return str(self._last)

    def follow(self) -> None:
        """Follow the clock from now on, even when it has gone back."""
        self._last = 0

    def now(self, ago: float = 0.0) -> str:
        """Return the present, or some seconds *ago*, as Discord writes times."""
        return iso(self._clock() - ago)

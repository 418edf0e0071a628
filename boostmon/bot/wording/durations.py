"""Durations as people write and read them; amounts are in milliseconds."""

import re

from boostmon.commands.decider import LONGEST
from boostmon.errors import DurationError
from boostmon.events.timer import DAY, HOUR, MINUTE

LONGEST_TEXT = 100  # as much as Discord takes for the value of a choice
EXAMPLES = "write minutes (`90`) or units (`1h30m`, `2 days`, `1w2d3h4m`)"

_UNITS = {
    ("w", "week", "weeks"): 7 * DAY,
    ("d", "day", "days"): DAY,
    ("h", "hr", "hrs", "hour", "hours"): HOUR,
    ("m", "min", "mins", "minute", "minutes"): MINUTE,
}
_AMOUNT_OF = {name: amount for names, amount in _UNITS.items() for name in names}
_MINUTES = re.compile(r"[0-9]+")
_PART = re.compile(r" *([0-9]+) *([A-Za-z]+) *")


def parse(text: str) -> int:
    """Return the duration in *text*, in milliseconds, or raise `DurationError`.

    A bare integer is minutes; units may be combined, each at most once.
    """
    text = text.strip()
    if len(text) > LONGEST_TEXT:
        raise DurationError
    duration = int(text) * MINUTE if _MINUTES.fullmatch(text) else _sum(text)
    if duration == 0:
        raise DurationError(f"A duration is at least a minute; {EXAMPLES}.")
    if duration > LONGEST:
        raise DurationError(f"That is more than 5 years; {EXAMPLES}.")
    return duration


def spoken(duration_ms: int) -> str:
    """Return *duration_ms* in days, hours and minutes, a part of a minute counted as a whole one.

    >>> spoken(90 * MINUTE)
    '1 hour 30 minutes'
    """
    minutes = minutes_up(duration_ms)
    days, minutes = divmod(minutes, 24 * 60)
    hours, minutes = divmod(minutes, 60)
    parts = [
        counted(number, unit)
        for number, unit in ((days, "day"), (hours, "hour"), (minutes, "minute"))
        if number
    ]
    return " ".join(parts) or "0 minutes"


def counted(number: int, noun: str) -> str:
    """Return *number* and *noun*, in the plural unless it is one."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def minutes_up(duration_ms: int) -> int:
    """Return *duration_ms* in minutes, rounded up."""
    return -(-duration_ms // MINUTE)


def _sum(text: str) -> int:
    amounts: dict[int, int] = {}
    place = 0
    while place < len(text):
        part = _PART.match(text, place)
        if part is None:
            raise DurationError
        unit = _unit(part[2])
        if unit in amounts:
            raise DurationError(f"`{part[2]}` is there twice; {EXAMPLES}.")
        amounts[unit] = int(part[1]) * unit
        place = part.end()
    if not amounts:
        raise DurationError
    return sum(amounts.values())


def _unit(name: str) -> int:
    if name == "M" or name.lower() == "mo":
        raise DurationError(f"`{name}` may be minutes or months; {EXAMPLES}.")
    if name.lower() in ("s", "sec", "secs", "second", "seconds"):
        raise DurationError(f"Seconds are not counted; {EXAMPLES}.")
    try:
        return _AMOUNT_OF[name.lower()]
    except KeyError:
        raise DurationError from None

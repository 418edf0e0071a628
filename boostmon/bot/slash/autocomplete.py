"""Suggests durations while somebody types one."""

from collections.abc import Callable
from datetime import UTC, datetime

from boostmon.bot.wording.durations import parse, spoken
from boostmon.errors import DurationError
from boostmon.events.timer import DAY

LONGEST_NAME = 100  # Discord's limit for what a choice shows
USUAL = ("30m", "1h", "12h", "1d", "1w", "30d")
WEEKDAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")  # whatever the host's locale
MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")

Meaning = Callable[[int], str]


def choices(typed: str, meaning: Meaning) -> dict[str, str]:
    """Return what *typed* can mean: what each choice shows, and the duration it stands for.

    *meaning* explains a duration in milliseconds. What cannot be read is completed where that is
    possible; else nothing is offered, since Enter would take what is offered first in its place.
    Before anything is typed the usual durations are shown.
    """
    typed = typed.strip()
    if not typed:
        return {_name(text, meaning(parse(text))): text for text in USUAL}
    candidates = [typed, *(typed + unit for unit in "mhdw")]
    readable = {text: duration for text in candidates if (duration := _read(text))}
    return {_name(text, meaning(duration)): text for text, duration in readable.items()}


def ending(now: int) -> Meaning:
    """Explain durations that begin at *now* (epoch milliseconds) by their end."""

    def meaning(duration_ms: int) -> str:
        end = datetime.fromtimestamp((now + duration_ms) // 1000, UTC)
        day = WEEKDAYS[end.weekday()]
        if duration_ms > 7 * DAY:
            day = f"{day} {end.day} {MONTHS[end.month - 1]} {end.year}"
        return f"ends {day} {end:%H:%M} UTC, in {spoken(duration_ms)}"

    return meaning


def more(duration_ms: int) -> str:
    """Explain *duration_ms* as time added."""
    return f"{spoken(duration_ms)} more"


def less(duration_ms: int) -> str:
    """Explain *duration_ms* as time removed."""
    return f"{spoken(duration_ms)} less"


def _read(text: str) -> int | None:
    try:
        return parse(text)
    except DurationError:
        return None


def _name(text: str, meaning: str) -> str:
    room = LONGEST_NAME - len(f" → {meaning}")
    shown = text if len(text) <= room else text[: room - 1] + "…"
    return f"{shown} → {meaning}"

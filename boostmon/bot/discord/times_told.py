"""The times that an answer of Discord's tells: when it was made, and how long to wait."""

from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

from boostmon import machine

UNTOLD = 5.0  # seconds, for an answer that asks to wait and does not say for how long
LONGEST = 3600.0  # seconds; nobody is banned for asking once an hour


def moment_of(date: str) -> datetime | None:
    """Return the moment in an HTTP date (RFC 9110, section 5.6.7); None when it is none."""
    try:
        moment = parsedate_to_datetime(date)
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def seconds_in(told: object) -> float | None:
    """Return a wait in seconds, an hour at most; None for what is no number of at least 0."""
    if isinstance(told, bool) or not isinstance(told, (int, float, str)):
        return None
    try:
        seconds = float(told)
    except (ValueError, OverflowError):
        return None
    return min(seconds, LONGEST) if seconds >= 0 else None


def wait_told(body: Mapping[str, Any], headers: Mapping[str, str]) -> float:
    """Return how many seconds a refusal asks to wait, wherever and in whatever form it says so.

    `Retry-After` is a number of seconds or a date (RFC 9110, section 10.2.3), by the clock of who
    answers.
    """
    header = headers.get("Retry-After", "")
    for told in (body.get("retry_after"), header):
        if (seconds := seconds_in(told)) is not None:
            return seconds
    if (until := moment_of(header)) is None:
        return UNTOLD
    answered_at = moment_of(headers.get("Date", ""))
    now = answered_at.timestamp() if answered_at else machine.wall()
    return min(max(0.0, until.timestamp() - now), LONGEST)

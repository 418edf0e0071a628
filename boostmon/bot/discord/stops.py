"""Stops: when Discord lets nothing be asked for longer than a moment, and why; said once."""

from datetime import UTC, datetime

import structlog
from msgspec import Struct

from boostmon import machine
from boostmon.projections.effects.open_effects import STOPPED

SAID_FROM = 30.0  # seconds; Discord's limit for all requests is over within a few

log = structlog.get_logger()


class Stop(Struct, frozen=True):
    """From when to when nothing is asked, in seconds since 1970, and why."""

    since: float
    until: float
    why: str

    def __str__(self) -> str:
        """Say it in one sentence."""
        return f"{STOPPED} from {_time(self.since)} to {_time(self.until)} UTC: {self.why}."


class Stops:
    """The stop that is under way, and what was said of it; times are of the monotonic clock."""

    def __init__(self) -> None:
        self._stop: Stop | None = None
        self._until = 0.0

    def note(self, until: float, now: float, why: str) -> None:
        """Take in that nothing may be asked before *until*."""
        if until - now < SAID_FROM or until <= self._until:
            return
        is_new = self._until <= now
        since = machine.wall() if is_new or self._stop is None else self._stop.since
        self._stop, self._until = Stop(since, machine.wall() + until - now, why), until
        if is_new:
            log.error("Discord stops all requests", seconds=round(until - now), why=why)

    def under_way(self, now: float) -> Stop | None:
        """Return the stop that is not over; None: there is none."""
        return self._stop if now < self._until else None


def say_lane(lane: str, until: float, before: float, now: float) -> None:
    """Tell once that one of Discord's limits closes *lane* for long, which was closed *before*."""
    if until - now >= SAID_FROM and before <= now:
        log.warning("Discord stops one kind of request", lane=lane, seconds=round(until - now))


def _time(moment: float) -> str:
    return datetime.fromtimestamp(moment, UTC).strftime("%Y-%m-%d %H:%M:%S")

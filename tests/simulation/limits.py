"""Discord's limits, as it keeps them itself: fixed windows, and 50 requests a second in all."""

from collections import deque

from msgspec import Struct

EVERYTHING, SECOND = 50, 1.0
WINDOWS = {"role": (10, 10.0), "message": (5, 5.0), "opening": (10, 60.0), "read": (50, 1.0)}


class Refused(Struct, frozen=True):
    """Asked too fast; *everywhere*: the limit of all requests together."""

    retry_after: float
    everywhere: bool


class Window(Struct):
    """How much of a fixed window is used."""

    ends_at: float = 0.0
    used: int = 0


class Left(Struct, frozen=True):
    """What an answer says of its bucket."""

    remaining: int
    reset_after: float


class Limits:
    """Counts what is asked, by bucket and in all."""

    def __init__(self) -> None:
        self._windows: dict[tuple[str, str, str], Window] = {}
        self._all: deque[float] = deque()

    def count(self, kind: str, method: str, place: str, now: float) -> Left | Refused:
        """Count one request, or refuse it."""
        while self._all and self._all[0] <= now - SECOND:
            self._all.popleft()
        if len(self._all) >= EVERYTHING:
            return Refused(self._all[0] + SECOND - now, everywhere=True)
        self._all.append(now)
        most, seconds = WINDOWS[kind]
        window = self._windows.setdefault((kind, method, place), Window())
        if window.ends_at <= now:
            window.ends_at, window.used = now + seconds, 0
        if window.used >= most:
            return Refused(window.ends_at - now, everywhere=False)
        window.used += 1
        return Left(most - window.used, window.ends_at - now)

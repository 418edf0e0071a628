"""Rate limits, on machine time: Discord's own headers and refusals."""

import hashlib
import math
import time
from collections import deque
from collections.abc import Callable

from msgspec import Struct

_MOST_WINDOWS = 5000


class Limits(Struct, kw_only=True):
    """How much is allowed: (requests, seconds). Tests may turn any of them."""

    everything: tuple[int, float] = (50, 1.0)
    roles: tuple[int, float] = (10, 10.0)
    messages: tuple[int, float] = (5, 5.0)
    webhook: tuple[int, float] = (5, 2.0)
    other: tuple[int, float] = (50, 1.0)
    identify: tuple[int, float] = (1, 5.0)
    all_members: tuple[int, float] = (1, 30.0)
    new_commands: tuple[int, float] = (200, 86_400.0)
    invalid: tuple[int, float] = (10_000, 600.0)
    old_edits: tuple[int, float] = (3, 6.0)
    openings: tuple[int, float] = (1_000_000, 60.0)
    """Of direct messages (40003). Where Discord draws the line is not known: none, unless set."""
    heartbeat_ms: int = 41_250
    resume_buffer: int = 1000
    resume_seconds: float = 180.0
    nonce_seconds: float = 180.0


class Window:
    """Counts requests: in a fixed window from the first one on, or in the last seconds."""

    def __init__(self, limit: int, seconds: float, *, fixed: bool) -> None:
        self.limit, self.seconds, self.fixed = limit, seconds, fixed
        self._taken: deque[float] = deque()

    def take(self, now: float) -> bool:
        """Count one request, or say that there is no room for it."""
        self._forget(now)
        if len(self._taken) >= self.limit:
            return False
        self._taken.append(now)
        return True

    def has_room(self, now: float) -> bool:
        """Whether one more would be taken."""
        self._forget(now)
        return len(self._taken) < self.limit

    def is_idle(self, now: float) -> bool:
        """Whether it counts nothing any more."""
        self._forget(now)
        return not self._taken

    def _forget(self, now: float) -> None:
        if self.fixed and self._taken and self._taken[0] + self.seconds <= now:
            self._taken.clear()
        while self._taken and self._taken[0] + self.seconds <= now:
            self._taken.popleft()

    @property
    def remaining(self) -> int:
        return self.limit - len(self._taken)

    def reset_after(self, now: float) -> float:
        """Return the seconds until there is room again, rounded up to milliseconds."""
        first = self._taken[0] if self._taken else now
        return math.ceil(max(0.0, first + self.seconds - now) * 1000) / 1000


class Verdict(Struct):
    """What the limits say to one request."""

    headers: dict[str, str]
    retry_after: float | None = None
    everywhere: bool = False


class RateLimiter:
    """All windows of all bots."""

    def __init__(
        self,
        limits: Limits,
        clock: Callable[[], float] = time.monotonic,
        wall: Callable[[], float] = time.time,
    ) -> None:
        self.limits = limits
        self._clock, self._wall = clock, wall
        self.refused: dict[str, int] = {}
        self._windows: dict[str, Window] = {}

    def take(self, bot_id: str | None, kind: str, major: str) -> Verdict:
        """Count one request of *kind* for *major* (the server, channel or webhook, and method)."""
        now = self._clock()
        if bot_id is not None:
            whole = self._window("global", bot_id)
            if not whole.take(now):
                self._refuse("global")
                after = whole.reset_after(now)
                headers = {"X-RateLimit-Global": "true", "X-RateLimit-Scope": "global"}
                return Verdict(headers | _retry(after), after, everywhere=True)
        window = self._window(kind, f"{bot_id}:{major}")
        taken = window.take(now)
        after = window.reset_after(now)
        headers = {
            "X-RateLimit-Limit": str(window.limit),
            "X-RateLimit-Remaining": str(window.remaining),
            "X-RateLimit-Reset": f"{self._wall() + after:.3f}",
            "X-RateLimit-Reset-After": f"{after:.3f}",
            "X-RateLimit-Bucket": _bucket(kind, major),
        }
        if taken:
            return Verdict(headers)
        self._refuse(kind)
        return Verdict(headers | {"X-RateLimit-Scope": "user"} | _retry(after), after)

    def wait(self, kind: str, major: str) -> float:
        """Count one thing that is no request; return for how long it is too early, or 0."""
        now = self._clock()
        window = self._window(kind, major)
        if window.take(now):
            return 0.0
        self._refuse(kind)
        return window.reset_after(now)

    def admits(self, kind: str, major: str) -> bool:
        """Count one thing whose refusal is no 429, or say that it is one too many."""
        return self._window(kind, major).take(self._clock())

    def note_invalid(self) -> None:
        """Count an answer of 401, 403 or 429, whoever asked: it is one address."""
        self._window("invalid", "").take(self._clock())

    def banned_for(self) -> float:
        """Return for how many seconds this address is refused everything, or 0."""
        now = self._clock()
        window = self._window("invalid", "")
        return 0.0 if window.has_room(now) else window.reset_after(now)

    def _forget_idle(self) -> None:
        now = self._clock()
        self._windows = {k: w for k, w in self._windows.items() if not w.is_idle(now)}

    def _refuse(self, kind: str) -> None:
        self.refused[kind] = self.refused.get(kind, 0) + 1

    def _window(self, kind: str, major: str) -> Window:
        limit, seconds = getattr(self.limits, "everything" if kind == "global" else kind)
        key = f"{kind}:{major}"
        window = self._windows.get(key)
        if window is None or (window.limit, window.seconds) != (limit, seconds):
            if len(self._windows) > _MOST_WINDOWS:
                self._forget_idle()
            window = Window(limit, seconds, fixed=kind == "roles")
            self._windows[key] = window
        return window


def _retry(after: float) -> dict[str, str]:
    return {"Retry-After": str(math.ceil(after))}


def _bucket(kind: str, major: str) -> str:
    """Name the bucket as Discord does: by route and method, the same for every server."""
    scope = major.rsplit(" ", 1)[0]
    return hashlib.sha256(f"{kind} {scope}".encode()).hexdigest()[:32]

"""How fast Discord may be asked: windows that are counted here, and what its answers say."""

from collections import deque
from collections.abc import Mapping

from msgspec import Struct

DIRECT = "direct"
OPENING = "opening"
LOOK = 0.005  # seconds
MARGIN = 0.05  # seconds that an answer may have been on its way


class Limits(Struct, frozen=True):
    """How much is asked of Discord at most; `docs/operations.md` has the sources of the figures."""

    requests: int = 49
    request_seconds: float = 1.0
    role_changes: int = 10
    role_seconds: float = 10.0
    messages: int = 5
    message_seconds: float = 5.0
    direct_messages: int = 5
    direct_message_seconds: float = 5.0
    openings: int = 10
    opening_seconds: float = 60.0
    invalid_requests: int = 2_000
    invalid_seconds: float = 600.0


class Window:
    """At most *limit* starts in any *seconds*; times are of the monotonic clock, in seconds."""

    def __init__(self, limit: int, seconds: float) -> None:
        self._limit = limit
        self._seconds = seconds
        self._starts: deque[float] = deque()
        self._closed_until = 0.0

    def ready_at(self, now: float) -> float:
        """Tell from when on the next start is allowed; *now* or earlier: at once."""
        while self._starts and self._starts[0] <= now - self._seconds:
            self._starts.popleft()
        full = len(self._starts) >= self._limit
        by_count = self._starts[-self._limit] + self._seconds if full else 0.0
        return max(by_count, self._closed_until)

    def start(self, now: float) -> None:
        """Count one start."""
        self._starts.append(now)

    def is_idle(self, now: float) -> bool:
        """Tell whether nothing is counted and nothing closed."""
        return self.ready_at(now) <= now and not self._starts

    @property
    def quiet_at(self) -> float:
        """When nothing that was started counts any more."""
        return self._starts[-1] + self._seconds if self._starts else 0.0

    def close(self, until: float) -> None:
        """Allow no start before *until*: Discord says so."""
        self._closed_until = max(self._closed_until, until)


class Turns:
    """At most *limit* requests of all kinds in any *seconds* of Discord's own clock.

    When Discord counts a request is not known, but it is before its answer is here. So those that
    were answered within the last *seconds* count, and those that are under way.
    """

    def __init__(self, limit: int, seconds: float) -> None:
        self._limit = limit
        self._seconds = seconds
        self._under_way = 0
        self._answered: deque[float] = deque()
        self._closed_until = 0.0

    def ready_at(self, now: float) -> float:
        """Tell from when on the next request may be sent; *now* or earlier: at once."""
        while self._answered and self._answered[0] <= now - self._seconds:
            self._answered.popleft()
        free = self._limit - self._under_way - len(self._answered)
        if free > 0:
            return self._closed_until
        first = self._answered[0] + self._seconds if self._answered else now + LOOK
        return max(first, self._closed_until)

    def begin(self) -> None:
        """Count a request that is being sent."""
        self._under_way += 1

    def end(self, now: float) -> None:
        """Count it as answered, or given up."""
        self._under_way -= 1
        self._answered.append(now)

    def close(self, until: float) -> None:
        """Allow nothing before *until*: Discord says so."""
        self._closed_until = max(self._closed_until, until)


class Pace:
    """The windows of all lanes, and the turns of all requests together."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._lanes: dict[str, Window] = {}
        self.turns = Turns(limits.requests, limits.request_seconds)
        self._invalid = Window(limits.invalid_requests, limits.invalid_seconds)

    @property
    def lanes(self) -> int:
        """How many lanes have a window now."""
        return len(self._lanes)

    def ready_at(self, lane: str, now: float) -> float:
        """Tell from when on a request of *lane* may be sent."""
        window = self._lanes.get(lane)
        own = window.ready_at(now) if window else 0.0
        return max(self._invalid.ready_at(now), own)

    def start(self, lane: str, now: float) -> None:
        """Count one request of *lane*."""
        self._window(lane).start(now)

    def answered(self, lane: str, headers: Mapping[str, str], now: float) -> None:
        """Follow what the *headers* of an answer say of the lane's own limit."""
        if headers.get("X-RateLimit-Remaining") == "0" and "X-RateLimit-Reset-After" in headers:
            after = float(headers["X-RateLimit-Reset-After"])
            self._window(lane).close(now + after + MARGIN)

    def invalid(self, now: float) -> None:
        """Count an answer that Discord counts as an invalid request; too many of them ban us."""
        self._invalid.start(now)

    def refused(self, lane: str, retry_after: float, *, everywhere: bool, now: float) -> None:
        """Follow a 429: wait *retry_after* seconds, on this lane or on all."""
        until = now + retry_after + MARGIN
        if everywhere:
            self.turns.close(until)
        else:
            self._window(lane).close(until)

    def quiet_in(self, now: float) -> float:
        """Tell in how many seconds Discord's windows have forgotten what was asked so far.

        Whoever speaks to Discord next does not know of it, and may be refused until then.
        """
        ends = [window.quiet_at for lane, window in self._lanes.items() if lane != OPENING]
        return max(0.0, max(ends, default=0.0) - now)

    def forget_idle(self, now: float) -> None:
        """Drop the windows that hold nothing up."""
        for lane in [lane for lane, window in self._lanes.items() if window.is_idle(now)]:
            del self._lanes[lane]

    def _window(self, lane: str) -> Window:
        if lane not in self._lanes:
            self._lanes[lane] = self._new_window(lane)
        return self._lanes[lane]

    def _new_window(self, lane: str) -> Window:
        limits = self._limits
        if lane.startswith("roles:"):
            return Window(limits.role_changes, limits.role_seconds)
        if lane == DIRECT:
            return Window(limits.direct_messages, limits.direct_message_seconds)
        if lane == OPENING:
            return Window(limits.openings, limits.opening_seconds)
        return Window(limits.messages, limits.message_seconds)


def lane_of_roles(guild_id: str) -> str:
    """Name the lane of a server's role changes."""
    return f"roles:{guild_id}"


def lane_of_channel(channel_id: str | None) -> str:
    """Name the lane of a channel's messages; None: direct messages, all in one lane."""
    return DIRECT if channel_id is None else f"channel:{channel_id}"


def lane_of_reads(place_id: str) -> str:
    """Name the lane of what is read about a server or in a channel."""
    return f"reads:{place_id}"

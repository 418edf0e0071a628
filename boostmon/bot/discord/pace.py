"""Pace: how fast Discord may be asked, by windows counted here and by what its answers say."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager

from msgspec import Struct

from boostmon import machine
from boostmon.bot.discord.stops import Stop, Stops, say_lane
from boostmon.bot.discord.times_told import seconds_in

DIRECT = "direct"
OPENING = "opening"
TOO_MANY_INVALID = "so many were refused of late that one more may have the address banned"
LOOK = 0.005  # seconds
LOOK_FOR_PROMISES = 0.5  # seconds; whoever keeps one tells when it is over
PATIENCE = 1.0  # seconds; when the limits ask for more, a reply does not wait for them
MARGIN = 0.05  # seconds that an answer may have been on its way


class Limits(Struct, frozen=True):
    """How much is asked of Discord at most; `docs/operations.md` has the sources of the figures."""

    requests: int = 40  # and others beside it: 49 together
    requests_beside: int = 9  # of a process that does not speak for the log
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

    def ready_at(self, now: float) -> float:
        """Tell from when on the next start is allowed; *now* or earlier: at once."""
        while self._starts and self._starts[0] <= now - self._seconds:
            self._starts.popleft()
        full = len(self._starts) >= self._limit
        return self._starts[-self._limit] + self._seconds if full else 0.0

    def start(self, now: float) -> None:
        """Count one start."""
        self._starts.append(now)

    def count(self, now: float) -> int:
        """Tell how many starts count at *now*."""
        return sum(start > now - self._seconds for start in self._starts)


class Turns:
    """At most *limit* requests in any *seconds* of Discord's own clock.

    When Discord counts a request is not known, but it is before its answer is here. So those that
    were answered within the last *seconds* count, and those that are under way. A turn may be
    promised to an effect, which may not ask for it at once, or at all.
    """

    def __init__(self, limit: int, seconds: float) -> None:
        self.limit = limit
        self._seconds = seconds
        self._promised = 0
        self._under_way = 0
        self._answered: deque[float] = deque()
        self.closed_until = 0.0
        self.queue = asyncio.Lock()

    def ready_at(self, now: float) -> float:
        """Tell from when on the next request may be sent; *now* or earlier: at once."""
        return self._free_at(self._under_way, now, look=LOOK)

    def promise_at(self, now: float) -> float:
        """Tell from when on one more turn may be promised; *now* or earlier: at once."""
        return self._free_at(max(self._under_way, self._promised), now, look=LOOK_FOR_PROMISES)

    def _free_at(self, taken: int, now: float, *, look: float) -> float:
        while self._answered and self._answered[0] <= now - self._seconds:
            self._answered.popleft()
        short = 1 + taken + len(self._answered) - self.limit
        if short <= 0:
            return self.closed_until
        by_count = now + look
        if short <= len(self._answered):
            by_count = self._answered[short - 1] + self._seconds
        return max(by_count, self.closed_until)

    def promise(self) -> None:
        """Keep a turn for an effect that is about to be carried out."""
        self._promised += 1

    def withdraw(self) -> None:
        """End a promise: the effect was carried out, or not."""
        self._promised -= 1

    def begin(self) -> None:
        """Count a request that is being sent."""
        self._under_way += 1

    def end(self, now: float) -> None:
        """Count it as answered, or given up."""
        self._under_way -= 1
        self._answered.append(now)

    def is_idle(self, now: float) -> bool:
        """Tell whether nothing is counted and nothing closed."""
        busy = self._promised or self._under_way or self.queue.locked()
        return not busy and self.quiet_at <= now

    @property
    def quiet_at(self) -> float:
        """When nothing that was answered counts any more, and nothing is closed."""
        last = self._answered[-1] + self._seconds if self._answered else 0.0
        return max(last, self.closed_until)

    def close(self, until: float) -> None:
        """Allow nothing before *until*: Discord says so."""
        self.closed_until = max(self.closed_until, until)


class Pace:
    """The turns of each lane, and those of all requests together."""

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self._lanes: dict[str, Turns] = {}
        self.turns = Turns(limits.requests, limits.request_seconds)
        self._invalid = Window(limits.invalid_requests, limits.invalid_seconds)
        self._stops = Stops()
        self._leads: Callable[[], bool] = lambda: True

    def share(self, leads: Callable[[], bool]) -> None:
        """Ask for no more than is left beside the process that speaks for the log, unless *leads*.

        Discord counts what a token's processes ask together, and none of them knows of the others.
        """
        self._leads = leads

    @property
    def lanes(self) -> int:
        """How many lanes have turns that count now."""
        return len(self._lanes)

    def ready_at(self, lane: str, now: float) -> float:
        """Tell from when on an effect of *lane* may be carried out."""
        own = (self._lanes[name].promise_at(now) for name in _with(lane) if name in self._lanes)
        return max([self.open_at(now), *own])

    def free_at(self, lane: str, now: float) -> float:
        """Tell from when on a request may be sent in *lane* for which a turn was promised."""
        turns = self._lanes.get(lane)
        return max(self.open_at(now), turns.ready_at(now) if turns else 0.0)

    def open_at(self, now: float) -> float:
        """Tell from when on effects may be carried out at all."""
        return max(self._invalid.ready_at(now), self.turns.closed_until)

    def promise(self, lane: str) -> None:
        """Keep a turn in *lane* for an effect, until it is withdrawn."""
        for name in _with(lane):
            self._turns(name).promise()

    def withdraw(self, lane: str) -> None:
        """End a promise in *lane*."""
        for name in _with(lane):
            self._turns(name).withdraw()

    @asynccontextmanager
    async def turn(self, lane: str | None = None) -> AsyncIterator[None]:
        """Wait until *lane*, and all requests together, leave room; first come, first served."""
        async with AsyncExitStack() as stack:
            if lane is not None:
                await stack.enter_async_context(_in_turn(self._turns(lane)))
            limits = self.limits
            self.turns.limit = limits.requests if self._leads() else limits.requests_beside
            await stack.enter_async_context(_in_turn(self.turns))
            yield

    def answered(self, lane: str, headers: Mapping[str, str], now: float) -> None:
        """Follow what the *headers* of an answer say of the lane's own limit."""
        after = seconds_in(headers.get("X-RateLimit-Reset-After"))
        if headers.get("X-RateLimit-Remaining") == "0" and after is not None:
            self._close(lane, now + after + MARGIN, now)

    def invalid(self, now: float) -> None:
        """Count an answer that Discord counts as an invalid request; too many of them ban us."""
        self._invalid.start(now)
        self._stops.note(self._invalid.ready_at(now), now, TOO_MANY_INVALID)

    @property
    def invalid_limit(self) -> int:
        """At how many invalid requests within their window nothing more is asked."""
        return self.limits.invalid_requests

    def invalid_count(self, now: float) -> int:
        """Tell how many invalid requests count at *now*."""
        return self._invalid.count(now)

    def refused(
        self, lane: str, retry_after: float, *, everywhere: bool, now: float, why: str = ""
    ) -> None:
        """Follow a 429: wait *retry_after* seconds, on this lane or, for *why*, on all."""
        until = now + retry_after + MARGIN
        if not everywhere:
            self._close(lane, until, now)
            return
        self.turns.close(until)
        self._stops.note(until, now, why)

    def stop(self, now: float) -> Stop | None:
        """Return what stops all requests for longer than a moment; None: nothing does."""
        return self._stops.under_way(now)

    def _close(self, lane: str, until: float, now: float) -> None:
        turns = self._turns(lane)
        say_lane(lane, until, turns.closed_until, now)
        turns.close(until)

    def quiet_in(self, now: float) -> float:
        """Tell in how many seconds Discord's windows have forgotten what was asked so far.

        Whoever speaks to Discord next does not know of it, and may be refused until then.
        """
        ends = [turns.quiet_at for lane, turns in self._lanes.items() if lane != OPENING]
        return max(0.0, max(ends, default=0.0) - now, self.turns.closed_until - now)

    @property
    def memory(self) -> float:
        """How many seconds Discord's windows last, but for the opening of direct messages."""
        limits = self.limits
        seconds = (limits.role_seconds, limits.message_seconds, limits.direct_message_seconds)
        return max(seconds)

    def forget_idle(self, now: float) -> None:
        """Drop the lanes that hold nothing up."""
        for lane in [lane for lane, turns in self._lanes.items() if turns.is_idle(now)]:
            del self._lanes[lane]

    def _turns(self, lane: str) -> Turns:
        if lane not in self._lanes:
            self._lanes[lane] = self._new_turns(lane)
        return self._lanes[lane]

    def _new_turns(self, lane: str) -> Turns:
        limits = self.limits
        match lane.partition(":")[0]:
            case "roles":
                return Turns(limits.role_changes, limits.role_seconds)
            case "channel":
                return Turns(limits.messages, limits.message_seconds)
            case "direct":
                return Turns(limits.direct_messages, limits.direct_message_seconds)
            case "opening":
                return Turns(limits.openings, limits.opening_seconds)
            case _:
                return Turns(limits.requests, limits.request_seconds)


@asynccontextmanager
async def _in_turn(turns: Turns) -> AsyncIterator[None]:
    async with turns.queue:
        while (wait := turns.ready_at(now := machine.monotonic()) - now) > 0:  # noqa: ASYNC110 - a clock is waited for
            await asyncio.sleep(wait)
        turns.begin()
    try:
        yield
    finally:
        turns.end(machine.monotonic())


def _with(lane: str) -> tuple[str, ...]:
    """Name the lanes in which an effect of *lane* takes a turn: who opens a channel writes."""
    return (OPENING, DIRECT) if lane == OPENING else (lane,)


def lane_of_roles(guild_id: str) -> str:
    """Name the lane of a server's role changes."""
    return f"roles:{guild_id}"


def lane_of_channel(channel_id: str | None) -> str:
    """Name the lane of a channel's messages; None: direct messages, all in one lane."""
    return DIRECT if channel_id is None else f"channel:{channel_id}"


def lane_of_reads(place_id: str) -> str:
    """Name the lane of what is read about a server or in a channel."""
    return f"reads:{place_id}"

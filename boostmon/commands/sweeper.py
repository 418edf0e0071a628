"""The sweeper: announces and ends what is due, as one more caller of `decide`."""

import asyncio
from collections.abc import Callable, Iterable

import structlog
from msgspec import Struct

from boostmon import machine
from boostmon.commands.decider import Sweep, decide
from boostmon.commands.handler import Origin, piece
from boostmon.database.clocks.clock import Clock
from boostmon.errors import UnknownEventError
from boostmon.events.append import Append, Appended, Failed
from boostmon.events.store import EventStore, History
from boostmon.events.timer import MINUTE, Running, TimerEvent, TimerId, WarningSent
from boostmon.projections.role_timers import DueTimer, RoleTimers

PAGE = 500
PAUSE_AFTER_TROUBLE = 1.0
GATHERS = 0.05  # seconds after a change; many come together
EARLIEST = -1 << 63
FIRST = (EARLIEST, 0)

log = structlog.get_logger()


class Swept(Struct, frozen=True):
    """What one pass did: how many timers were due, and how many of them were answered."""

    due: int
    answered: int


class SweepWatch:
    """Is told how the sweeps go; this one does nothing with it."""

    def swept(self, seconds: float) -> None:
        """Take note of a pass that has ended."""

    def sweep_failed(self) -> None:
        """Take note of a pass that has failed."""

    def recorded(self, event: TimerEvent, late: float) -> None:
        """Take note of an *event*, recorded *late* seconds after it was due (timer time)."""


UNWATCHED = SweepWatch()


class Sweeper:
    """Sends `Sweep` to the timers that are due; any number of processes may do so at once."""

    def __init__(
        self,
        *,
        store: EventStore,
        timers: RoleTimers,
        clock: Clock,
        interval: float,
        watch: SweepWatch = UNWATCHED,
        is_busy: Callable[[TimerId], bool] = lambda _: False,
    ) -> None:
        """Leave a timer that *is_busy* to a later pass: what was asked before comes first."""
        self._store = store
        self._timers = timers
        self._clock = clock
        self._watch = watch
        self._is_busy = is_busy
        self._woken = asyncio.Event()
        self._ended = machine.monotonic()
        self.interval = interval

    def wake(self) -> None:
        """Have the next pass come now: a timer has changed."""
        self._woken.set()

    @property
    def age(self) -> float:
        """How many seconds ago the last pass ended without failing, or the sweeper was made."""
        return machine.monotonic() - self._ended

    async def run(self) -> None:
        """Sweep until cancelled: every *interval* seconds, and when something is due earlier."""
        while True:
            self._woken.clear()
            if not self._clock.trusted:  # it may be hours ahead: nothing ends by it
                await asyncio.sleep(PAUSE_AFTER_TROUBLE)
                continue
            next_due_at = await self._pass()
            await self._clock.wait_until(next_due_at, at_most=self.interval, wake=self._woken)
            if self._woken.is_set():
                await asyncio.sleep(GATHERS)

    async def _pass(self) -> int | None:
        now, began, swept = self._clock.now(), machine.monotonic(), Swept(0, 0)
        try:
            next_due_at = await self._timers.next_due_at(EARLIEST)
            if next_due_at is not None and next_due_at <= now:
                swept = await self.sweep(now)
                next_due_at = await self._timers.next_due_at(now)
        except Exception:  # of a sweep that ends nobody would know
            log.exception("sweep failed")
            self._watch.sweep_failed()
            await asyncio.sleep(PAUSE_AFTER_TROUBLE)
            return None
        self._ended = machine.monotonic()
        self._watch.swept(self._ended - began)
        if swept.answered < swept.due:
            await asyncio.sleep(PAUSE_AFTER_TROUBLE)
        return next_due_at

    async def sweep(self, now: int) -> Swept:
        """Announce and end everything due by *now* (timer time); one append call a page."""
        due, answered, after = 0, 0, FIRST
        while page := await self._timers.due(now, after, PAGE):
            due += len(page)
            answered += await self._sweep_page(page, now)
            after = (page[-1].next_due_at, page[-1].number)
            if len(page) < PAGE:
                break
        return Swept(due, answered)

    async def _sweep_page(self, page: list[DueTimer], now: int) -> int:
        page = [due for due in page if not self._is_busy(due.timer)]
        timers = [due.timer for due in page]
        histories = [_by_log(history) for history in await self._store.read_many(timers)]
        appends = list(_appends(zip(page, histories, strict=True), now))
        outcomes = await self._store.append(*appends) if appends else []
        ends = dict(_ends(histories))
        for append, outcome in zip(appends, outcomes, strict=True):
            if isinstance(outcome, Failed):
                log.error("timer not swept", timer=append.timer, reason=str(outcome.error))
            elif isinstance(outcome, Appended):
                for event in append.events:
                    ahead = event.minutes if isinstance(event, WarningSent) else 0
                    due_at = ends[append.timer] - ahead * MINUTE
                    self._watch.recorded(event, (event.at - due_at) / 1000)
        return sum(isinstance(outcome, Appended) for outcome in outcomes)


def _by_log(history: History | UnknownEventError) -> History | UnknownEventError:
    """Name the server that the log names: the row may have been changed by hand."""
    if isinstance(history, UnknownEventError) or history.guild_id is None:
        return history
    timer = TimerId(history.guild_id, history.timer.user_id, history.timer.role_id)
    return History(timer, history.guild_id, history.recorded)


def _ends(histories: Iterable[History | UnknownEventError]) -> Iterable[tuple[TimerId, int]]:
    """Pair each timer that runs with its end."""
    for history in histories:
        if isinstance(history, History) and isinstance(history.state, Running):
            yield history.timer, history.state.expires_at


def _appends(
    page: Iterable[tuple[DueTimer, History | UnknownEventError]], now: int
) -> Iterable[Append]:
    for due, history in page:
        if isinstance(history, UnknownEventError):
            log.error("timer not swept", timer=due.timer, reason=str(history))
            continue
        events = decide(history.state, Sweep(now))
        if not events:
            if history.version == due.version:
                log.warning("row due, but not by the log; run `boostmon replay`", timer=due.timer)
            continue
        what = ",".join(type(event).__name__ for event in events)
        # By the newest event: the number and the version of the row may have been changed by hand.
        command_id = f"sweep:{history.recorded[-1].position}:{what}"
        yield piece(history, events, Origin(command_id=command_id, source="sweeper"))

"""The write side: read a history, decide, append; and again when somebody else was first."""

import asyncio
import random
from collections.abc import Awaitable, Callable
from contextlib import suppress
from weakref import WeakValueDictionary

from msgspec import Struct

from boostmon.commands.decider import Clear, TimerCommand, as_recorded, decide
from boostmon.database.clocks.clock import Clock
from boostmon.errors import (
    ConcurrencyError,
    RejectedError,
    TimerElsewhereError,
    UnknownEventError,
    UnreadableEventError,
)
from boostmon.events.append import Append, Appended, Conflict, Elsewhere, Failed, Repeated, Source
from boostmon.events.store import EventStore, History, RecordedEvent
from boostmon.events.timer import NoTimer, Timer, TimerEvent, TimerId, fold
from boostmon.projections.effects.kinds import effects_of
from boostmon.projections.role_timers import image

Again = Callable[[], Awaitable[TimerCommand]]

ATTEMPTS = 10
LONGEST_WAIT = 0.05


class Origin(Struct, frozen=True, kw_only=True):
    """Where a command comes from; *command_id* makes it count once, however often it is given."""

    command_id: str
    source: Source
    actor_id: str | None = None


class Handled(Struct, frozen=True):
    """What a command did: the timer *before*, its *events*, and the *position* of the last one.

    *position* is None when nothing had to be recorded.
    """

    timer: TimerId
    before: Timer
    events: tuple[TimerEvent, ...]
    position: int | None

    @property
    def after(self) -> Timer:
        """The timer as these events left it."""
        return fold(self.events, self.before)


def piece(history: History, events: list[TimerEvent], origin: Origin) -> Append:
    """Return *events* as the piece of history that follows *history*, with its row and effects."""
    return Append(
        timer=history.timer,
        expected_version=history.version,
        command_id=origin.command_id,
        actor_id=origin.actor_id,
        source=origin.source,
        events=events,
        row=image(fold(events, history.state)),
        effects=[effects_of(event, origin.source) for event in events],
    )


class Decision:
    """What a command does to a history, decided anew whenever it is sent to the log.

    The *events* are those that were sent last. What may not be done any more is sent as before:
    an earlier sending may have been recorded.
    """

    def __init__(
        self, history: History, command: Callable[[], TimerCommand], origin: Origin
    ) -> None:
        """Decide for the first time; raise `RejectedError` if the command may not be done."""
        self._history = history
        self._command = command
        self._origin = origin
        self.events = decide(history.state, command())

    def __call__(self) -> Append:
        """Decide again, and return the piece of history."""
        with suppress(RejectedError):
            self.events = decide(self._history.state, self._command())
        return piece(self._history, self.events, self._origin)


class CommandHandler:
    """Carries out commands on timers; within a process no two at a time on the same timer."""

    def __init__(self, store: EventStore, clock: Clock | None = None) -> None:
        """Have countdowns begin by *clock* when they are recorded; without one, when asked for."""
        self._store = store
        self._clock = clock
        self._locks: WeakValueDictionary[TimerId, asyncio.Lock] = WeakValueDictionary()
        self.retries = 0

    def is_busy(self, timer: TimerId) -> bool:
        """Tell whether a command on *timer* waits for the database."""
        lock = self._locks.get(timer)
        return lock is not None and lock.locked()

    async def handle(
        self,
        timer: TimerId,
        command: TimerCommand,
        origin: Origin,
        *,
        at_version: int | None = None,
        again: Again | None = None,
    ) -> Handled:
        """Carry out *command* once and return what it did; raise `RejectedError` if it may not be.

        *again* is asked for the command once its history is read, which may take long, and raises
        `RejectedError` if it may not be done any more.
        With *at_version* it is for the timer as it stood then, and does nothing to a later one.
        Raise `ConcurrencyError` when other processes were first ten times, and
        `DatabaseUnavailableError` when the database stays away: then the outcome is open, and the
        same call with the same *origin* settles it.
        """
        lock = self._locks.setdefault(timer, asyncio.Lock())
        async with lock:
            for attempt in range(ATTEMPTS):
                handled = await self._attempt(timer, command, origin, at_version, again)
                if handled is not None:
                    return handled
                self.retries += 1
                await asyncio.sleep(random.uniform(0, LONGEST_WAIT * (attempt + 1)))  # noqa: S311 - jitter
        raise ConcurrencyError

    async def recorded(self, command_id: str) -> Handled | None:
        """Return what a command did, on whatever timer; None: it is not recorded."""
        timer = await self._store.timer_of_command(command_id)
        if timer is None:
            return None
        history = await self._store.read(timer)
        return _done_before(history, history.of_command(command_id))

    async def _attempt(
        self,
        timer: TimerId,
        command: TimerCommand,
        origin: Origin,
        at_version: int | None,
        again: Again | None,
    ) -> Handled | None:
        history = await self._read(timer, command)
        is_elsewhere = history.guild_id not in (None, timer.guild_id)
        if is_elsewhere and not _may_move(history, origin):
            raise _elsewhere(history, origin)
        if recorded := history.of_command(origin.command_id):
            return _done_before(history, recorded)
        if at_version not in (None, history.version):
            return Handled(timer, history.state, (), None)
        if again is not None:
            command = await again()
        decision = Decision(history, lambda: self._now(command), origin)
        if not decision.events:
            return Handled(timer, history.state, (), None)
        if is_elsewhere:
            outcome = await self._store.append_moving(decision)
        else:
            (outcome,) = await self._store.append(decision)
        match outcome:
            case Appended(position=position):
                return Handled(timer, history.state, tuple(decision.events), position)
            case Repeated(timer=first):
                history = await self._store.read(first)
                return _done_before(history, history.of_command(origin.command_id))
            case Elsewhere():
                raise TimerElsewhereError
            case Failed(error=error):
                raise error
            case Conflict():
                return None

    async def _read(self, timer: TimerId, command: TimerCommand) -> History:
        """Read a history; one that cannot be read whole is enough to end the timer.

        What a newer version wrote is ended for who is erased only.
        """
        try:
            return await self._store.read(timer)
        except UnknownEventError as error:
            makes_no_sense = isinstance(error, UnreadableEventError)
            if not isinstance(command, Clear) or not (makes_no_sense or command.reason == "erased"):
                raise
            return await self._store.read_in_part(timer)

    def _now(self, command: TimerCommand) -> TimerCommand:
        return command if self._clock is None else as_recorded(command, self._clock.now())


def _may_move(history: History, origin: Origin) -> bool:
    """Tell whether a stream of another server may be moved to that of a command.

    A role has one server. Where somebody named it in a slash command Discord has shown that it is
    that one: only such a command does anything where there is no timer.
    """
    return origin.source == "slash" and isinstance(history.state, NoTimer)


def _elsewhere(history: History, origin: Origin) -> TimerElsewhereError:
    if origin.source != "slash":
        return TimerElsewhereError()
    return TimerElsewhereError(
        f"That role has a timer of this member in another server ({history.guild_id}), as a wrong "
        "import leaves it; end it there with `/cleartime`, or let whoever runs BoostMon give that "
        "server up with `boostmon forget-server`."
    )


def _done_before(history: History, recorded: tuple[RecordedEvent, ...]) -> Handled:
    return Handled(
        history.timer,
        history.before(recorded[0].version).state,
        tuple(entry.event for entry in recorded),
        recorded[-1].position,
    )

"""The event store: reads and appends streams of the log."""

import time
from collections.abc import Callable, Sequence
from functools import cached_property

import asyncpg
from asyncpg import Connection, Record
from msgspec import Struct

from boostmon.database.connections.pool import Database
from boostmon.errors import UnknownEventError
from boostmon.events.append import Append, Appended, Failed, Outcome, call_for, check, outcome_of
from boostmon.events.batching import Batching
from boostmon.events.document import Reading
from boostmon.events.sql import statement
from boostmon.events.timer import OnHold, Timer, TimerEvent, TimerId, fold

MOST = 64  # pieces of several callers that are sent together

Draft = Callable[[], Append]
Observer = Callable[[float, Sequence[Outcome]], None]


class RecordedEvent(Struct, frozen=True):
    """An event as it stands in the log; *version* is its place in the stream."""

    event: TimerEvent
    version: int
    position: int
    command_id: str


class History(Struct, frozen=True, dict=True):
    """All of one stream, oldest first; *guild_id* is None when the stream does not exist."""

    timer: TimerId
    guild_id: str | None
    recorded: tuple[RecordedEvent, ...] = ()

    @property
    def version(self) -> int:
        """The version to expect when appending; 0 for a stream without events."""
        return self.recorded[-1].version if self.recorded else 0

    @cached_property
    def state(self) -> Timer:
        """The timer as its events left it."""
        return fold(entry.event for entry in self.recorded)

    def before(self, version: int) -> "History":
        """Return the same stream as it stood before *version*."""
        earlier = tuple(entry for entry in self.recorded if entry.version < version)
        return History(self.timer, self.guild_id, earlier)

    def of_command(self, command_id: str) -> tuple[RecordedEvent, ...]:
        """Return the events that the command *command_id* caused."""
        return tuple(entry for entry in self.recorded if entry.command_id == command_id)


class PartOfHistory(History, frozen=True, kw_only=True):
    """What can be read of a stream: how the timer stands is not known, but that there may be one.

    *newest* is the version of its newest event.
    """

    newest: int

    @property
    def version(self) -> int:
        """The version to expect when appending."""
        return self.newest

    @cached_property
    def state(self) -> Timer:
        """A timer of which nothing is left."""
        return OnHold(since=0, at=0, paused_at=0, remaining_ms=0)


class EventStore:
    """Reads and appends streams; every method may be repeated without harm.

    Calls made while another is in flight go to the database together, in one commit.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._subscribers: list[Callable[[], None]] = []
        self._observers: list[Observer] = []
        self._reading = Batching(self._read, most=MOST)
        self._appending = Batching(self._append, most=MOST)

    @property
    def repeats(self) -> int:
        """How often a call was sent again, since nobody knew whether it had taken effect."""
        return self._database.repeats

    def subscribe(self, appended: Callable[[], None]) -> None:
        """Call *appended* whenever this store has recorded something."""
        self._subscribers.append(appended)

    def observe(self, observer: Observer) -> None:
        """Tell *observer* of each append how many seconds it took, and its outcomes."""
        self._observers.append(observer)

    async def read(self, timer: TimerId) -> History:
        """Return all events of *timer*, or raise `UnknownEventError`."""
        (history,) = await self.read_many([timer])
        if isinstance(history, UnknownEventError):
            raise history
        return history

    async def read_in_part(self, timer: TimerId) -> History:
        """Return the events of *timer* that can be read."""
        rows = await self._database.fetch(statement("read"), [timer.user_id], [timer.role_id])
        recorded, error = _recorded_in(rows)
        if error is None:
            return _history(timer, rows, recorded)
        guild_id, newest = rows[0]["guild_id"], rows[-1]["version"]
        return PartOfHistory(timer, guild_id, recorded, newest=newest)

    async def read_many(self, timers: Sequence[TimerId]) -> list[History | UnknownEventError]:
        """Return the histories of *timers* in their order; one unreadable harms no other."""
        return await self._reading.ask(timers)

    async def known(self, command_ids: Sequence[str]) -> set[str]:
        """Return those of *command_ids* that are recorded, for whatever timer."""
        rows = await self._database.fetch(statement("commands_known"), command_ids)
        return {row["command_id"] for row in rows}

    async def timer_of_command(self, command_id: str) -> TimerId | None:
        """Return the timer on which a command is recorded; None: it is not."""
        rows = await self._database.fetch(statement("timer_of_command"), command_id)
        return next((TimerId(r["guild_id"], r["user_id"], r["role_id"]) for r in rows), None)

    async def append(self, *appends: Append | Draft) -> list[Outcome]:
        """Record each of *appends*, all or nothing, in one commit; answer in their order.

        A draft is made into a piece anew whenever it is sent: until the database answers, time
        passes.

        A conflict or a repeated command is an outcome and harms no neighbour. When the call fails
        for another reason than a lost connection, its pieces are sent again in parts, so that only
        the bad one is `Failed`. Raise `DatabaseUnavailableError` when the database stays away.
        """
        for append in appends:
            check(_piece(append))
        began = time.perf_counter()
        outcomes = await self._appending.ask(appends)
        for observer in self._observers:
            observer(time.perf_counter() - began, outcomes)
        return outcomes

    async def append_moving(self, draft: Draft) -> Outcome:
        """Record a piece of a stream that has ended in another server, and move the stream there.

        All or nothing: where it is not recorded, nothing is moved. A timer that has not ended is
        never moved.
        """
        check(draft())
        began = time.perf_counter()
        try:
            outcome = await self._database.run(lambda at: _append_moving(at, draft()))
        except (asyncpg.PostgresError, asyncpg.InterfaceError) as error:
            outcome = Failed(error)
        if isinstance(outcome, Appended):
            for appended in self._subscribers:
                appended()
        for observer in self._observers:
            observer(time.perf_counter() - began, [outcome])
        return outcome

    async def _read(self, timers: Sequence[TimerId]) -> list[History | UnknownEventError]:
        users = [timer.user_id for timer in timers]
        roles = [timer.role_id for timer in timers]

        found: dict[int, list[Record]] = {}
        for row in await self._database.fetch(statement("read"), users, roles):
            found.setdefault(row["number"], []).append(row)
        return [_read(timer, found.get(i, ())) for i, timer in enumerate(timers, start=1)]

    async def _append(self, appends: Sequence[Append | Draft]) -> list[Outcome]:
        try:
            outcomes = await self._call(appends)
        except (asyncpg.PostgresError, asyncpg.InterfaceError) as error:
            if len(appends) == 1:
                return [Failed(error)]
            middle = len(appends) // 2
            return [*await self._append(appends[:middle]), *await self._append(appends[middle:])]
        if any(isinstance(outcome, Appended) for outcome in outcomes):
            for appended in self._subscribers:
                appended()
        return outcomes

    async def _call(self, appends: Sequence[Append | Draft]) -> list[Outcome]:
        rows = await self._database.ask(lambda: call_for([_piece(each) for each in appends]))
        return [outcome_of(row) for row in rows]


class _NotRecordedError(Exception):
    """Undoes the move of a stream, since nothing was recorded: see *outcome*."""

    def __init__(self, outcome: Outcome) -> None:
        super().__init__()
        self.outcome = outcome


async def _append_moving(connection: Connection, piece: Append) -> Outcome:
    query, arguments = call_for([piece])
    timer = piece.timer
    place = (timer.guild_id, timer.user_id, timer.role_id, piece.expected_version)
    try:
        async with connection.transaction(isolation="read_committed"):
            await connection.execute(statement("move_stream"), *place)
            (row,) = await connection.fetch(query, *arguments)
            return _recorded(outcome_of(row))
    except _NotRecordedError as undone:
        return undone.outcome


def _recorded(outcome: Outcome) -> Outcome:
    if not isinstance(outcome, Appended):
        raise _NotRecordedError(outcome)
    return outcome


def _piece(append: Append | Draft) -> Append:
    return append if isinstance(append, Append) else append()


def _read(timer: TimerId, rows: Sequence[Record]) -> History | UnknownEventError:
    recorded, error = _recorded_in(rows)
    return error or _history(timer, rows, recorded)


def _history(
    timer: TimerId, rows: Sequence[Record], recorded: tuple[RecordedEvent, ...]
) -> History:
    return History(timer, rows[0]["guild_id"] if rows else None, recorded)


def _recorded_in(
    rows: Sequence[Record],
) -> tuple[tuple[RecordedEvent, ...], UnknownEventError | None]:
    """Return the events that can be read, and why nobody knows how the timer stands."""
    reading, recorded = Reading(), list[RecordedEvent]()
    for row in rows:
        event = reading.take(row["data"])
        if not isinstance(event, UnknownEventError):
            place = (row["version"], row["position"], row["command_id"])
            recorded.append(RecordedEvent(event, *place))
    return tuple(recorded), reading.error

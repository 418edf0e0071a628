"""The event store: reads and appends streams of the log."""

from collections.abc import Callable, Hashable, Sequence
from typing import Literal

import asyncpg
import msgspec
from asyncpg import Connection, Record
from msgspec import Struct

from boostmon.database.pool import Database
from boostmon.errors import UnknownEventError
from boostmon.events.batching import Batching
from boostmon.events.sql import statement
from boostmon.events.timer import Timer, TimerEvent, TimerId, fold, is_snowflake

Source = Literal["slash", "sweeper", "discord", "import", "cli"]

MOST = 64  # pieces of several callers that are sent together

_decoder: msgspec.json.Decoder[TimerEvent] = msgspec.json.Decoder(TimerEvent)
_encoder = msgspec.json.Encoder()


class RecordedEvent(Struct, frozen=True):
    """An event as it stands in the log; *version* is its place in the stream."""

    event: TimerEvent
    version: int
    position: int
    command_id: str


class History(Struct, frozen=True):
    """All of one stream, oldest first; *guild_id* is None when the stream does not exist."""

    timer: TimerId
    guild_id: str | None
    recorded: tuple[RecordedEvent, ...] = ()

    @property
    def version(self) -> int:
        """The version to expect when appending; 0 for a stream without events."""
        return self.recorded[-1].version if self.recorded else 0

    @property
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


class Append(Struct, frozen=True, kw_only=True):
    """One piece of history to record, all or nothing.

    *row* is the row of `role_timers` after the events, as JSON, or None for no row. *effects* has,
    for each event, the kinds of effects that it causes.
    """

    timer: TimerId
    expected_version: int
    command_id: str
    actor_id: str | None
    source: Source
    events: Sequence[TimerEvent]
    row: str | None
    effects: Sequence[Sequence[str]]


class Appended(Struct, frozen=True):
    """Recorded; *version* and *position* are those of its last event."""

    version: int
    position: int


class Conflict(Struct, frozen=True):
    """Not recorded: the stream has moved on, to *version*."""

    version: int


class Repeated(Struct, frozen=True):
    """Not recorded again: that command was recorded before, for *timer*."""

    timer: TimerId


class Elsewhere(Struct, frozen=True):
    """Not recorded: the role belongs to the server *guild_id*."""

    guild_id: str


class Failed(Struct, frozen=True):
    """Not recorded: PostgreSQL refused it with *error*."""

    error: Exception


Outcome = Appended | Conflict | Repeated | Elsewhere | Failed


def encode(event: TimerEvent) -> str:
    """Return the document that the log keeps of *event*."""
    return _encoder.encode(event).decode()


def decode(document: str | bytes) -> TimerEvent:
    """Return the event in *document*, or raise `UnknownEventError`."""
    try:
        return _decoder.decode(document)
    except msgspec.ValidationError as error:
        raise UnknownEventError from error


class EventStore:
    """Reads and appends streams; every method may be repeated without harm.

    Calls made while another is in flight go to the database together, in one commit.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._subscribers: list[Callable[[], None]] = []
        self._reading = Batching(self._read, most=MOST)
        self._appending = Batching(self._append, most=MOST)

    def subscribe(self, appended: Callable[[], None]) -> None:
        """Call *appended* whenever this store has recorded something."""
        self._subscribers.append(appended)

    async def read(self, timer: TimerId) -> History:
        """Return all events of *timer*, or raise `UnknownEventError`."""
        (history,) = await self.read_many([timer])
        if isinstance(history, UnknownEventError):
            raise history
        return history

    async def read_many(self, timers: Sequence[TimerId]) -> list[History | UnknownEventError]:
        """Return the histories of *timers* in their order; one unreadable harms no other."""
        return await self._reading.ask(timers)

    async def append(self, *appends: Append) -> list[Outcome]:
        """Record each of *appends*, all or nothing, in one commit; answer in their order.

        A conflict or a repeated command is an outcome and harms no neighbour. When the call fails
        for another reason than a lost connection, its pieces are sent again in parts, so that only
        the bad one is `Failed`. Raise `DatabaseUnavailableError` when the database stays away.
        """
        for append in appends:
            _check(append)
        return await self._appending.ask(appends)

    async def _read(self, timers: Sequence[TimerId]) -> list[History | UnknownEventError]:
        users = [timer.user_id for timer in timers]
        roles = [timer.role_id for timer in timers]

        async def fetch(connection: Connection) -> list[Record]:
            return list(await connection.fetch(statement("read"), users, roles))

        found: dict[int, list[Record]] = {}
        for row in await self._database.run(fetch):
            found.setdefault(row["number"], []).append(row)
        return [_history(timer, found.get(i, ())) for i, timer in enumerate(timers, start=1)]

    async def _append(self, appends: Sequence[Append]) -> list[Outcome]:
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

    async def _call(self, appends: Sequence[Append]) -> list[Outcome]:
        arguments = _arguments(appends)

        async def call(connection: Connection) -> list[Record]:
            return list(await connection.fetch(statement("append_events"), *arguments))

        return [_outcome(row) for row in await self._database.run(call)]


def _arguments(appends: Sequence[Append]) -> tuple[Sequence[object], ...]:
    return (
        [a.timer.guild_id for a in appends],
        [a.timer.user_id for a in appends],
        [a.timer.role_id for a in appends],
        [a.expected_version for a in appends],
        [a.command_id for a in appends],
        [a.actor_id for a in appends],
        [a.source for a in appends],
        [a.row for a in appends],
        [len(a.events) for a in appends],
        [encode(event) for a in appends for event in a.events],
        [",".join(kinds) for a in appends for kinds in a.effects],
        _earlier([a.timer for a in appends]),
        _earlier([a.command_id for a in appends]),
    )


def _earlier(keys: Sequence[Hashable]) -> list[int]:
    """Return, for each of *keys*, the number (from 1) of the one before that is equal, else 0."""
    last: dict[Hashable, int] = {}
    earlier = []
    for number, key in enumerate(keys, start=1):
        earlier.append(last.get(key, 0))
        last[key] = number
    return earlier


def _outcome(row: Record) -> Outcome:
    match row["outcome"]:
        case "appended":
            return Appended(row["version"], row["position"])
        case "conflict":
            return Conflict(row["version"])
        case "repeated":
            return Repeated(TimerId(row["guild_id"], row["user_id"], row["role_id"]))
        case "elsewhere":
            return Elsewhere(row["guild_id"])
        case unknown:
            raise ValueError(unknown)


def _history(timer: TimerId, rows: Sequence[Record]) -> History | UnknownEventError:
    try:
        recorded = tuple(
            RecordedEvent(decode(row["data"]), row["version"], row["position"], row["command_id"])
            for row in rows
        )
    except UnknownEventError as error:
        return error
    return History(timer, rows[0]["guild_id"] if rows else None, recorded)


def _check(append: Append) -> None:
    """Refuse what PostgreSQL would refuse for the whole batch, or misread later."""
    timer = append.timer
    for snowflake in (timer.guild_id, timer.user_id, timer.role_id, append.actor_id):
        if snowflake is not None and not is_snowflake(snowflake):
            raise ValueError(f"{snowflake!r} is no snowflake")
    if not append.events or len(append.events) != len(append.effects):
        raise ValueError("an append needs events, and the effects of each")
    if "\0" in append.command_id:
        raise ValueError("a command id holds no NUL")

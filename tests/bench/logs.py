"""A log of any size, the same for each seed: valid events, right hashes, the rows that follow."""

import random
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta

import msgspec
from asyncpg import Connection
from msgspec import Struct

from boostmon.commands.decider import (
    AddTime,
    Clear,
    Pause,
    RemoveTime,
    Resume,
    SetTime,
    Sweep,
    TimerCommand,
    decide,
)
from boostmon.errors import RejectedError
from boostmon.events.chain import Seal, event_hash, hashed_texts, microseconds, stream_name
from boostmon.events.document import encode
from boostmon.events.timer import HOUR, MINUTE, Timer, TimerEvent, fold
from boostmon.projections.role_timers import image

BEGIN = 1_800_000_000_000
KINDS = 500  # different histories; each timer has one of them
SERVERS = 20
MODERATORS = 40
PACE = timedelta(milliseconds=10)
M = (60, 10, 1)
NOON = datetime(2027, 1, 15, 12, tzinfo=UTC)
EPOCH = datetime(1970, 1, 1)  # noqa: DTZ001 - role_timers holds UTC without saying so
TABLES = {
    "people": ("user_id",),
    "streams": ("stream_id", "guild_id", "person_id", "role_id"),
    "events": (
        *("position", "stream_id", "version", "data", "actor", "source", "command_id", "ordinal"),
        *("recorded_at", "hash"),
    ),
    "role_timers": (
        *("id", "user_id", "role_id", "expires_at", "warn_channel_id", "paused", "paused_at"),
        *("paused_remaining_ms", "warnings_sent", "created_at", "updated_at", "guild_id"),
        *("version", "next_due_at"),
    ),
}


class Caused(Struct, frozen=True):
    """What one command caused, as the log keeps it, and whether a person gave it."""

    documents: list[str]
    by_person: bool


class Past(Struct, frozen=True):
    """What may have happened to a timer in *length* events, and what it left."""

    commands: list[Caused]
    timer: Timer
    length: int


async def fill(connection: Connection, *, events: int, timers: int, seed: int = 1) -> None:
    """Write a log of *events* over *timers* and its rows into empty tables, as their owner.

    Discord is owed nothing. *events* is a multiple of *timers*.
    """
    choose = random.Random(seed)  # noqa: S311 - to be the same each time
    pasts = [_past(choose, events // timers) for _ in range(KINDS)]
    chosen = [choose.choice(pasts) for _ in range(timers)]
    async with connection.transaction():
        await _copy(connection, "people", ((_user(n),) for n in range(1, timers + 1)))
        await _copy(connection, "streams", (_stream(n) for n in range(1, timers + 1)))
        await connection.execute("SELECT setval('role_timers_id_seq', $1)", timers)
        await _copy(connection, "events", _events(choose, chosen))
        await _copy(connection, "role_timers", _rows(chosen))
    await connection.execute("VACUUM ANALYZE people, streams, events, role_timers")


async def _copy(connection: Connection, table: str, rows: Iterable[tuple[object, ...]]) -> None:
    await connection.copy_records_to_table(table, columns=TABLES[table], records=rows)


def _user(number: int) -> str:
    return str(1_200_000_000_000_000_000 + number)


def _stream(number: int) -> tuple[int, str, int, str]:
    server = number % SERVERS
    return number, str(1_100_000_000_000_000_000 + server), number, str(server + 10**18)


def _past(choose: random.Random, length: int) -> Past:
    """Let things happen to a timer until there are *length* events."""
    now, commands, events = BEGIN, list[Caused](), list[TimerEvent]()
    while len(events) < length:
        now += choose.randrange(1, 40 * MINUTE)
        command = _command(choose, now)
        try:
            caused = decide(fold(events), command)
        except RejectedError:
            continue
        if caused and len(events) + len(caused) <= length:
            by_person = not isinstance(command, Sweep)
            commands.append(Caused([encode(event) for event in caused], by_person))
            events += caused
    return Past(commands, fold(events), length)


def _command(choose: random.Random, now: int) -> TimerCommand:
    amount = choose.randrange(1, 600) * MINUTE
    channel = choose.choice((None, str(10**18 + choose.randrange(50))))
    return choose.choices(
        (
            SetTime(now, amount + HOUR, M, channel),
            AddTime(now, amount, M),
            RemoveTime(now, amount // 4, M),
            Pause(now),
            Resume(now, M),
            Clear(now),
            Sweep(now),
        ),
        weights=(3, 4, 2, 2, 2, 1, 6),
    )[0]


def _events(choose: random.Random, chosen: list[Past]) -> Iterator[tuple[object, ...]]:
    """Yield the rows of `events`: the commands of all timers, shuffled."""
    turns = [n for n, past in enumerate(chosen, start=1) for _ in past.commands]
    choose.shuffle(turns)
    reached = [(0, 0)] * (len(chosen) + 1)  # of each stream: commands, version
    position, previous = 0, b""
    for turn, stream in enumerate(turns):
        command, version = reached[stream]
        caused = chosen[stream - 1].commands[command]
        source, actor = (
            ("slash", 1 + turn % min(MODERATORS, len(chosen)))
            if caused.by_person
            else ("sweeper", None)
        )
        command_id = str(1_300_000_000_000_000_000 + turn)
        for ordinal, data in enumerate(caused.documents):
            position, version = position + 1, version + 1
            recorded = NOON + position * PACE
            numbers = (position, stream, version, ordinal, microseconds(recorded))
            texts = hashed_texts((data, None if actor is None else str(actor), source, command_id))
            _, _, person, role = _stream(stream)
            named = Seal().digest + stream_name(person, role) if version == 1 else b""
            previous = event_hash(previous, numbers, texts, named)
            yield (
                *(position, stream, version, data, actor, source, command_id, ordinal),
                *(recorded, previous),
            )
        reached[stream] = (command + 1, version)


def _rows(chosen: list[Past]) -> Iterator[tuple[object, ...]]:
    for number, past in enumerate(chosen, start=1):
        row = image(past.timer)
        if row is None:
            continue
        _, server, _, role = _stream(number)
        sent = msgspec.json.encode(row.warnings_sent).decode()
        created, updated = (
            EPOCH + timedelta(milliseconds=ms) for ms in (row.created_at, row.updated_at)
        )
        yield (
            *(number, _user(number), role, row.expires_at, row.warn_channel_id, row.paused),
            *(row.paused_at, row.paused_remaining_ms, sent, created, updated, server),
            *(past.length, row.next_due_at),
        )

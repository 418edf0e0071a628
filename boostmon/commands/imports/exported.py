"""Our own export: judged whole, then written into an empty log with all that it was."""

from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from pathlib import Path

import asyncpg
import msgspec
from asyncpg import Connection
from msgspec import Struct

from boostmon.commands.imports.export_judge import Judge, Stream
from boostmon.errors import DatabaseUnavailableError, ImportRefusedError
from boostmon.events.chain import Seal
from boostmon.events.export import read_line
from boostmon.events.sql import statement
from boostmon.projections.role_timers import image
from boostmon.projections.sql import statement as projection_statement

BATCH = 1_000
LONGEST_LINE = 1 << 20  # bytes; an event has about 500
PATIENCE = "SET LOCAL lock_timeout = '10s'"  # for who was cut off, and may still be at work
REFUSED = (asyncpg.IntegrityConstraintViolationError, asyncpg.DataError)
MARKS = {"position", "hash", "stream"}
PEOPLE = ("person_id", "user_id")
STREAMS = ("stream_id", "guild_id", "person_id", "role_id")
EVENTS = (
    *("position", "stream_id", "version", "data", "actor", "source", "command_id", "ordinal"),
    *("recorded_at", "hash"),
)

Progress = Callable[[int], None]


class ExportFile(Struct, frozen=True, kw_only=True):
    """An export that was judged whole, called *name*; *timers* of its streams have not ended.

    *head* is what the log will have: that of the export, unless it is *sealed_anew*.
    """

    path: Path
    name: str
    events: int
    timers: int
    head: str
    sealed_anew: bool
    seal: Seal
    people: dict[int, str]
    streams: dict[int, Stream]


def is_export(path: Path) -> bool:
    """Tell by its first line whether the file at *path* is an export of ours."""
    try:
        with path.open("rb") as file:
            return is_line(file.readline(LONGEST_LINE))
    except (OSError, ValueError):  # whoever reads it whole says what is wrong
        return False


def is_line(line: bytes) -> bool:
    """Tell whether *line* is one of an export of ours."""
    try:
        first = msgspec.json.decode(line)
    except RecursionError:
        return line.startswith(b'{"position":')
    except ValueError:
        return False
    return isinstance(first, dict) and first.keys() >= MARKS


def judge_export(
    path: Path, progress: Progress | None = None, *, name: str | None = None
) -> ExportFile:
    """Judge the export at *path* whole, or raise `ImportRefusedError` with the line.

    *progress* is told how many lines were judged; *name* is what sentences call the file.
    """
    judge, number, name = Judge(), 0, name or str(path)
    for number, line in _lines(path):
        try:
            judge.take(line)
        except ImportRefusedError as error:
            raise _refusal(name, number, str(error)) from error
        if progress and number % BATCH == 0:
            progress(number)
    return ExportFile(
        path=path,
        name=name,
        events=number,
        timers=sum(image(stream.timer) is not None for stream in judge.streams.values()),
        head=judge.head,
        sealed_anew=judge.is_misread,
        seal=judge.seal,
        people=judge.people,
        streams=judge.streams,
    )


async def restore(
    connection: Connection, file: ExportFile, progress: Progress | None = None
) -> None:
    """Write *file*, which was judged, into the empty log; all or nothing, and no effects.

    Takes the connection of the owner of the tables. Raise `ImportRefusedError` when the log is not
    empty, or the file is not any more what was judged. *progress* is told how many events are
    written.
    """
    try:
        async with connection.transaction(isolation="read_committed"):  # sees what it waited for
            await connection.execute("SELECT lock_log()")
            await _refuse_used(connection)
            await _write(connection, file, progress)
    except REFUSED as error:
        reason = str(error).partition("\n")[0]
        raise ImportRefusedError(
            f"{file.name}: PostgreSQL refuses it ({reason}); nothing was written."
        ) from error
    await connection.execute("ANALYZE people, streams, events, role_timers")


async def has_arrived(connection: Connection, file: ExportFile) -> bool:
    """Tell whether *file* was written into the log of *connection*, when nobody writes there.

    Raise `DatabaseUnavailableError` while somebody does.
    """
    async with connection.transaction(isolation="read_committed"):
        await connection.execute(PATIENCE)
        try:
            await connection.execute("SELECT lock_log()")
        except asyncpg.LockNotAvailableError as error:
            raise DatabaseUnavailableError from error
        digest = await connection.fetchval(statement("hash_at"), file.events)
    return digest is not None and f"{file.events}:{digest.hex()}" == file.head


async def refuse_used_log(connection: Connection) -> None:
    """Raise `ImportRefusedError` unless *connection*'s log is empty or not even made."""
    if await connection.fetchval("SELECT to_regclass('events') IS NOT NULL"):
        await _refuse_used(connection)


async def _refuse_used(connection: Connection) -> None:
    if not await connection.fetchval(statement("is_empty")):
        raise ImportRefusedError(
            "An export can be imported into an empty log only, and this one holds events; point "
            "DATABASE_URL at a new database. Nothing was written."
        )


async def _write(connection: Connection, file: ExportFile, progress: Progress | None) -> None:
    await connection.execute(statement("set_seal"), file.seal.position, file.seal.digest)
    people = list(file.people.items())
    await connection.copy_records_to_table("people", records=people, columns=PEOPLE)
    streams = [(n, s.guild_id, s.person, s.role_id) for n, s in file.streams.items()]
    await connection.copy_records_to_table("streams", records=streams, columns=STREAMS)
    events = _events(file, progress)
    await connection.copy_records_to_table("events", records=events, columns=EVENTS)
    for document in _rows(file.streams):
        await connection.execute(projection_statement("write_rows"), document)
    await connection.execute(statement("continue_numbers"))
    await connection.execute("SELECT pg_notify('boostmon_log', $1)", str(file.events))


def _events(file: ExportFile, progress: Progress | None) -> Iterator[tuple[object, ...]]:
    """Read the file again, as it was judged."""
    previous, number = b"", 0
    for number, line in _lines(file.path):
        event = read_line(line)
        digest = event.hash_behind(previous, file.seal)
        yield (
            event.position,
            event.stream,
            event.version,
            event.document,
            event.actor,
            event.source,
            event.command_id,
            event.ordinal,
            event.recorded_at,
            digest,
        )
        previous = digest
        if progress and number % BATCH == 0:
            progress(number)
    if f"{number}:{previous.hex()}" != file.head:
        raise ImportRefusedError(f"{file.name} was changed meanwhile; nothing was written.")


def _rows(streams: dict[int, Stream]) -> Iterator[str]:
    """Return the rows of the read model in batches, as JSON."""
    rows = (
        {"id": number, "version": stream.version} | msgspec.structs.asdict(row)
        for number, stream in streams.items()
        if (row := image(stream.timer)) is not None
    )
    while batch := list(islice(rows, BATCH)):
        yield msgspec.json.encode(batch).decode()


def _lines(path: Path) -> Iterable[tuple[int, bytes]]:
    try:
        with path.open("rb") as file:
            yield from enumerate(iter(lambda: file.readline(LONGEST_LINE), b""), start=1)
    except OSError as error:
        raise ImportRefusedError(f"{path}: {error.strerror}; nothing was written.") from error


def _refusal(name: str, number: int, why: str) -> ImportRefusedError:
    return ImportRefusedError(f"{name}, line {number}: {why}; nothing was written.")

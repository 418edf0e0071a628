"""`append_event` and `append_batch` as one Python function over the tables in memory."""

from collections.abc import Iterator, Sequence
from typing import Any

import msgspec
from msgspec import Struct

from boostmon.events.chain import Seal, event_hash, hashed_texts, stream_name
from tests.simulation.tables import Effect, Event, Row, Stream, Tables

SEAL = Seal()  # of an empty log
AHEAD_OF_2000 = 946_684_800  # seconds from 1970 to the epoch of PostgreSQL


class Document(Struct):
    """What the statements read out of an event's document."""

    type: str
    warn_channel_id: str | None = None


class Piece(Struct):
    """One piece of history, as the arguments have it."""

    timer: tuple[str, str, str]
    expected_version: int
    command_id: str
    actor_id: str | None
    source: str
    documents: Sequence[str]
    kinds: Sequence[Sequence[str]]
    row: Sequence[Any]


_decoder = msgspec.json.Decoder(Document)


def append_event(tables: Tables, *given: Any) -> list[dict[str, Any]]:
    """Append one event."""
    guild, user, role, version, command, actor, source, document, kinds = given[:9]
    timer = (guild, user, role)
    piece = Piece(timer, version, command, actor, source, [document], [kinds], given[9:17])
    return _append(tables, [piece])


def move_stream(
    tables: Tables, guild_id: str, user_id: str, role_id: str, version: int
) -> list[dict[str, Any]]:
    """Let a stream whose timer has ended belong to another server."""
    stream = tables.streams.get((user_id, role_id))
    moved = (
        stream is not None
        and stream.guild_id != guild_id
        and len(stream.events) == version
        and stream.events[-1].type in ("Expired", "Cleared")
        and stream.number not in tables.rows
    )
    if moved and stream is not None:
        stream.guild_id = guild_id
    return [{"move_stream": moved}]


def append_batch(tables: Tables, *given: Any) -> list[dict[str, Any]]:
    """Append many pieces, one after the other."""
    return _append(tables, list(_pieces(given)))


def _pieces(given: Sequence[Any]) -> Iterator[Piece]:
    guilds, users, roles, versions, commands, actors, sources, counts, documents = given[:9]
    kinds: list[list[str]] = [[] for _ in documents]
    for event, kind in zip(given[9], given[10], strict=True):
        kinds[event - 1].append(kind)
    first = 0
    for i, count in enumerate(counts):
        last = first + count
        yield Piece(
            (guilds[i], users[i], roles[i]),
            versions[i],
            commands[i],
            actors[i],
            sources[i],
            documents[first:last],
            kinds[first:last],
            [column[i] for column in given[11:19]],
        )
        first = last


def _append(tables: Tables, pieces: list[Piece]) -> list[dict[str, Any]]:
    recorded_at = round(tables.clock(), 6)
    answers = [_append_piece(tables, piece, recorded_at) for piece in pieces]
    if any(answer["outcome"] == "appended" for answer in answers):
        tables.notify("boostmon_log", str(len(tables.events)))
    return answers


def _append_piece(tables: Tables, piece: Piece, recorded_at: float) -> dict[str, Any]:
    guild_id, user_id, role_id = piece.timer
    if first := tables.commands.get(piece.command_id):
        return _answer("repeated", timer=(first.guild_id, first.user_id, first.role_id))
    stream = tables.streams.get((user_id, role_id))
    if stream is not None and stream.guild_id != guild_id:
        return _answer("elsewhere", timer=(stream.guild_id, None, None))
    version = stream.events[-1].version if stream else 0
    if version != piece.expected_version:
        return _answer("conflict", version=version)
    if stream is None:
        stream = tables.new_stream(*piece.timer)
    elif stream.open:
        for effect in stream.effects:
            if effect.state in ("owed", "stuck") and effect.due_at > recorded_at:
                effect.due_at = recorded_at
    tables.person(piece.actor_id)
    tables.commands[piece.command_id] = stream
    for ordinal in range(len(piece.documents)):
        _record(tables, stream, piece, ordinal=ordinal, recorded_at=recorded_at)
    if piece.row[6] is None:
        tables.drop(stream)
    else:
        tables.put(_row(stream, piece.row))
    newest = stream.events[-1]
    return _answer("appended", version=newest.version, position=newest.position)


def _record(
    tables: Tables, stream: Stream, piece: Piece, *, ordinal: int, recorded_at: float
) -> None:
    position, version = len(tables.events) + 1, len(stream.events) + 1
    data = piece.documents[ordinal]
    actor = None if piece.actor_id is None else str(tables.people[piece.actor_id])
    micros = round((recorded_at - AHEAD_OF_2000) * 1_000_000)
    person = tables.people[stream.user_id]
    named = SEAL.digest + stream_name(person, stream.role_id) if version == 1 else b""
    found = _decoder.decode(data)
    event = Event(
        position=position,
        stream=stream,
        version=version,
        data=data,
        type=found.type,
        channel_id=found.warn_channel_id,
        actor_id=piece.actor_id,
        source=piece.source,
        command_id=piece.command_id,
        ordinal=ordinal,
        recorded_at=recorded_at,
        true_at=tables.truth(),
        sent_at=tables.sent_at,
        hash=event_hash(
            tables.events[-1].hash if tables.events else b"",
            (position, stream.number, version, ordinal, micros),
            hashed_texts((data, actor, piece.source, piece.command_id)),
            named,
        ),
    )
    tables.events.append(event)
    stream.events.append(event)
    for kind in piece.kinds[ordinal]:
        tables.owe(Effect(position=position, kind=kind, stream=stream, due_at=recorded_at))


def _row(stream: Stream, columns: Sequence[Any]) -> Row:
    expires_at, channel_id, paused_at, remaining, warnings, created, updated, due = columns
    return Row(
        stream=stream,
        version=len(stream.events),
        expires_at=expires_at,
        warn_channel_id=channel_id,
        paused_at=paused_at,
        paused_remaining_ms=remaining,
        warnings_sent=warnings,
        created_at=created,
        updated_at=updated,
        next_due_at=due,
    )


def _answer(
    outcome: str,
    *,
    timer: tuple[str | None, str | None, str | None] = (None, None, None),
    version: int | None = None,
    position: int | None = None,
) -> dict[str, Any]:
    guild_id, user_id, role_id = timer
    return {
        "outcome": outcome,
        "guild_id": guild_id,
        "user_id": user_id,
        "role_id": role_id,
        "version": version,
        "position": position,
    }

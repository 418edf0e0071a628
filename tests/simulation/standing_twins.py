"""The statements of `boostmon.projections.effects.kinds.standings`, over the tables in memory."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from itertools import groupby
from typing import Any

from tests.simulation.reading_twins import Rows, begin_of_life
from tests.simulation.settling_twins import LOG
from tests.simulation.tables import OPEN, Difference, Effect, Stream, Tables, moment

SECOND = timedelta(seconds=1)


def standings(tables: Tables, guild_id: str, user_id: str) -> Rows:
    """Return how a member's timed roles stand."""
    return [_standing(tables, stream) for stream in tables.of_member(guild_id, user_id)]


def _standing(tables: Tables, stream: Stream) -> dict[str, Any]:
    newest, changes = stream.events[-1], [e for e in stream.effects if e.kind != "notice"]
    begun = [event.recorded_at for event in stream.events if event.type == "TimerSet"]
    difference = tables.differences.get(stream.number)
    return {
        "stream_id": stream.number,
        "role_id": stream.role_id,
        "wanted": stream.number in tables.rows,
        "version": newest.version,
        "position": newest.position,
        "ended": begin_of_life(stream),
        "begun_at": moment(max(begun)) if begun else None,
        **_change(max(changes, key=lambda e: e.position, default=None)),
        "is_open": any(e.state in OPEN for e in changes),
        "in_doubt": any(e.look_again_at is not None for e in changes),
        "held_back": difference is not None
        and difference.found == "too_many_taken"
        and _waits(stream, difference),
    }


def _waits(stream: Stream, difference: Difference) -> bool:
    """Tell whether nobody has decided."""
    return difference.decided_at is None and not any(
        event.position > difference.position and event.source != "sweeper"
        for event in reversed(stream.events)
    )


def _change(change: Effect | None) -> dict[str, Any]:
    receipt = (change.receipt if change else None) or {}
    done_at = None if change is None or change.done_at is None else moment(change.done_at)
    asked, answered = _time(receipt.get("asked_at")), _time(receipt.get("answered_at"))
    took, before = receipt.get("took_ms"), None
    if answered is not None:
        before = answered + SECOND
        took_time = timedelta(milliseconds=float(took)) if took is not None else None
        answered = None if took_time is None else answered - took_time
    after = [time for time in (asked, answered) if time is not None]
    ends = [time for time in (done_at, before) if time is not None]
    return {
        "change_position": change and change.position,
        "kind": change and change.kind,
        "state": change and change.state,
        "done_at": done_at,
        "unfulfilled": "reason" in receipt,
        "given_after": _time(receipt.get("joined_at")) or min(after, default=done_at),
        "given_before": max(ends, default=None),
    }


def _time(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text)


def reopen_effect(tables: Tables, *given: Any) -> Rows:
    """Owe an effect again, if it is still as it was settled."""
    position, kind, done_at, user_id = given
    effect = tables.effects.get((position, kind))
    if effect is None or effect.state in OPEN or effect.done_at is None:
        return []
    if moment(effect.done_at) != done_at or effect.stream.user_id != user_id:
        return []
    tables.reopen(effect)
    return [{"position": position}]


def confirm_take(tables: Tables, position: int, done_at: datetime) -> Rows:
    """Note that a take was done by leaving."""
    effect = tables.effects.get((position, "take_role"))
    settled = effect and effect.state == "done" and moment(effect.done_at or 0.0) == done_at
    if effect and settled and effect.receipt is not None:
        rest = {key: value for key, value in effect.receipt.items() if key != "reason"}
        effect.receipt = rest | {"confirmed": "read from the member"}
        tables.doubt(effect, None, effect.looks)
    return []


def doubt_effect(tables: Tables, position: int, kind: str, seconds: float) -> Rows:
    """Have a member read again, whatever the effect's state is."""
    effect = tables.effects.get((position, kind))
    if effect is not None and kind != "notice":
        tables.doubt(effect, tables.clock() + seconds, 0)
    return []


def owe_nothing(
    tables: Tables,
    numbers: Sequence[int],
    joined_ats: Sequence[datetime | None],
    seconds_ago: float,
) -> Rows:
    """Note that imported timers' roles are held."""
    noted = 0
    for number, joined_at in zip(numbers, joined_ats, strict=True):
        if number not in tables.rows:
            continue
        stream = tables.rows[number].stream
        begun = never_given_since(stream)
        if begun:
            now = tables.clock()
            asked_at = moment(now - seconds_ago).isoformat()
            effect = Effect(position=begun, kind="give_role", stream=stream, due_at=now)
            tables.owe(effect)
            tables.settle(effect, "done")
            effect.receipt = {"confirmed": "read from the member", "asked_at": asked_at}
            if joined_at is not None:
                effect.receipt["joined_at"] = joined_at.isoformat()
            noted += 1
    return [{"noted": noted}]


def never_given_since(stream: Stream) -> int:
    """Return where the present life of a timer began, if its role was never owed in it; else 0."""
    ended = begin_of_life(stream)
    begun = max((e.position for e in stream.events if e.type == "TimerSet"), default=0)
    given = any(e.kind == "give_role" and e.position > ended for e in stream.effects)
    return begun if begun > ended and not given else 0


def owe_roles(tables: Tables, guild_id: str, user_id: str) -> Rows:
    """Owe the roles of timers of which none was ever owed."""
    owed = 0
    for stream in tables.of_member(guild_id, user_id):
        begun = never_given_since(stream) if stream.number in tables.rows else 0
        if begun:
            due_at = tables.clock()
            tables.owe(Effect(position=begun, kind="give_role", stream=stream, due_at=due_at))
            owed += 1
    if owed:
        tables.notify(LOG, "")
    return [{"owed": owed}]


def members_in_doubt(tables: Tables, longest: float, most: int) -> Rows:
    """Return who is to be read again."""
    first: dict[tuple[str, str], float] = {}
    for effect in tables.doubts.values():
        at, stream = effect.look_again_at, effect.stream
        if at is not None and _is_due(tables, at, longest):
            member = (stream.guild_id, stream.user_id)
            first[member] = min(at, first.get(member, at))
    due = sorted(first, key=lambda member: first[member])[:most]
    return [{"guild_id": guild_id, "user_id": user_id} for guild_id, user_id in due]


def looked(tables: Tables, numbers: Sequence[int], pauses: Sequence[float], longest: float) -> Rows:
    """Note that streams were looked at."""
    wanted, now = set(numbers), tables.clock()
    for effect in list(tables.doubts.values()):
        at, looks = effect.look_again_at, effect.looks
        if effect.stream.number in wanted and at is not None and _is_due(tables, at, longest):
            again = now + pauses[looks] if looks < len(pauses) else None
            tables.doubt(effect, again, looks + 1)
    return []


def put_off_looks(tables: Tables, numbers: Sequence[int], seconds: float, longest: float) -> Rows:
    """Have streams be due for a look later."""
    wanted, now = set(numbers), tables.clock()
    for effect in list(tables.doubts.values()):
        at = effect.look_again_at
        if effect.stream.number in wanted and at is not None and _is_due(tables, at, longest):
            tables.doubt(effect, now + seconds, effect.looks)
    return []


def _is_due(tables: Tables, at: float, longest: float) -> bool:
    return not tables.clock() < at <= tables.clock() + longest


def note_difference(tables: Tables, *given: Any) -> Rows:
    """Note what was found to differ."""
    number, found, position, waits = given
    decided_at = None if waits else tables.clock()
    tables.differences[number] = Difference(found, position, tables.clock(), decided_at)
    return []


def decide_differences(tables: Tables, numbers: Sequence[int]) -> Rows:
    """Note that differences wait for nobody any more."""
    for number in numbers:
        difference = tables.differences.get(number)
        if difference is not None and difference.decided_at is None:
            difference.decided_at = tables.clock()
    return []


def undecided(tables: Tables, guild_id: str | None) -> Rows:
    """Return the differences that wait for somebody."""
    found = []
    for number, difference in tables.differences.items():
        if number in tables.rows:
            stream = tables.rows[number].stream
            if guild_id in (None, stream.guild_id) and _waits(stream, difference):
                found.append(
                    {
                        "guild_id": stream.guild_id,
                        "user_id": stream.user_id,
                        "role_id": stream.role_id,
                        "found": difference.found,
                        "stream_id": number,
                        "found_at": moment(difference.found_at),
                    }
                )
    return sorted(found, key=lambda row: (row["guild_id"], row["stream_id"]))


def tell_all(tables: Tables, what: str) -> Rows:
    """Tell all processes something."""
    tables.notify(LOG, what)
    return [{"pg_notify": ""}]


def servers_with_timers(tables: Tables) -> Rows:
    """Return the servers with timers."""
    servers = {row.stream.guild_id for row in tables.rows.values()}
    return [{"guild_id": guild_id} for guild_id in sorted(servers)]


def members_with_timers(tables: Tables, guild_id: str, after: str, most: int) -> Rows:
    """Return the next members with timers."""
    streams = [row.stream for row in tables.rows.values() if row.stream.guild_id == guild_id]
    streams = [stream for stream in streams if stream.user_id > after]
    streams.sort(key=lambda stream: (stream.user_id, stream.number))
    members = [list(group) for _, group in groupby(streams, key=lambda s: s.user_id)]
    return [_timed_member(tables, of_member) for of_member in members[:most]]


def _timed_member(tables: Tables, streams: list[Stream]) -> dict[str, Any]:
    never = [s.number for s in streams if not any(e.kind == "give_role" for e in s.effects)]
    found = [(stream, tables.differences.get(stream.number)) for stream in streams]
    waiting = {s.role_id: d.found for s, d in found if d is not None and _waits(s, d)}
    reported_at = [
        d.found_at
        for s, d in found
        if d is not None and _waits(s, d) and d.found == "import_not_held"
    ]
    return {
        "user_id": streams[0].user_id,
        "role_ids": [stream.role_id for stream in streams],
        "never_given": never or None,
        "reported": [role for role, what in waiting.items() if what == "import_not_held"] or None,
        "reported_at": moment(min(reported_at)) if reported_at else None,
        "held_back": "too_many_taken" in waiting.values(),
    }

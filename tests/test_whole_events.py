"""Only whole events are recorded: each field that a type needs is there once, and makes sense."""

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from boostmon.events.document import decode
from boostmon.events.timer import INITIAL, evolve
from boostmon.projections.role_timers import image
from tests.test_database_roles import batch, before, event
from tests.timers import CHANNEL

EVENTS = Path(__file__).parent / "data" / "events.jsonl"
SET = {"type": "TimerSet", "at": 1, "duration_ms": 1, "expires_at": 2, "warning_minutes": [60, 10]}
WHOLE: list[dict[str, Any]] = [
    SET,
    {**SET, "warn_channel_id": CHANNEL, "added": True},
    {"type": "TimeAdded", "at": 1, "duration_ms": 1, "expires_at": None, "remaining_ms": 3},
    {"type": "TimeRemoved", "at": 1, "duration_ms": 1, "expires_at": 3, "remaining_ms": None},
    {"type": "Paused", "at": 1, "remaining_ms": 0},
    {"type": "Resumed", "at": 1, "expires_at": 3, "warning_minutes": []},
    {"type": "Cleared", "at": 1, "remaining_ms": 3, "reason": "erased"},
    {"type": "Cleared", "at": 1, "remaining_ms": 3, "because": "server_given_up"},
    {"type": "WarningSent", "at": 1, "minutes": 1, "expires_at": 3, "warn_channel_id": None},
    {"type": "Expired", "at": 1, "warn_channel_id": CHANNEL},
]
NUMBERS = (
    '"1"',
    "null",
    "true",
    "[]",
    "1.5",
    "1.0",
    "1e2",
    "-1",
    "1000000000000000",
    "1" + "0" * 30,
)
WRONG = {
    **dict.fromkeys(("at", "duration_ms", "expires_at", "remaining_ms", "minutes"), NUMBERS),
    "warning_minutes": ('"60"', "null", "60", "{}", '["60"]', "[null]", "[1.5]", "[[60]]", "[-1]"),
    "warn_channel_id": ("1", '"me"', '""', '"0"', '"18446744073709551616"', '["1"]', "false"),
    "added": ("1", '"true"', "null"),
    "reason": ('"bogus"', "null", "1"),
    "because": ('"bogus"', "null", "1"),
}
MAY_BE_NULL = {("TimeAdded", "expires_at"), ("TimeAdded", "remaining_ms")}
MAY_BE_NULL |= {("TimeRemoved", "expires_at"), ("TimeRemoved", "remaining_ms")}
NEEDLESS = {"warn_channel_id", "added", "reason", "because"}


def edited(whole: dict[str, Any], name: str, value: str) -> str:
    """Return *whole* as a document with *value* (JSON) for its field *name*."""
    return json.dumps({**whole, name: "?"}).replace('"?"', value)


def broken_ones() -> Iterator[str]:
    """Yield documents that lack something, or have something that means nothing."""
    for whole in WHOLE:
        kind = whole["type"]
        for name in whole:
            text = json.dumps(whole)
            if name not in NEEDLESS and (kind, name) not in MAY_BE_NULL:
                yield json.dumps({key: value for key, value in whole.items() if key != name})
            yield f'{text[:-1]}, "{name}": {json.dumps(whole[name])}}}'  # twice
            for value in WRONG.get(name, ()):
                if value != "null" or (kind, name) not in MAY_BE_NULL:
                    yield edited(whole, name, value)


BROKEN = [
    *dict.fromkeys(broken_ones()),
    *('{"type": ["Expired"], "at": 1}', '["Expired", 1]', '"Expired"', "null", "1"),
    *('{"type": "Expired", "at": NaN}', '{"type": "Expired", "at": Infinity}', '{"at": 1}'),
]


async def says(owner: asyncpg.Connection, document: str) -> bool:
    """Tell whether PostgreSQL takes *document* for a whole event."""
    try:
        return bool(await owner.fetchval("SELECT is_event($1)", document))
    except asyncpg.DataError:
        return False


async def test_what_lacks_a_field_or_has_a_wrong_one_is_no_event(owner: asyncpg.Connection) -> None:
    taken = [document for document in BROKEN if await says(owner, document)]

    assert [] == taken
    assert len(BROKEN) > 300


async def test_what_this_release_writes_is_a_whole_event(owner: asyncpg.Connection) -> None:
    written = EVENTS.read_text(encoding="utf-8").splitlines()
    known = [*written, *map(json.dumps, WHOLE), *(json.dumps(one, indent=2) for one in WHOLE)]

    assert [] == [document for document in known if not await says(owner, document)]


async def test_a_field_of_a_newer_release_is_no_fault(owner: asyncpg.Connection) -> None:
    assert await says(owner, json.dumps({**SET, "newer": {"at": "x"}}))


async def test_what_postgresql_takes_is_understood(owner: asyncpg.Connection) -> None:
    for document in [*map(json.dumps, WHOLE), *BROKEN]:
        if await says(owner, document):
            image(evolve(INITIAL, decode(document)))


@pytest.mark.parametrize(
    "document",
    [
        '{"type": "TimerSet"}',
        '{"type": "Expired", "at": "1"}',
        '{"type": "Resumed", "at": 1, "expires_at": 1000000000000000, "warning_minutes": []}',
        '{"type": "Expired", "at": 1, "warn_channel_id": "general"}',
    ],
)
async def test_whoever_may_append_cannot_record_it(
    owner: asyncpg.Connection, separate_bot: str, document: str
) -> None:
    bot = await asyncpg.connect(separate_bot)
    try:
        for call in (
            event(data=f"'{document}'"),
            batch(data=f"ARRAY['{document}']"),
            before(data=f"ARRAY['{document}']"),
        ):
            with pytest.raises(asyncpg.CheckViolationError, match="that is no event"):
                await asyncio.wait_for(bot.execute(call), 10)
    finally:
        await bot.close()

    assert 0 == await owner.fetchval("SELECT count(*) FROM events")

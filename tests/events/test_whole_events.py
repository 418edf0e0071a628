"""Only whole events are recorded: each field that a type needs is there once, and makes sense."""

import asyncio
import json
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import asyncpg
import pytest

from boostmon.commands.decider import Clear, SetTime
from boostmon.commands.erase import end_timers, replace
from boostmon.database.connections.pool import Database
from boostmon.errors import UnknownEventError, UnreadableEventError
from boostmon.events.document import decode
from boostmon.events.store import EventStore
from boostmon.events.timer import HOUR, INITIAL, NoTimer, TimerId, evolve
from boostmon.projections.effects.direct_channels import DirectChannels
from boostmon.projections.effects.observed import Observed
from boostmon.projections.effects.queue import OwedEffects
from boostmon.projections.effects.standings import Standings
from boostmon.projections.replay.past import past
from boostmon.projections.replay.run import check, replay, silent
from boostmon.projections.reports.checkup import look_at_drift
from boostmon.projections.reports.history import history
from boostmon.projections.reports.stats import stats
from boostmon.projections.role_timers import image
from tests.cli.test_cli import boostmon
from tests.commands.test_erase import pay
from tests.commands.test_handler import sweeper_over
from tests.database.test_database_roles import ROW, TAKES_ALL, batch, before, event
from tests.support.places import TESTS
from tests.support.timers import CHANNEL, GUILD, ROLE, M, fresh_timer, handler_over, slash

EVENTS = TESTS / "data" / "events.jsonl"
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


def test_what_is_no_whole_event_is_refused_or_harmless_to_who_reads_it() -> None:
    refused = 0
    for document in BROKEN:
        try:
            read = decode(document)
        except UnreadableEventError:
            refused += 1
        else:  # a channel that is none, or a field that is there twice
            image(evolve(INITIAL, read))
    assert refused > 200


# One that was recorded before, or by a newer release.

NOW = 1_700_000_000_123
SPOILT = TimerId(GUILD, "1250000000000000077", ROLE)  # of which `event` speaks
SENSELESS = {
    "no fields": '{"type": "TimerSet"}',
    "a text for a number": '{"type": "TimeAdded", "at": "1", "duration_ms": 1}',
    "an end that no calendar has": json.dumps({**SET, "expires_at": 10**30}),
    "a number that is none": edited(SET, "expires_at", "1e99"),
    "an end at no time": '{"type": "Expired", "at": "noon"}',
    "an end at a time too large": '{"type": "Cleared", "at": -1e99, "remaining_ms": 1}',
    # What PostgreSQL keeps, and refuses to read a field of:
    "a character that is none": '{"type": "TimerSet", "at": 1, "newer": "\\u0000"}',
    "a channel that is none": '{"type": "Expired", "warn_channel_id": "\\u0000"}',
    "half a character": '{"type": "WarningSent", "at": "\\ud800"}',
}
NEWER = '{"type": "Frozen", "at": 1}'


async def spoil(owner: asyncpg.Connection, document: str) -> None:
    """Have a timer that runs, and is due, with *document* for its second event; two others run."""
    await owner.execute(TAKES_ALL)
    first = json.dumps({**SET, "expires_at": NOW})
    await owner.execute(event(data=f"'{first}'", kinds="'{give_role}'", row=ROW))
    again = event(version="1", command="'2'", data=f"'{document}'", kinds="'{notice}'", row=ROW)
    await owner.execute(again)


@pytest.fixture
async def others(database: Database) -> list[TimerId]:
    """Have two timers that run."""
    timers = [fresh_timer(), fresh_timer()]
    for timer in timers:
        await handler_over(database).handle(timer, SetTime(NOW, HOUR, M), slash())
    return timers


@pytest.mark.usefixtures("others")
@pytest.mark.parametrize("document", [*SENSELESS.values(), NEWER])
async def test_a_replay_mends_all_others_and_names_the_timer_and_what_to_do(
    owner: asyncpg.Connection, document: str
) -> None:
    await spoil(owner, document)
    await owner.execute("UPDATE role_timers SET expires_at = 5")

    report = await replay(owner)

    assert (2, 2) == (report.rows_differing, report.rows_mended)
    ends = await owner.fetch("SELECT expires_at FROM role_timers ORDER BY id")
    assert [NOW + HOUR, NOW + HOUR, 5] == [row["expires_at"] for row in ends]
    (told,) = report.unreadable
    place = f"position 4: an event of the member {SPOILT.user_id} (role {ROLE}, server {GUILD}) "
    assert told.startswith(place)
    assert ("update this one" in told, "makes no sense" in told) == (
        (True, False) if document == NEWER else (False, True)
    )
    assert [] == report.broken
    assert report.unreadable == (await check(owner)).unreadable
    then = await past(owner, datetime.now(UTC), progress=silent)
    assert report.unreadable == then.unreadable
    assert 2 == len(then.timers)


@pytest.mark.usefixtures("others")
async def test_the_command_says_so_and_exits_1(owner: asyncpg.Connection, owner_url: str) -> None:
    await spoil(owner, SENSELESS["no fields"])
    await owner.execute("DELETE FROM role_timers WHERE id = 1")

    code, out, _ = await boostmon("replay", DATABASE_URL=owner_url)

    assert 1 == code
    assert "not read: position 4: an event of the member" in out
    assert "`/cleartime` ends the timer, and `/settime` sets it anew" in out
    assert "replay: 1 of 2 rows differ, mended" in out


@pytest.mark.parametrize("document", [*SENSELESS.values(), NEWER])
async def test_a_history_shows_what_can_be_read_and_why_the_rest_cannot(
    owner: asyncpg.Connection, owner_url: str, document: str
) -> None:
    await spoil(owner, document)

    told = await history(owner, SPOILT.user_id, guild_id=None, role_id=None)

    assert [True, False] == [happening.event is not None for happening in told]
    assert ["running", "unknown"] == [happening.after.state for happening in told]
    assert ("newer version" in (told[1].unread or "")) == (document == NEWER)
    code, out, _ = await boostmon("history", SPOILT.user_id, DATABASE_URL=owner_url)
    assert 0 == code
    assert "cannot be read: This timer holds an event that " in out


@pytest.mark.parametrize("document", [*SENSELESS.values(), NEWER])
async def test_who_is_erased_is_erased_all_the_same(
    database: Database, owner: asyncpg.Connection, document: str
) -> None:
    await spoil(owner, document)

    assert 1 == await end_timers(owner, handler_over(database), SPOILT.user_id, NOW)
    assert 0 == await end_timers(owner, handler_over(database), SPOILT.user_id, NOW)

    kinds = await owner.fetch("SELECT kind FROM effects WHERE position = 3 ORDER BY kind")
    assert ["take_role"] == [row["kind"] for row in kinds]
    await pay(owner)
    pseudonym = await replace(owner, SPOILT.user_id)
    ask = "SELECT count(*) FROM people WHERE user_id = $1"
    assert [0, 1] == [await owner.fetchval(ask, name) for name in (SPOILT.user_id, pseudonym)]
    assert (await check(owner)).clean


async def test_clearing_ends_what_makes_no_sense_and_a_new_timer_may_begin(
    database: Database, owner: asyncpg.Connection
) -> None:
    await spoil(owner, SENSELESS["a text for a number"])
    handler = handler_over(database)
    with pytest.raises(UnreadableEventError):
        await handler.handle(SPOILT, SetTime(NOW, HOUR, M), slash())

    handled = await handler.handle(SPOILT, Clear(NOW), slash())
    await handler.handle(SPOILT, SetTime(NOW, HOUR, M), slash())

    assert NoTimer() == handled.after
    assert (await check(owner)).clean
    assert [1, 3, 4] == [e.version for e in (await EventStore(database).read(SPOILT)).recorded]


async def test_clearing_leaves_what_a_newer_version_wrote_to_that(
    database: Database, owner: asyncpg.Connection
) -> None:
    await spoil(owner, NEWER)

    with pytest.raises(UnknownEventError, match="newer version"):
        await handler_over(database).handle(SPOILT, Clear(NOW), slash())


@pytest.mark.usefixtures("others")
@pytest.mark.parametrize("document", [*SENSELESS.values(), NEWER])
async def test_a_sweep_ends_the_others(
    database: Database, owner: asyncpg.Connection, document: str
) -> None:
    await spoil(owner, document)

    swept = await sweeper_over(database).sweep(NOW + HOUR)

    assert (3, 2) == (swept.due, swept.answered)
    assert [SPOILT.user_id] == [
        row["user_id"] for row in await owner.fetch("SELECT user_id FROM role_timers")
    ]


async def test_a_notice_of_an_event_that_makes_no_sense_is_owed_no_longer(
    database: Database, owner: asyncpg.Connection
) -> None:
    await spoil(owner, SENSELESS["no fields"])

    _, owed = await OwedEffects(database).all()

    assert {"give_role": False, "notice": True} == {each.kind: each.moot for each in owed}


@pytest.mark.parametrize("document", [*SENSELESS.values(), NEWER])
async def test_what_is_read_of_all_is_read_of_the_others(
    database: Database, owner: asyncpg.Connection, others: list[TimerId], document: str
) -> None:
    await spoil(owner, document)
    observed, standings = Observed(database), Standings(database)

    _, owed = await OwedEffects(database).all()
    _, since = await OwedEffects(database).since(0)
    of_streams = await OwedEffects(database).of_streams([each.stream_id for each in owed])
    counted = await stats(owner, 1)
    told = await DirectChannels(database).to_open(0, NOW + HOUR, 9)
    found = [
        each
        for who in (SPOILT, *others)
        for each in await standings.of_member(who.guild_id, who.user_id)
    ]
    await observed.bot_returned(GUILD, now=NOW)

    assert {who.user_id for who in (SPOILT, *others)} == {each.user_id for each in owed}
    assert len(owed) == len(since) == len(of_streams)
    assert 2 <= counted.total.set
    assert {who.user_id for who in others} <= set(told)
    assert 3 == len(found)
    open_notices = "SELECT count(*) FROM effects WHERE kind = 'notice' AND state = 'owed'"
    assert 0 == await owner.fetchval(open_notices)


@pytest.mark.parametrize("when", ["infinity", "-infinity"])
@pytest.mark.usefixtures("others")
async def test_what_is_put_off_for_ever_stops_nothing_else(
    database: Database, owner: asyncpg.Connection, when: str
) -> None:
    await owner.execute(
        "UPDATE effects SET due_at = $1::text::timestamptz WHERE position = 1", when
    )

    _, owed = await OwedEffects(database).all()
    each = [await OwedEffects(database).find(one.position, one.kind) for one in owed]

    assert [1, 2] == [one.position for one in each if one]


@pytest.mark.parametrize(
    ("document", "said"), [(SENSELESS["no fields"], "make no sense"), (NEWER, "a newer BoostMon")]
)
async def test_doctor_says_which_it_is(owner: asyncpg.Connection, document: str, said: str) -> None:
    await spoil(owner, document)

    (finding,) = await look_at_drift(owner)

    assert "red" == finding.colour
    assert said in finding.found

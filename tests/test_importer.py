"""Import of the JavaScript bot's data.json."""

import json
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from boostmon.commands import importer as importing
from boostmon.commands.data_json import read_file
from boostmon.commands.decider import LONGEST, SetTime
from boostmon.commands.importer import Imported, Importer
from boostmon.commands.sweeper import Swept
from boostmon.database.pool import Database
from boostmon.errors import ImportRefusedError
from boostmon.events.store import EventStore
from boostmon.events.timer import HOUR, MINUTE, OnHold, Running, TimerId
from boostmon.projections.replay import check
from tests.test_handler import sweeper_over
from tests.timers import CHANNEL, GUILD, ROLE, M, handler_over, slash

NOW = 1_700_000_000_000
USER = "1200000000000000001"
OTHER = "1200000000000000002"
TIMER = TimerId(GUILD, USER, ROLE)
RUNNING = {
    "expiresAt": NOW + 3 * HOUR,
    "warnChannelId": CHANNEL,
    "warningsSent": {},
    "paused": False,
    "pausedAt": None,
    "pausedRemainingMs": 0,
}
PAUSED = RUNNING | {"paused": True, "pausedAt": NOW - HOUR, "pausedRemainingMs": 20 * MINUTE}


def importer(database: Database, now: int = NOW) -> Importer:
    return Importer(EventStore(database), now=now, warning_minutes=M)


@pytest.fixture
def write(tmp_path: Path) -> Any:
    """Write a data.json and return where."""

    def written(document: Any) -> Path:
        path = tmp_path / "data.json"
        path.write_text(document if isinstance(document, str) else json.dumps(document))
        return path

    return written


def entry(fields: dict[str, Any], user: str = USER) -> dict[str, Any]:
    return {user: {"roles": {ROLE: fields}}}


async def test_a_running_timer_stands_as_it_was_left(
    database: Database, owner: asyncpg.Connection, write: Any
) -> None:
    file = read_file(write(entry(RUNNING)), GUILD)
    assert [Imported(TIMER, "imported")] == await importer(database).run(file)
    row = await owner.fetchrow("SELECT * FROM role_timers")
    expected = (USER, ROLE, GUILD, NOW + 3 * HOUR, CHANNEL, False)
    columns = ("user_id", "role_id", "guild_id", "expires_at", "warn_channel_id", "paused")
    assert expected == tuple(row[column] for column in columns)
    assert (await check(owner)).clean


async def test_a_paused_timer_stands_as_it_was_left(
    database: Database, owner: asyncpg.Connection, write: Any
) -> None:
    await importer(database).run(read_file(write(entry(PAUSED)), GUILD))
    state = (await EventStore(database).read(TIMER)).state
    assert isinstance(state, OnHold)
    assert (NOW - HOUR, 20 * MINUTE) == (state.paused_at, state.remaining_ms)
    row = await owner.fetchrow("SELECT paused_at, paused_remaining_ms, expires_at FROM role_timers")
    assert (NOW - HOUR, 20 * MINUTE, NOW - HOUR + 20 * MINUTE) == tuple(row)


async def test_a_warning_that_was_sent_is_not_sent_again(
    database: Database, owner: asyncpg.Connection, write: Any
) -> None:
    fields = RUNNING | {"warningsSent": {"60": True, "10": False}, "expiresAt": NOW + 50 * MINUTE}
    await importer(database).run(read_file(write(entry(fields)), GUILD))
    assert await owner.fetchval("SELECT warnings_sent::text FROM role_timers") == '{"60": true}'
    assert Swept(0, 0) == await sweeper_over(database).sweep(NOW)
    assert Swept(1, 1) == await sweeper_over(database).sweep(NOW + 40 * MINUTE)


async def test_an_import_owes_discord_nothing(
    database: Database, owner: asyncpg.Connection, write: Any
) -> None:
    fields = PAUSED | {"warningsSent": {"60": True}}
    await importer(database).run(read_file(write(entry(fields)), GUILD))
    assert await owner.fetchval("SELECT count(*) FROM effects") == 0
    assert await owner.fetchval("SELECT DISTINCT source FROM events") == "import"


async def test_a_timer_already_past_is_ended_by_the_sweeper(database: Database, write: Any) -> None:
    fields = RUNNING | {"expiresAt": NOW - HOUR}
    await importer(database).run(read_file(write(entry(fields)), GUILD))
    assert Swept(1, 1) == await sweeper_over(database).sweep(NOW)


async def test_a_second_run_changes_nothing(
    database: Database, owner: asyncpg.Connection, write: Any
) -> None:
    file = read_file(write(entry(RUNNING) | entry(PAUSED, OTHER)), GUILD)
    await importer(database).run(file)
    before = await owner.fetchval("SELECT count(*) FROM events")
    again = await importer(database, NOW + HOUR).run(file)
    assert ["unchanged", "unchanged"] == [result.outcome for result in again]
    assert before == await owner.fetchval("SELECT count(*) FROM events")


async def test_a_newer_timer_here_is_kept_and_reported(database: Database, write: Any) -> None:
    await handler_over(database).handle(TIMER, SetTime(NOW, HOUR, M), slash())
    (result,) = await importer(database).run(read_file(write(entry(RUNNING)), GUILD))
    assert "kept" == result.outcome
    state = (await EventStore(database).read(TIMER)).state
    assert isinstance(state, Running)
    assert NOW + HOUR == state.expires_at


async def test_a_role_of_another_server_is_reported(database: Database, write: Any) -> None:
    await handler_over(database).handle(TIMER, SetTime(NOW, HOUR, M), slash())
    (result,) = await importer(database).run(read_file(write(entry(RUNNING)), "1400000000000000"))
    assert "failed" == result.outcome
    assert GUILD in result.reason


async def test_a_dry_run_says_the_same_and_writes_nothing(
    database: Database, owner: asyncpg.Connection, write: Any
) -> None:
    file = read_file(write(entry(RUNNING) | entry(PAUSED, OTHER)), GUILD)
    preview = await importer(database).preview(file)
    assert await owner.fetchval("SELECT count(*) FROM events") == 0
    assert preview == await importer(database).run(file)


async def test_a_file_of_several_batches_is_imported_whole(
    database: Database, owner: asyncpg.Connection, write: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(importing, "BATCH", 3)
    users = [str(1_200_000_000_000_001_000 + n) for n in range(8)]
    document = {user: {"roles": {ROLE: RUNNING}} for user in users}
    seen: list[tuple[int, int]] = []
    file = read_file(write(document), GUILD)
    await importer(database).run(file, lambda done, total: seen.append((done, total)))
    assert [(3, 8), (6, 8), (8, 8)] == seen
    assert await owner.fetchval("SELECT count(*) FROM role_timers") == 8
    assert (await check(owner)).clean


BAD = [
    ("", "is not JSON"),
    ('{"1": ', "is not JSON"),
    ("[]", "the file is no object"),
    ({"mona": {"roles": {}}}, '"mona" in the file is no id of Discord'),
    ({USER: {"expiresAt": 5}}, f'"{USER}" has no "roles"'),
    ({USER: {"roles": {"VIP": RUNNING}}}, f'"VIP" in "{USER}".roles is no id of Discord'),
    (entry({}), f'"{USER}".roles."{ROLE}" has no "expiresAt"'),
    (entry(RUNNING | {"expiresAt": "soon"}), "expiresAt is no time in milliseconds ('soon')"),
    (entry(RUNNING | {"expiresAt": -1}), "expiresAt is no time"),
    (entry(RUNNING | {"expiresAt": True}), "expiresAt is no time"),
    (entry(RUNNING | {"expiresAt": 1 << 60}), "expiresAt is no time"),
    (entry(RUNNING | {"warnChannelId": "general"}), "warnChannelId is no id"),
    (entry(RUNNING | {"warningsSent": {"soon": True}}), "warningsSent names no minutes"),
    (entry(PAUSED | {"pausedRemainingMs": -5}), "pausedRemainingMs is no time"),
    (entry(PAUSED | {"pausedRemainingMs": LONGEST + 1}), "pausedRemainingMs is more than 5 years"),
]


@pytest.mark.parametrize(("document", "message"), BAD)
def test_a_bad_file_is_refused_with_the_place_and_the_reason(
    write: Any, document: Any, message: str
) -> None:
    with pytest.raises(ImportRefusedError) as refusal:
        read_file(write(document), GUILD)
    assert message in str(refusal.value)
    assert "nothing was written" in str(refusal.value)


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ImportRefusedError, match="No such file"):
        read_file(tmp_path / "none.json", GUILD)


def test_a_server_that_is_no_id_is_refused(write: Any) -> None:
    with pytest.raises(ImportRefusedError, match="--guild here"):
        read_file(write({}), "here")


async def test_an_end_more_than_five_years_ahead_is_refused(database: Database, write: Any) -> None:
    file = read_file(write(entry(RUNNING | {"expiresAt": NOW + LONGEST + 1})), GUILD)
    with pytest.raises(ImportRefusedError, match="more than 5 years ahead"):
        await importer(database).run(file)

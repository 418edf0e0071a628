"""The importer: what becomes of timers that were judged, over a real log."""

import json
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from boostmon.commands.decider import LONGEST, Clear, Pause, SetTime
from boostmon.commands.erase import end_timers, replace
from boostmon.commands.imports import importer as importing
from boostmon.commands.imports.data_json import Server, read_file
from boostmon.commands.imports.import_shapes import Judged
from boostmon.commands.imports.importer import ELSEWHERE, Imported, Importer, Standing
from boostmon.commands.sweeper import Swept
from boostmon.database.connections.pool import Database
from boostmon.errors import DatabaseUnavailableError, ImportRefusedError
from boostmon.events.store import EventStore
from boostmon.events.timer import HOUR, MINUTE, OnHold, Running, TimerId
from boostmon.projections.replay.run import check
from tests.commands.test_handler import sweeper_over
from tests.support.timers import CHANNEL, GUILD, ROLE, M, handler_over, slash

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


def importer(database: Database, now: int = NOW, *, skip_past: bool = False) -> Importer:
    return Importer(EventStore(database), now=now, warning_minutes=M, skip_past=skip_past)


def judged(path: Path, guild_id: str = GUILD) -> Judged:
    return read_file(path, Server(guild_id))


def told(results: list[Imported]) -> list[tuple[str, str]]:
    return [(result.outcome, result.reason) for result in results]


def just_before_writing(
    monkeypatch: pytest.MonkeyPatch, happens: Callable[[], Awaitable[object]]
) -> None:
    """Have something happen once, when the importer has judged and begins to write."""
    append = EventStore.append

    async def late(self: EventStore, *appends: Any) -> Any:
        monkeypatch.setattr(EventStore, "append", append)
        await happens()
        return await append(self, *appends)

    monkeypatch.setattr(EventStore, "append", late)


def somebody_sets_it(database: Database) -> Callable[[], Awaitable[object]]:
    """Return how somebody sets the timer by command."""
    return lambda: handler_over(database).handle(TIMER, SetTime(NOW, HOUR, M), slash())


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
    there = Standing(expires_at=NOW + 3 * HOUR)
    expected_result = Imported(timer=TIMER, outcome="imported", there=there)
    assert [expected_result] == await importer(database).run(judged(write(entry(RUNNING))))
    row = await owner.fetchrow("SELECT * FROM role_timers")
    expected = (USER, ROLE, GUILD, NOW + 3 * HOUR, CHANNEL, False)
    columns = ("user_id", "role_id", "guild_id", "expires_at", "warn_channel_id", "paused")
    assert expected == tuple(row[column] for column in columns)
    assert (await check(owner)).clean


async def test_a_paused_timer_stands_as_it_was_left(
    database: Database, owner: asyncpg.Connection, write: Any
) -> None:
    await importer(database).run(judged(write(entry(PAUSED))))
    state = (await EventStore(database).read(TIMER)).state
    assert isinstance(state, OnHold)
    assert (NOW - HOUR, 20 * MINUTE) == (state.paused_at, state.remaining_ms)
    row = await owner.fetchrow("SELECT paused_at, paused_remaining_ms, expires_at FROM role_timers")
    assert (NOW - HOUR, 20 * MINUTE, NOW - HOUR + 20 * MINUTE) == tuple(row)


async def test_a_warning_that_was_sent_is_not_sent_again(
    database: Database, owner: asyncpg.Connection, write: Any
) -> None:
    fields = RUNNING | {"warningsSent": {"60": True, "10": False}, "expiresAt": NOW + 50 * MINUTE}
    await importer(database).run(judged(write(entry(fields))))
    assert await owner.fetchval("SELECT warnings_sent::text FROM role_timers") == '{"60": true}'
    assert Swept(0, 0) == await sweeper_over(database).sweep(NOW)
    assert Swept(1, 1) == await sweeper_over(database).sweep(NOW + 40 * MINUTE)


async def test_an_import_owes_discord_nothing(
    database: Database, owner: asyncpg.Connection, write: Any
) -> None:
    fields = PAUSED | {"warningsSent": {"60": True}}
    await importer(database).run(judged(write(entry(fields))))
    assert await owner.fetchval("SELECT count(*) FROM effects") == 0
    assert await owner.fetchval("SELECT DISTINCT source FROM events") == "import"


async def test_a_timer_already_past_is_ended_by_the_sweeper(database: Database, write: Any) -> None:
    fields = RUNNING | {"expiresAt": NOW - HOUR}
    await importer(database).run(judged(write(entry(fields))))
    assert Swept(1, 1) == await sweeper_over(database).sweep(NOW)


async def test_a_second_run_changes_nothing(
    database: Database, owner: asyncpg.Connection, write: Any
) -> None:
    file = judged(write(entry(RUNNING) | entry(PAUSED, OTHER)))
    await importer(database).run(file)
    before = await owner.fetchval("SELECT count(*) FROM events")
    again = await importer(database, NOW + HOUR).run(file)
    assert ["unchanged", "unchanged"] == [result.outcome for result in again]
    assert before == await owner.fetchval("SELECT count(*) FROM events")


async def test_a_newer_timer_here_is_kept_and_reported(database: Database, write: Any) -> None:
    await handler_over(database).handle(TIMER, SetTime(NOW, HOUR, M), slash())
    (result,) = await importer(database).run(judged(write(entry(RUNNING))))
    assert "kept" == result.outcome
    state = (await EventStore(database).read(TIMER)).state
    assert isinstance(state, Running)
    assert NOW + HOUR == state.expires_at


async def test_a_role_of_another_server_is_reported(database: Database, write: Any) -> None:
    await handler_over(database).handle(TIMER, SetTime(NOW, HOUR, M), slash())
    (result,) = await importer(database).run(judged(write(entry(RUNNING)), "1400000000000000"))
    assert "failed" == result.outcome
    assert GUILD in result.reason


async def test_a_dry_run_says_the_same_and_writes_nothing(
    database: Database, owner: asyncpg.Connection, write: Any
) -> None:
    file = judged(write(entry(RUNNING) | entry(PAUSED, OTHER)))
    preview = await importer(database).preview(file)
    assert await owner.fetchval("SELECT count(*) FROM events") == 0
    assert preview == await importer(database).run(file)


async def test_who_was_erased_since_is_not_brought_back_by_the_same_file(
    database: Database, owner: asyncpg.Connection, write: Any
) -> None:
    file = judged(write(entry(RUNNING)))
    await importer(database).run(file)
    await end_timers(owner, handler_over(database), TIMER.user_id, NOW)
    await owner.execute("UPDATE effects SET state = 'done'")
    await replace(owner, TIMER.user_id)

    (foretold,) = await importer(database).preview(file)
    (result,) = await importer(database).run(file)

    assert foretold == result
    assert "unchanged" == result.outcome


async def test_a_file_of_several_batches_is_imported_whole(
    database: Database, owner: asyncpg.Connection, write: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(importing, "BATCH", 3)
    users = [str(1_200_000_000_000_001_000 + n) for n in range(8)]
    document = {user: {"roles": {ROLE: RUNNING}} for user in users}
    seen: list[tuple[int, int]] = []
    file = judged(write(document))
    await importer(database).run(file, lambda done, total: seen.append((done, total)))
    assert [(3, 8), (6, 8), (8, 8)] == seen
    assert await owner.fetchval("SELECT count(*) FROM role_timers") == 8
    assert (await check(owner)).clean


async def test_a_second_run_with_another_file_keeps_what_the_first_brought(
    database: Database, write: Any
) -> None:
    await importer(database).run(judged(write(entry(RUNNING))))
    (result,) = await importer(database).run(judged(write(entry(PAUSED))))

    assert ("kept", "it was imported before, and is not the same now") == told([result])[0]
    assert Standing(remaining_ms=20 * MINUTE) == result.there
    assert Standing(expires_at=NOW + 3 * HOUR) == result.here


async def test_a_timer_that_was_paused_since_is_kept_as_it_is(
    database: Database, write: Any
) -> None:
    await handler_over(database).handle(TIMER, SetTime(NOW, HOUR, M), slash())
    await handler_over(database).handle(TIMER, Pause(NOW + 10 * MINUTE), slash())

    (result,) = await importer(database).run(judged(write(entry(RUNNING))))
    assert ("kept", "it is newer here") == told([result])[0]
    assert Standing(remaining_ms=50 * MINUTE) == result.here


async def test_what_ended_here_is_not_brought_back(database: Database, write: Any) -> None:
    await handler_over(database).handle(TIMER, SetTime(NOW, HOUR, M), slash())
    await handler_over(database).handle(TIMER, Clear(NOW), slash())

    (result,) = await importer(database).run(judged(write(entry(PAUSED))))
    assert ("kept", Standing()) == (result.outcome, result.here)


async def test_a_timer_that_was_changed_while_it_was_imported_is_kept(
    database: Database, write: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    just_before_writing(monkeypatch, somebody_sets_it(database))
    file = judged(write(entry(RUNNING) | entry(PAUSED, OTHER)))
    assert [("kept", "it is newer here"), ("imported", "")] == told(
        await importer(database).run(file)
    )


async def test_two_imports_of_one_file_at_once_write_it_once(
    database: Database, owner: asyncpg.Connection, write: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = judged(write(entry(RUNNING)))

    async def other_import() -> None:
        assert [("imported", "")] == told(await importer(database).run(file))

    just_before_writing(monkeypatch, other_import)
    assert [("unchanged", "")] == told(await importer(database).run(file))
    assert await owner.fetchval("SELECT count(*) FROM events") == 1


async def test_a_role_that_came_to_another_server_meanwhile_is_reported(
    database: Database, write: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    just_before_writing(monkeypatch, somebody_sets_it(database))
    results = await importer(database).run(judged(write(entry(RUNNING)), "77"))
    assert [("failed", ELSEWHERE.format(guild=GUILD))] == told(results)


async def test_what_postgresql_refuses_is_reported_and_harms_no_neighbour(
    database: Database, owner: asyncpg.Connection, write: Any
) -> None:
    await owner.execute(
        f"ALTER TABLE role_timers ADD CONSTRAINT nobody CHECK (user_id <> '{USER}')"
    )
    file = judged(write(entry(RUNNING) | entry(PAUSED, OTHER)))
    refused, imported = await importer(database).run(file)

    assert ("failed", "imported") == (refused.outcome, imported.outcome)
    assert "nobody" in refused.reason


async def test_a_timer_that_only_a_newer_version_understands_is_reported(
    database: Database, superuser: asyncpg.Connection, write: Any
) -> None:
    await handler_over(database).handle(TIMER, SetTime(NOW, HOUR, M), slash())
    await superuser.execute("ALTER TABLE events DISABLE TRIGGER ALL")
    await superuser.execute("""UPDATE events SET data = '{"type": "Doubled", "at": 1}'""")

    (result,) = await importer(database).run(judged(write(entry(RUNNING))))
    assert "failed" == result.outcome
    assert "newer version" in result.reason


async def test_skipping_the_past_leaves_out_what_has_ended_and_nothing_else(
    database: Database, owner: asyncpg.Connection, write: Any
) -> None:
    over = RUNNING | {"expiresAt": NOW}
    ids = [str(1_200_000_000_000_000_010 + n) for n in range(4)]
    never = RUNNING | {"expiresAt": 0}
    held = PAUSED | {"pausedRemainingMs": 0}
    document: dict[str, Any] = {}
    for user, fields in zip(ids, (over, RUNNING, held, never), strict=True):
        document |= entry(fields, user)
    file = judged(write(document))

    preview = await importer(database, skip_past=True).preview(file)
    results = await importer(database, skip_past=True).run(file)
    assert [("skipped", "it has ended"), ("imported", ""), ("imported", "")] == told(results)[:3]
    assert ("skipped", "it has ended") == told(results)[3]
    assert preview == results
    kept = await owner.fetch("SELECT user_id FROM role_timers ORDER BY user_id")
    assert ids[1:3] == [row["user_id"] for row in kept]


async def test_what_was_skipped_is_imported_by_a_run_that_does_not_skip(
    database: Database, write: Any
) -> None:
    file = judged(write(entry(RUNNING | {"expiresAt": 0})))
    await importer(database, skip_past=True).run(file)

    results = await importer(database).run(file)
    assert [("imported", "it has ended, so the next sweep takes the role")] == told(results)
    assert Swept(1, 1) == await sweeper_over(database).sweep(NOW)
    again = await importer(database, skip_past=True).run(file)
    assert [("unchanged", "")] == told(again)


async def test_an_outage_says_how_far_it_came_and_how_to_go_on(
    database: Database, write: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(importing, "BATCH", 1)
    inner, calls = EventStore.append, iter([1])

    async def lost(self: EventStore, *appends: Any) -> Any:
        if next(calls, None) is None:
            raise DatabaseUnavailableError("The database does not answer.")
        return await inner(self, *appends)

    file = judged(write(entry(RUNNING) | entry(PAUSED, OTHER)))
    with monkeypatch.context() as patched:
        patched.setattr(EventStore, "append", lost)
        with pytest.raises(DatabaseUnavailableError, match="1 of 2 timers were done; run the same"):
            await importer(database).run(file)

    assert [("unchanged", ""), ("imported", "")] == told(await importer(database).run(file))


@pytest.mark.parametrize("work", [Importer.run, Importer.preview])
async def test_an_end_more_than_five_years_ahead_is_refused_before_anything_is_written(
    work: Any, database: Database, owner: asyncpg.Connection, write: Any
) -> None:
    absurd = RUNNING | {"expiresAt": NOW + LONGEST + 1}
    file = judged(write(entry(RUNNING) | entry(absurd, OTHER)))

    with pytest.raises(ImportRefusedError, match="more than 5 years ahead"):
        await work(importer(database), file)
    assert await owner.fetchval("SELECT count(*) FROM events") == 0

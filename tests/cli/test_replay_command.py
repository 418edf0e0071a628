"""`boostmon replay` as a process: its words, its exit codes, and how it dies."""

import asyncio
import json
import os
import pty
import random
import re
import signal
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg
import msgspec
import pytest

from boostmon.commands.decider import AddTime, Clear, Pause, SetTime
from boostmon.database.connections.connection import session
from boostmon.database.connections.pool import Database
from boostmon.database.connections.url import role_of
from boostmon.database.schema.migrate import migrate
from boostmon.errors import DatabaseError
from boostmon.events.timer import HOUR, MINUTE
from boostmon.projections.effects.owner import adopt
from boostmon.projections.replay.past import Past, past
from boostmon.projections.replay.run import check, silent
from boostmon.projections.replay.snapshot import snapshot
from boostmon.sandbox import Sandbox
from tests.bench.logs import fill
from tests.cli.test_cli import boostmon, discord, eventually, registered, running, start, stopped
from tests.support.cluster import Pair, pair
from tests.support.timers import CHANNEL, M, fresh_timer, handler_over, slash

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
NOW = 1_700_000_000_123
NO_HEAD = f"7:{'0' * 64}"


@pytest.fixture
async def sandbox() -> Any:
    """Lend a simulated Discord."""
    async with Sandbox() as opened:
        yield opened


@pytest.fixture
async def history(database: Database, owner: asyncpg.Connection) -> list[list[Any]]:
    """Let things happen to two timers; give the rows as they stood after each."""
    handler, one, two = handler_over(database), fresh_timer(), fresh_timer()
    stood = []
    for timer, command in (
        (one, SetTime(NOW, 2 * HOUR, M, CHANNEL)),
        (two, SetTime(NOW + 1, 3 * HOUR, M)),
        (one, Pause(NOW + 2 * MINUTE)),
        (two, AddTime(NOW + 3 * MINUTE, HOUR, M)),
        (one, Clear(NOW + 4 * MINUTE)),
    ):
        await handler.handle(timer, command, slash())
        stood.append(await owner.fetch("SELECT * FROM role_timers ORDER BY expires_at"))
    return stood


async def test_the_past_is_as_the_table_was_after_each_event(
    owner: asyncpg.Connection, history: list[list[Any]]
) -> None:
    for position, rows in enumerate(history, start=1):
        moment = await owner.fetchval("SELECT recorded_at FROM events WHERE position=$1", position)
        found = await past(owner, moment, progress=silent)
        assert (position, []) == (found.position, found.broken)
        assert [
            {name: row[name] for name in timer.__struct_fields__}
            for row, timer in zip(rows, found.timers, strict=True)
        ] == [
            {name: getattr(timer, name) for name in timer.__struct_fields__}
            for timer in found.timers
        ]


async def test_before_the_first_event_there_was_nothing(
    owner: asyncpg.Connection, history: list[list[Any]]
) -> None:
    assert history
    found = await past(owner, datetime(2020, 1, 1, tzinfo=UTC), progress=silent)
    assert (0, [], []) == (found.position, found.timers, found.broken)


@pytest.mark.usefixtures("history")
@pytest.mark.parametrize("written", ["{:%Y-%m-%dT%H:%M:%S.%f%z}", "{:%Y-%m-%d %H:%M:%S.%f}", "ms"])
async def test_as_of_takes_a_time_however_it_is_written(
    owner: asyncpg.Connection, owner_url: str, written: str
) -> None:
    moment = await owner.fetchval("SELECT recorded_at FROM events WHERE position = 4")
    if written == "ms":
        moment = moment.replace(microsecond=moment.microsecond // 1000 * 1000)
        text = str((moment - EPOCH) // timedelta(milliseconds=1))
    else:
        text = written.format(moment)
    expected = await past(owner, moment, progress=silent)

    outcome = await boostmon("replay", "--as-of", text, "--json", DATABASE_URL=owner_url)

    assert (0, expected) == (outcome.code, msgspec.json.decode(outcome.out, type=Past))


@pytest.mark.usefixtures("history")
@pytest.mark.parametrize(
    ("written", "moment"),
    [
        ("0", "1970-01-01 00:00:00"),
        ("999", "1970-01-01 00:00:00"),
        ("1234567890", "1970-01-15 06:56:07"),
        ("20010203", "2001-02-03 00:00:00"),
        ("0001-01-01", "0001-01-01 00:00:00"),
    ],
)
async def test_as_of_takes_any_time_and_shows_its_year_in_four_digits(
    owner_url: str, written: str, moment: str
) -> None:
    outcome = await boostmon("replay", "--as-of", written, DATABASE_URL=owner_url)

    assert (0, f"0 timers at {moment} UTC, position 0\n") == (outcome.code, outcome.out)


@pytest.mark.usefixtures("history")
async def test_rows_that_the_log_does_not_ask_for_are_counted_among_all(
    owner: asyncpg.Connection, owner_url: str
) -> None:
    await owner.execute(
        "INSERT INTO role_timers (id, guild_id, user_id, role_id, expires_at, version)"
        " SELECT n, '1', n::text, '2', 5, 1 FROM generate_series(900, 905) AS n"
    )
    outcome = await boostmon("replay", "--check", DATABASE_URL=owner_url)

    assert "replay --check: 6 of 7 rows differ\n" in outcome.out


async def test_as_of_shows_a_table(
    owner: asyncpg.Connection, owner_url: str, history: list[list[Any]]
) -> None:
    moment = await owner.fetchval("SELECT recorded_at FROM events WHERE position = 3")
    outcome = await boostmon("replay", "--as-of", moment.isoformat(), DATABASE_URL=owner_url)

    assert outcome.code == 0
    assert re.search(rf"{history[2][0]['user_id']} .* paused .* 1 hour 58 minutes ", outcome.out)
    assert re.search(rf"{history[2][1]['user_id']} .* 2023-11-15 01:13:20 .* over ", outcome.out)
    assert re.search(r"\n2 timers at \d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC, position 3\n", outcome.out)


@pytest.mark.usefixtures("history")
async def test_the_past_of_a_broken_log_is_shown_as_such(
    owner: asyncpg.Connection, owner_url: str
) -> None:
    await owner.execute("ALTER TABLE events DISABLE TRIGGER events_are_append_only")
    await owner.execute("UPDATE events SET source = 'cli' WHERE position = 2")
    outcome = await boostmon("replay", "--as-of", "2999-01-01", DATABASE_URL=owner_url)

    assert outcome.code == 1
    assert "broken: position 2: the event is not the one that was recorded\n" in outcome.out


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("--head", NO_HEAD), "--head is for --check; add it."),
        (("--as-of", "2026-01-01", "--check"), "--as-of changes and checks nothing; leave out"),
        (("--as-of", "2026-01-01", "--head", NO_HEAD), "--as-of changes and checks nothing"),
        (("--as-of", "yesterday"), "'yesterday' is no time; write 2026-11-22T18:30Z"),
        (("--as-of", "9" * 30), "is no time; write"),
        (("--as-of", "0001-01-01T00:00+14:00"), "is no time; write"),
        (("--check", "--head", "7:abc"), "'7:abc' is no head; give one that"),
        (("--check", "--head", ""), "'' is no head; give one that"),
    ],
)
async def test_wrong_usage_exits_2_with_a_sentence(
    arguments: tuple[str, ...], sentence: str
) -> None:
    outcome = await boostmon("replay", *arguments)
    assert (2, "") == (outcome.code, outcome.out)
    assert sentence in outcome.err.splitlines()[-1]


@pytest.mark.usefixtures("history")
async def test_a_head_noted_is_found_or_missed(owner: asyncpg.Connection, owner_url: str) -> None:
    noted = (await check(owner)).head
    arguments = ("replay", "--check", "--head", noted)
    kept = await boostmon(*arguments, DATABASE_URL=owner_url)
    await owner.execute("ALTER TABLE events DISABLE TRIGGER events_are_append_only")
    await owner.execute("DELETE FROM events WHERE position = 5")
    missed = await boostmon(*arguments, DATABASE_URL=owner_url)

    assert (0, 1) == (kept.code, missed.code)
    assert "broken: the log ends at position 4 and once reached 5: its newest events" in missed.out


@pytest.mark.usefixtures("history")
async def test_run_logs_the_head_at_the_start_and_at_the_end(
    owner: asyncpg.Connection, owner_url: str, sandbox: Sandbox
) -> None:
    head = (await check(owner)).head
    await adopt(owner, sandbox.state()["ids"]["bot"])
    async with running("run", DATABASE_URL=owner_url, **discord(sandbox)) as process:
        await eventually(lambda: registered(sandbox))
        outcome = await stopped(process, signal.SIGTERM)

    plain = re.sub(r"\x1b\[\d+m", "", outcome.err)
    logged = re.findall(r"head of the log .*", plain)
    assert ["start", "end"] == [re.findall(r"at the (\w+)", line)[0] for line in logged]
    assert f"head={head}" in logged[0]
    assert re.search(r"head=\d+:[0-9a-f]{64}", logged[1])


async def test_killed_at_any_moment_it_leaves_only_right_rows_and_rows_as_they_were(
    owner: asyncpg.Connection, owner_url: str
) -> None:
    await fill(owner, events=8 * 3_000, timers=3_000)
    right = await rows(owner)
    await owner.execute("UPDATE role_timers SET expires_at = 1, user_id = user_id || 'x'")
    wrong = await rows(owner)
    tables = await owner.fetch(
        "SELECT relname FROM pg_class WHERE relnamespace = $1::regnamespace ORDER BY relname",
        await owner.fetchval("SELECT current_schema()"),
    )
    choose, mended = random.Random(4), 0  # noqa: S311 - the same moments each time
    for _ in range(8):
        process = await start("replay", DATABASE_URL=owner_url)
        goal = mended + choose.randrange(1, 700)
        while process.returncode is None and mended < goal:
            found = await rows(owner)
            mended = sum(found.get(number) == row for number, row in right.items())
            await asyncio.sleep(0)
        if process.returncode is None:
            process.kill()
        await process.communicate()
        await until_alone(owner)
        left = await rows(owner)
        assert set(right) == set(left)
        assert all(row in (right[number], wrong[number]) for number, row in left.items())

    assert 0 < mended
    assert tables == await owner.fetch(
        "SELECT relname FROM pg_class WHERE relnamespace = $1::regnamespace ORDER BY relname",
        await owner.fetchval("SELECT current_schema()"),
    )
    assert (await boostmon("replay", DATABASE_URL=owner_url)).code == 0
    assert right == await rows(owner)
    assert (await check(owner)).clean


async def rows(owner: asyncpg.Connection) -> dict[int, Any]:
    return {row["id"]: row for row in await owner.fetch("SELECT * FROM role_timers")}


async def until_alone(owner: asyncpg.Connection) -> None:
    """Wait until nobody holds a lock on the log; PostgreSQL notices by itself who has died."""
    async with asyncio.timeout(10):
        while await owner.fetchval(  # noqa: ASYNC110 - a server raises no event
            "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'"
            " AND objid = 'events'::regclass::oid"
        ):
            await asyncio.sleep(0.01)


async def test_a_standby_can_be_checked_looked_back_at_told_of_counted_and_exported() -> None:
    async with pair() as nodes:
        async with session(nodes.owner_url) as owner:
            await migrate(owner, role_of(nodes.bot_url))
            await fill(owner, events=400, timers=100)
        url = nodes.second.url("boostmon")
        last = "SELECT coalesce(max(position), 0) = 400 FROM events"
        await nodes.second.until(last)

        checked = await boostmon("replay", "--check", DATABASE_URL=url)
        looked = await boostmon("replay", "--as-of", "2999-01-01", "--json", DATABASE_URL=url)
        user = await nodes.second.ask("SELECT user_id FROM event_log WHERE position = 1")
        told = await boostmon("history", user, "--json", DATABASE_URL=url)
        counted = await boostmon("stats", "--days", "10000", "--json", DATABASE_URL=url)
        as_bot = nodes.second.url("boostmon_bot")
        by_the_bot = [
            await boostmon(*words, DATABASE_URL=as_bot)
            for words in (["replay", "--check"], ["history", user], ["stats"], ["export"])
        ]
        exported = await boostmon("export", DATABASE_URL=url)
        mended = await boostmon("replay", DATABASE_URL=url)
        with pytest.raises(DatabaseError, match=r"^The standby has ended the reading .* at the"):
            await _read_what_is_vacuumed_away(nodes)

    assert (0, 0) == (checked.code, looked.code)
    assert "400 events, head 400:" in checked.out
    assert json.loads(looked.out)["position"] == 400
    assert json.loads(told.out)[0]["position"] == 1
    assert counted.code == 0, counted.err
    assert [0] * 4 == [outcome.code for outcome in by_the_bot], by_the_bot
    assert json.loads(counted.out)["total"]["set"] >= 100
    assert len(exported.out.splitlines()) == 400
    assert mended.sentence.startswith("This server is a standby, where nothing can be mended; name")


async def _read_what_is_vacuumed_away(nodes: Pair) -> None:
    await nodes.second.ask("ALTER SYSTEM SET max_standby_streaming_delay = 0")
    await nodes.second.ask("SELECT pg_reload_conf()")
    standby = nodes.second.url("boostmon")
    async with session(nodes.owner_url) as owner, session(standby) as reader, snapshot(reader):
        await reader.fetchval("SELECT count(*) FROM role_timers")
        reading = asyncio.create_task(reader.execute("SELECT pg_sleep(60)"))
        await nodes.second.until(SLEEPING)
        await owner.execute("DELETE FROM role_timers")
        await owner.execute("VACUUM role_timers")
        await reading


SLEEPING = "SELECT count(*) = 1 FROM pg_stat_activity WHERE wait_event = 'PgSleep'"


@pytest.fixture
def terminal() -> Iterator[tuple[int, int]]:
    """Lend both ends of a terminal."""
    ours, theirs = pty.openpty()
    yield ours, theirs
    os.close(ours)


async def test_on_a_terminal_it_says_how_far_it_is_how_fast_and_how_long_yet(
    owner: asyncpg.Connection, owner_url: str, terminal: tuple[int, int]
) -> None:
    await fill(owner, events=30_000, timers=3_000)
    ours, theirs = terminal
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "boostmon", "replay", "--check"),
        env=os.environ | {"DATABASE_URL": owner_url, "COLUMNS": "120", "TERM": "xterm"},
        stdout=asyncio.subprocess.DEVNULL,
        stderr=theirs,
    )
    os.close(theirs)
    said = await asyncio.to_thread(_all_of, ours)

    assert await process.wait() == 0
    assert re.search(r"folding events .* of 30,000 .*/s .*\d:\d\d:\d\d", said)
    assert "comparing rows" in said
    assert "Traceback" not in said


def _all_of(terminal: int) -> str:
    parts = []
    try:
        while part := os.read(terminal, 65536):
            parts.append(part)
    except OSError:  # the other end is closed
        pass
    return b"".join(parts).decode()

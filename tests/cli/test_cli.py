"""The command line as a user meets it: each test starts real processes."""

import asyncio
import json
import os
import re
import signal
import socket
import sys
import time
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, closing
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import asyncpg
import pytest

from boostmon.commands.decider import Pause, SetTime
from boostmon.database.connections.pool import Database
from boostmon.database.embedded.postgres import EmbeddedPostgres
from boostmon.database.embedded.server import read_pidfile
from boostmon.events.timer import HOUR, MINUTE
from boostmon.sandbox import Sandbox
from tests.support.databases import Gate, Schema, world_folder
from tests.support.timers import GUILD, ROLE, M, fresh_timer, handler_over, slash

PASSWORD = "kept-to-ourselves"  # noqa: S105 - must never be seen
TOKEN = "MTEwMDAwMDAwMDAwMDAwMDAwMQ.kept.secret"  # noqa: S105 - must never be seen
QUIET = {"BOOSTMON_LOG_LEVEL": "warning"}
STOPPED_WITHIN = 5.0  # seconds
READY_WITHIN = 30.0
NOW = 1_700_000_000_123
OLD_SERVER = b"R\0\0\0\x08\0\0\0\0S\0\0\0\x19server_version\x0014.11\0Z\0\0\0\x05I"


class Outcome(NamedTuple):
    """How a process ended, and what it said."""

    code: int
    out: str
    err: str

    @property
    def sentence(self) -> str:
        """The one sentence of an error; nothing else may have been said."""
        lines = [line for line in self.err.splitlines() if not line.startswith("database: ")]
        assert (1, "", 1) == (self.code, self.out, len(lines)), self
        assert lines[0].startswith("boostmon: "), self
        assert lines[0].endswith("."), self
        return lines[0].removeprefix("boostmon: ")


async def start(*arguments: str, **environ: str) -> Process:
    return await asyncio.create_subprocess_exec(
        *[sys.executable, "-m", "boostmon", *arguments],
        env=os.environ | environ,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=PIPE,
        stderr=PIPE,
    )


async def ended(process: Process) -> Outcome:
    out, err = await asyncio.wait_for(process.communicate(), 60)
    assert process.returncode is not None
    outcome = Outcome(process.returncode, out.decode(), err.decode())
    for secret in (PASSWORD, TOKEN):
        assert secret not in outcome.out + outcome.err
    return outcome


async def boostmon(*arguments: str, **environ: str) -> Outcome:
    """Run a command to its end."""
    return await ended(await start(*arguments, **environ))


@asynccontextmanager
async def running(*arguments: str, **environ: str) -> AsyncIterator[Process]:
    """Lend a process that would go on and on; a failing test does not leave it behind."""
    process = await start(*arguments, **environ)
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
            await process.communicate()


async def stopped(process: Process, number: int) -> Outcome:
    """Send a signal, and see the process end in time."""
    began = time.monotonic()
    process.send_signal(number)
    outcome = await ended(process)
    assert time.monotonic() - began < STOPPED_WITHIN
    return outcome


async def eventually(happened: Callable[[], bool], *, within: float = READY_WITHIN) -> None:
    async with asyncio.timeout(within):
        while not happened():  # noqa: ASYNC110 - it happens in another process
            await asyncio.sleep(0.05)


def registered(sandbox: Sandbox) -> bool:
    return any(any(bot["commands"].values()) for bot in sandbox.state()["bots"])


def discord(sandbox: Sandbox) -> dict[str, str]:
    return {"DISCORD_TOKEN": sandbox.token, "BOOSTMON_DISCORD_API": sandbox.api}


@pytest.fixture
async def sandbox() -> AsyncIterator[Sandbox]:
    """Lend a simulated Discord."""
    async with Sandbox() as opened:
        yield opened


@pytest.fixture
def folder() -> Iterator[Path]:
    """Lend a folder that whoever runs PostgreSQL may enter."""
    with world_folder() as made:
        yield made


@pytest.fixture
def taken_port() -> Iterator[int]:
    """Lend a port on which somebody listens."""
    with closing(socket.create_server(("127.0.0.1", 0))) as server:
        yield server.getsockname()[1]


# Errors: one sentence, exit 1.


@pytest.mark.parametrize(
    "url", [f"mysql://me:{PASSWORD}@host/db", f"postgresql://me:{PASSWORD}@host:port/db"]
)
async def test_a_malformed_database_url_is_named_and_not_quoted(url: str) -> None:
    sentence = (await boostmon("migrate", DATABASE_URL=url)).sentence

    assert sentence.startswith("DATABASE_URL ")
    assert "postgresql://user:password@host:5432/name" in sentence


async def test_an_unreachable_database_is_said_to_be_so_without_the_password() -> None:
    url = f"postgresql://me:{PASSWORD}@127.0.0.1:1/db"

    sentence = (await boostmon("migrate", DATABASE_URL=url)).sentence

    assert sentence == (
        "The database at postgresql://me:***@127.0.0.1:1/db does not answer (connection refused); "
        "check that it runs and that DATABASE_URL is right."
    )


async def test_an_unknown_database_comes_with_the_remedy(bot_url: str) -> None:
    async with Gate(bot_url) as gate:
        login = urlsplit(gate.url).netloc
        sentence = (await boostmon("migrate", DATABASE_URL=f"postgresql://{login}/no")).sentence

    assert "has no such database; create it with createdb" in sentence


async def test_a_wrong_password_is_refused_by_a_real_server(folder: Path) -> None:
    async with EmbeddedPostgres(folder / "database", durable=False) as server:
        await _lock(server, folder / "database" / "data" / "pg_hba.conf")
        async with Gate(server.url) as gate:
            right = f"postgresql://locked:{PASSWORD}@127.0.0.1:{gate.port}/boostmon"
            await (await asyncpg.connect(right)).close()
            wrong = right.replace(PASSWORD, f"{PASSWORD}!")

            sentence = (await boostmon("migrate", DATABASE_URL=wrong)).sentence

    assert "refused the user or the password; correct DATABASE_URL, or" in sentence


async def _lock(server: EmbeddedPostgres, rules: Path) -> None:
    connection = await asyncpg.connect(server.superuser_url)
    await connection.execute(f"CREATE ROLE locked LOGIN PASSWORD '{PASSWORD}'")
    await connection.execute("GRANT CONNECT ON DATABASE boostmon TO locked")
    rules.write_text(f"local all locked scram-sha-256\n{rules.read_text()}")
    await connection.execute("SELECT pg_reload_conf()")
    await connection.close()


async def test_an_old_server_is_refused_with_both_versions() -> None:
    async def greet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer as PostgreSQL 14 does; a real one is not at hand."""
        await reader.read(1000)
        writer.write(OLD_SERVER)
        await reader.read()
        writer.close()

    async with await asyncio.start_server(greet, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        url = f"postgresql://me:{PASSWORD}@127.0.0.1:{port}/db?sslmode=disable"
        sentence = (await boostmon("migrate", DATABASE_URL=url)).sentence

    assert "is PostgreSQL 14, and BoostMon needs 15 or newer; upgrade it" in sentence


async def test_a_wrong_owner_url_is_not_blamed_on_the_bots(bot_url: str) -> None:
    owner = f"postgresql://me:{PASSWORD}@127.0.0.1:1/db"

    outcome = await boostmon("migrate", DATABASE_URL=bot_url, BOOSTMON_OWNER_DATABASE_URL=owner)

    assert outcome.sentence.endswith("BOOSTMON_OWNER_DATABASE_URL is right.")


async def test_a_missing_token_is_named_with_the_place_to_find_it() -> None:
    sentence = (await boostmon("run")).sentence

    assert sentence.startswith("DISCORD_TOKEN is not set; it must be the bot's token")


async def test_a_refused_token_is_said_to_be_so(sandbox: Sandbox, owner_url: str) -> None:
    wrong = {"DISCORD_TOKEN": TOKEN, "BOOSTMON_DISCORD_API": sandbox.api} | QUIET

    sentence = (await boostmon("run", DATABASE_URL=owner_url, **wrong)).sentence

    assert sentence.startswith("Discord refuses DISCORD_TOKEN; copy it again")


async def test_a_silent_discord_is_said_to_be_so(owner_url: str) -> None:
    nobody = {"DISCORD_TOKEN": TOKEN, "BOOSTMON_DISCORD_API": "http://127.0.0.1:1/api/v10"}

    sentence = (await boostmon("run", DATABASE_URL=owner_url, **nobody, **QUIET)).sentence

    assert sentence.startswith("Discord at http://127.0.0.1:1/api/v10 does not answer")


@pytest.mark.parametrize("command", ["sandbox", "demo"])
async def test_a_port_in_use_is_named_with_the_option_to_change(
    command: str, taken_port: int
) -> None:
    sentence = (await boostmon(command, "--port", str(taken_port))).sentence

    assert sentence.startswith(f"Port {taken_port} cannot be used")
    assert sentence.endswith("give another one with --port.")


async def test_a_data_folder_of_another_major_version_is_refused(folder: Path) -> None:
    (folder / "data").mkdir()
    (folder / "data" / "PG_VERSION").write_text("12\n")

    sentence = (await boostmon("migrate", BOOSTMON_DATA_DIR=str(folder))).sentence

    assert sentence.startswith("The data folder was made by PostgreSQL 12, and this is PostgreSQL")
    assert sentence.endswith("install 12, or choose another BOOSTMON_DATA_DIR.")


async def test_a_data_folder_that_cannot_be_written_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").touch()  # not even root can make a folder below it
    place = tmp_path / "file" / "database"

    sentence = (await boostmon("migrate", BOOSTMON_DATA_DIR=str(place))).sentence

    assert sentence.startswith(f"The data folder {place} cannot be written")
    assert "set BOOSTMON_DATA_DIR" in sentence


@pytest.mark.parametrize(
    "arguments",
    [
        ("stats",),
        ("replay", "--check"),
        ("replay", "--as-of", "2026-11-22"),
        ("export",),
        ("history", "1200000000000000000"),
        ("erase", "1200000000000000000", "--yes"),
        ("adopt-database", "--yes"),
        ("forget-server", "1200000000000000000"),
        ("resolve-removals", "1200000000000000000", "--end"),
    ],
    ids=lambda arguments: " ".join(arguments[:2]),
)
async def test_what_needs_a_database_makes_none(
    tmp_path: Path, arguments: tuple[str, ...], sandbox: Sandbox
) -> None:
    place = tmp_path / "none"

    outcome = await boostmon(*arguments, BOOSTMON_DATA_DIR=str(place), **discord(sandbox))

    assert outcome.sentence.startswith(f"There is no database in {place} yet; start `boostmon run`")
    assert not place.exists()


@pytest.mark.parametrize(
    ("name", "value"),
    [("BOOSTMON_LOG_LEVEL", "loud"), ("BOOSTMON_SWEEP_INTERVAL", "soon")],
)
async def test_a_malformed_setting_is_named(name: str, value: str) -> None:
    sentence = (await boostmon("run", DISCORD_TOKEN=TOKEN, **{name: value})).sentence

    assert sentence.startswith(f"{name} must be ")


async def test_a_database_without_tables_is_sent_to_migrate(empty_schema: Schema) -> None:
    sentence = (await boostmon("replay", DATABASE_URL=empty_schema.owner_url)).sentence

    assert sentence == "The database is not up to date; run `boostmon migrate` first."


@pytest.mark.parametrize(
    "arguments",
    [("unknown",), ("import",), ("demo", "--speed", "0"), ("replay", "--what"), ("sandbox", "x")],
)
async def test_wrong_usage_exits_2_and_points_at_the_help(arguments: tuple[str, ...]) -> None:
    outcome = await boostmon(*arguments)

    assert (2, "") == (outcome.code, outcome.out)
    assert "Error: " in outcome.err
    assert "boostmon" in outcome.err
    assert "--help" in outcome.err


async def test_debug_shows_the_traceback_that_is_otherwise_kept_back() -> None:
    outcome = await boostmon("--debug", "run")

    assert outcome.code == 1
    assert "Traceback (most recent call last)" in outcome.err
    assert "ConfigurationError: DISCORD_TOKEN is not set" in outcome.err


# Where the output goes.


@pytest.fixture
async def written(database: Database) -> dict[str, str]:
    """Have a timer; give for each command a line of it that prints something."""
    timer = fresh_timer()
    await handler_over(database).handle(timer, SetTime(NOW, 2 * HOUR, M), slash())
    return {
        "history": f"history {timer.user_id}",
        "history as JSON": f"history {timer.user_id} --json",
        "check": "replay --check",
        "check as JSON": "replay --check --json",
        "past": "replay --as-of 2999-01-01",
        "stats": "stats",
        "help": "--help",
    }


PRINTING = ["history", "history as JSON", "check", "check as JSON", "past", "stats", "help"]


async def in_shell(line: str, url: str) -> tuple[str, list[str]]:
    """Run *line* of boostmon in a shell; return its exit code and what it said on stderr."""
    process = await asyncio.create_subprocess_exec(
        *("bash", "-c", f"{sys.executable} -m boostmon {line}; echo ${{PIPESTATUS[0]}} >&2"),
        env=os.environ | {"DATABASE_URL": url},
        stdout=PIPE,
        stderr=PIPE,
    )
    said = (await ended(process)).err.splitlines()
    return said[-1], [line for line in said[:-1] if not line.startswith("database: ")]


NO_DEV_FULL = pytest.mark.skipif(
    # Linux has it, macOS has not, and no other file is full at will.
    not Path("/dev/full").exists(),
    reason="this system has no /dev/full",
)


@pytest.mark.parametrize("command", PRINTING)
@pytest.mark.parametrize(
    ("where", "why"),
    [
        pytest.param(">/dev/full", "No space left on device", marks=NO_DEV_FULL),
        (">&-", "it is closed"),
    ],
)
async def test_an_output_that_cannot_be_written_is_a_sentence(
    written: dict[str, str], owner_url: str, command: str, where: str, why: str
) -> None:
    code, said = await in_shell(f"{written[command]} {where}", owner_url)

    remedy = "make room or send it elsewhere, and run it again."
    assert ("1", [f"boostmon: The output cannot be written ({why}); {remedy}"]) == (code, said)


@pytest.mark.parametrize("command", PRINTING)
async def test_a_reader_that_has_gone_ends_a_command_quietly(
    written: dict[str, str], owner_url: str, command: str
) -> None:
    gone = "| exec 0<&-"  # nobody will ever read
    assert ("0", []) == await in_shell(f"{written[command]} {gone}", owner_url)


# Starting and stopping.


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
async def test_a_signal_stops_the_bot_and_its_database_cleanly(
    number: signal.Signals, folder: Path, sandbox: Sandbox
) -> None:
    async with running("run", BOOSTMON_DATA_DIR=str(folder), **discord(sandbox)) as process:
        await eventually(lambda: registered(sandbox))
        server_pid, state = read_pidfile(folder / "data")
        assert server_pid is not None
        assert state == "ready"

        outcome = await stopped(process, number)

    assert (0, "") == (outcome.code, outcome.out)
    assert not re.search("Traceback|Unclosed|never retrieved|was destroyed", outcome.err)
    assert (None, "") == read_pidfile(folder / "data")
    with pytest.raises(ProcessLookupError):
        os.kill(server_pid, 0)
    log = (folder / "server.log").read_text()
    assert "database system is shut down" in log
    assert "terminating connection" not in log  # the pool was closed before the server


async def test_run_waits_for_its_database(owner_url: str, sandbox: Sandbox) -> None:
    gate = Gate(owner_url)
    async with gate:
        pass  # now it has a port, and is closed
    async with running("run", DATABASE_URL=gate.url, **discord(sandbox)) as process:
        await _knocked(gate.port)
        assert process.returncode is None
        async with gate:
            await eventually(lambda: registered(sandbox))
            outcome = await stopped(process, signal.SIGTERM)

    assert outcome.code == 0


async def test_run_can_be_stopped_while_it_waits_for_its_database(sandbox: Sandbox) -> None:
    gate = Gate("postgresql://me@nobody/db")
    async with gate:
        pass
    async with running("run", DATABASE_URL=gate.url, **discord(sandbox)) as process:
        await _knocked(gate.port)

        outcome = await stopped(process, signal.SIGTERM)

    assert outcome.code == 0
    assert "Traceback" not in outcome.err


async def _knocked(port: int) -> None:
    """Wait until somebody tries to connect to *port*, and turn them away."""
    knock = asyncio.Event()

    def turn_away(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.transport.abort()
        knock.set()

    async with await asyncio.start_server(turn_away, "127.0.0.1", port):
        await asyncio.wait_for(knock.wait(), READY_WITHIN)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
async def test_a_signal_ends_the_sandbox_as_a_success(number: signal.Signals) -> None:
    async with running("sandbox") as process:
        assert process.stdout is not None
        said = (await process.stdout.readline()).decode()

        outcome = await stopped(process, number)

    assert re.match(r"A Discord listens at http://127\.0\.0\.1:\d+ ", said)
    assert (0, "") == (outcome.code, outcome.err)


# migrate, replay, import.


async def test_migrating_twice_changes_nothing_the_second_time(empty_schema: Schema) -> None:
    first = await boostmon("migrate", DATABASE_URL=empty_schema.owner_url)
    second = await boostmon("migrate", DATABASE_URL=empty_schema.owner_url)

    assert (0, 0) == (first.code, second.code)
    assert first.out.startswith("applied 0001_role_timers\napplied 0002_events\n")
    assert second.out == "0 migrations applied; the database is up to date\n"


@pytest.fixture
async def two_timers(database: Database) -> None:
    """Have two timers, one of them paused."""
    handler, running_one, paused_one = handler_over(database), fresh_timer(), fresh_timer()
    for timer in (running_one, paused_one):
        await handler.handle(timer, SetTime(NOW, 2 * HOUR, M), slash())
    await handler.handle(paused_one, Pause(NOW + MINUTE), slash())


@pytest.mark.usefixtures("two_timers")
async def test_replay_check_of_a_clean_database_exits_0(owner: Any, owner_url: str) -> None:
    head = await owner.fetchval("SELECT encode(hash, 'hex') FROM events ORDER BY position DESC")

    plain = await boostmon("replay", "--check", DATABASE_URL=owner_url)
    as_json = await boostmon("replay", "--check", "--json", DATABASE_URL=owner_url)

    assert (0, 0) == (plain.code, as_json.code)
    assert plain.out == f"replay --check: 0 of 2 rows differ\n3 events, head 3:{head}\n"
    assert {
        "events": 3,
        "timers": 2,
        "head": f"3:{head}",
        "rows_differing": 0,
        "rows_mended": 0,
        "drifts": [],
        "broken": [],
        "unreadable": [],
        "remarks": [],
    } == json.loads(as_json.out)


@pytest.mark.usefixtures("two_timers")
async def test_a_row_changed_by_hand_fails_the_check_and_is_mended(
    owner: Any, owner_url: str
) -> None:
    number = await owner.fetchval("SELECT min(id) FROM role_timers")
    await owner.execute("UPDATE role_timers SET expires_at = 5 WHERE id = $1", number)

    check = await boostmon("replay", "--check", DATABASE_URL=owner_url)
    as_json = await boostmon("replay", "--check", "--json", DATABASE_URL=owner_url)
    mend = await boostmon("replay", DATABASE_URL=owner_url)
    again = await boostmon("replay", "--check", DATABASE_URL=owner_url)

    assert [1, 1, 0, 0] == [check.code, as_json.code, mend.code, again.code]
    assert "1 of 2 rows differ\n" in check.out
    assert re.search(rf"{number} .* expires_at .* {NOW + 2 * HOUR} .* 5 ", check.out)
    drift = {"number": number, "column": "expires_at", "log": NOW + 2 * HOUR, "table": 5}
    assert [drift] == json.loads(as_json.out)["drifts"]
    assert "replay: 1 of 2 rows differ, mended\n" in mend.out
    assert "0 of 2 rows differ\n" in again.out


@pytest.mark.usefixtures("two_timers")
async def test_an_edited_event_fails_both_forms_of_replay(owner: Any, owner_url: str) -> None:
    await owner.execute("ALTER TABLE events DISABLE TRIGGER events_are_append_only")
    await owner.execute("UPDATE events SET source = 'cli' WHERE position = 2")

    check = await boostmon("replay", "--check", DATABASE_URL=owner_url)
    mend = await boostmon("replay", DATABASE_URL=owner_url)

    assert (1, 1) == (check.code, mend.code)
    for outcome in (check, mend):
        assert "broken: position 2: the event is not the one that was recorded\n" in outcome.out


@pytest.fixture
def data_json(tmp_path: Path) -> Path:
    """Have a file of the JavaScript bot with a running and a paused timer."""
    paused = {
        "expiresAt": NOW,
        "paused": True,
        "pausedAt": NOW - HOUR,
        "pausedRemainingMs": HOUR,
    }
    path = tmp_path / "data.json"
    end = round(time.time() * 1000) + 40 * HOUR
    document = {"1200": {"roles": {ROLE: {"expiresAt": end}}}, "1201": {"roles": {ROLE: paused}}}
    path.write_text(json.dumps(document))
    return path


async def test_an_import_counts_once_however_often_it_is_given(
    data_json: Path, owner: Any, owner_url: str
) -> None:
    arguments = ("import", str(data_json), "--guild", GUILD, "--unverified")

    dry = await boostmon(*arguments, "--dry-run", DATABASE_URL=owner_url)
    assert await owner.fetchval("SELECT count(*) FROM events") == 0
    first = await boostmon(*arguments, DATABASE_URL=owner_url)
    second = await boostmon(*arguments, DATABASE_URL=owner_url)

    assert (0, "2 would be imported") == (dry.code, dry.out.splitlines()[-1])
    assert (0, "2 imported\n") == (first.code, first.out)
    assert (0, "0 imported\n2 imported before, unchanged\n") == (second.code, second.out)
    types = await owner.fetch("SELECT type FROM event_log ORDER BY position")
    assert ["TimerSet", "TimerSet", "Paused"] == [row["type"] for row in types]


async def test_an_import_migrates_first_and_tells_each_timer_as_json(
    data_json: Path, empty_schema: Schema
) -> None:
    arguments = ("import", str(data_json), "--guild", GUILD, "--unverified", "--json")

    outcome = await boostmon(*arguments, DATABASE_URL=empty_schema.owner_url)

    assert outcome.code == 0
    assert ["imported", "imported"] == [told["outcome"] for told in json.loads(outcome.out)]


@pytest.mark.usefixtures("two_timers")
async def test_a_timer_of_another_server_is_refused_and_its_neighbours_are_not(
    data_json: Path, owner: Any, owner_url: str
) -> None:
    user = await owner.fetchval("SELECT user_id FROM event_log LIMIT 1")
    document = json.loads(data_json.read_text())
    document[user] = document["1200"]
    data_json.write_text(json.dumps(document))

    arguments = ("import", str(data_json), "--guild", "77", "--unverified")

    outcome = await boostmon(*arguments, DATABASE_URL=owner_url)

    assert outcome.code == 1
    assert f"refused: member {user}, role {ROLE}: the role belongs to server" in outcome.out
    assert "2 imported\n" in outcome.out


BAD_FILES = {
    "no JSON": ("{", "is not JSON"),
    "another shape": ('{"1200": {"ends": 5}}', '"1200" has neither "roles" nor "expiresAt"'),
    "no id": ('{"bob": {"roles": {}}}', '"bob" in the file is no id of Discord'),
    "no time": ('{"1": {"roles": {"2": {"expiresAt": "x"}}}}', "is no time in milliseconds"),
}


@pytest.mark.parametrize(("content", "why"), BAD_FILES.values(), ids=BAD_FILES)
async def test_a_bad_file_is_refused_whole_with_the_place_in_it(
    content: str, why: str, tmp_path: Path
) -> None:
    path = tmp_path / "data.json"
    path.write_text(content)

    sentence = (await boostmon("import", str(path), "--guild", GUILD)).sentence

    assert why in sentence
    assert sentence.endswith("nothing was written.")


async def test_a_missing_file_is_named() -> None:
    sentence = (await boostmon("import", "nowhere.json", "--guild", GUILD)).sentence

    assert sentence == "nowhere.json: No such file or directory; nothing was written."

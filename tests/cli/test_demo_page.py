"""What the demonstration tells its page, and what the page may ask of it."""

import asyncio
import os
import signal
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import aiohttp
import asyncpg
import pytest
from msgspec import Struct

from boostmon.cli.demonstration.beside import beside
from boostmon.cli.demonstration.board import KEPT, Board
from boostmon.cli.demonstration.bot_process import BotProcess
from boostmon.cli.demonstration.feed import Feed
from boostmon.cli.demonstration.page import Page
from boostmon.cli.demonstration.scene import Scene
from boostmon.cli.demonstration.tempo import Tempo
from boostmon.cli.demonstration.town import DemoError, is_there
from boostmon.cli.demonstration.world import WORLD
from boostmon.cli.terminal.places import Place
from boostmon.commands.decider import AddTime, Clear, Pause, SetTime, TimerCommand
from boostmon.commands.handler import CommandHandler
from boostmon.database.clocks.clock import DrivenClock, FileClock
from boostmon.database.connections.pool import Database
from boostmon.events.timer import HOUR, MINUTE, TimerId
from boostmon.sandbox import Sandbox
from tests.support.streams import Stream, stream
from tests.support.timers import ACTOR, M, fresh_timer, handler_over, slash


class Demo(Struct):
    """A page's surroundings without the page: a person with a browser, and the write side."""

    scene: Scene
    sandbox: Sandbox
    http: aiohttp.ClientSession
    handler: CommandHandler

    @property
    def url(self) -> str:
        """Where it is."""
        return self.sandbox.url

    def stream(self, *, after: int | None = None) -> Any:
        """Open the stream."""
        return stream(self.http, self.url, after=after)

    async def post(self, what: str, body: Any, **headers: str) -> tuple[int, str]:
        """Ask for something; return the status, and the message if there is one."""
        url = f"{self.url}/_demo/{what}"
        async with self.http.post(url, json=body, headers=headers) as answer:
            shown = await answer.json() if answer.content_length else {}
            return answer.status, shown.get("message", "")

    async def do(self, timer: TimerId, command: TimerCommand) -> None:
        """Record what *command* causes."""
        await self.handler.handle(timer, command, slash())

    async def set(self, timer: TimerId, duration: int = 2 * HOUR) -> None:
        """Start a timer now."""
        await self.do(timer, SetTime(self.scene.tempo.now(), duration, M))


def scene_in(folder: Path) -> Scene:
    board = Board()
    tempo = Tempo(DrivenClock(folder / "clock.json"), board)
    return Scene(
        folder=folder,
        board=board,
        tempo=tempo,
        feed=Feed(board, tempo),
        bot=BotProcess(folder / "bot.log", board),
    )


@asynccontextmanager
async def served(scene: Scene) -> AsyncIterator[tuple[Sandbox, aiohttp.ClientSession]]:
    applications = {"/_demo/": Page(scene).application()}
    async with (
        Sandbox(world=WORLD, applications=applications) as sandbox,
        aiohttp.ClientSession() as http,
    ):
        try:
            yield sandbox, http
        finally:
            scene.board.close()


@pytest.fixture
async def demo(
    tmp_path: Path,
    database: Database,
    bot_url: str,
    owner_url: str,
    monkeypatch: pytest.MonkeyPatch,
) -> AsyncIterator[Demo]:
    """Lend a demonstration whose bot does not run, and which lives on hints alone."""
    monkeypatch.setattr("boostmon.cli.demonstration.feed.POLL", 600.0)
    scene = scene_in(tmp_path)
    place = Place(url=bot_url, owner_url=owner_url, statement_cache=True)
    async with served(scene) as (sandbox, http), beside(scene.feed.follow(place)):
        yield Demo(scene, sandbox, http, handler_over(database))


def stands(told: Stream) -> dict[tuple[str, str], Any]:
    """Return the rows as a page has them after all that it was told."""
    return {(body["user_id"], body["role_id"]): body["row"] for body in told.bodies("row")}


async def test_a_page_finds_out_that_it_belongs_to_a_demonstration(demo: Demo) -> None:
    async with demo.http.get(f"{demo.url}/_demo/about") as answer:
        assert await answer.json() == {"title": "BoostMon demo"}


async def test_a_page_is_told_at_once_how_everything_stands(
    demo: Demo, owner: asyncpg.Connection
) -> None:
    timer = fresh_timer()
    await demo.set(timer)
    await demo.do(timer, Pause(demo.scene.tempo.now()))
    async with demo.stream() as told:
        last = await told.until_event(2)

        assert {"clock", "bot", "effects", "row", "log"} == {it.name for it in told.heard}
        assert last.id == "2"
        assert [("TimerSet", 1), ("Paused", 2)] == [
            (body["type"], body["version"]) for body in told.bodies("log")
        ]
    entry = told.bodies("log")[0]
    assert (timer.guild_id, timer.user_id, timer.role_id) == (
        entry["guild_id"],
        entry["user_id"],
        entry["role_id"],
    )
    assert (ACTOR, "slash", 2 * HOUR) == (
        entry["actor_id"],
        entry["source"],
        entry["data"]["duration_ms"],
    )
    recorded = await owner.fetchval(
        "SELECT extract(epoch FROM recorded_at) * 1000 FROM events WHERE position = 1"
    )
    assert abs(entry["recorded_at"] - recorded) < 1
    shown = told.bodies("row")[-1]["row"]
    stored = dict(await owner.fetchrow("SELECT * FROM role_timers"))
    assert stored.keys() == shown.keys()
    assert stored["paused_at"] == shown["paused_at"] == shown["updated_at"]
    assert shown["warnings_sent"] == {}


async def test_a_page_hears_of_each_change(demo: Demo) -> None:
    timer = fresh_timer()
    async with demo.stream() as told:
        await told.until(lambda it: it.name == "bot")
        await demo.set(timer)
        await told.until(lambda it: it.name == "row" and it.body["row"] is not None)
        await demo.do(timer, Clear(demo.scene.tempo.now()))
        gone = await told.until(lambda it: it.name == "row" and it.body["row"] is None)
        if told.positions != [1, 2]:
            await told.until_event(2)

    assert [1, 2] == told.positions
    assert (timer.user_id, timer.role_id) == (gone.body["user_id"], gone.body["role_id"])


async def test_a_row_that_went_before_is_no_news_to_a_new_page(demo: Demo) -> None:
    gone, here = fresh_timer(), fresh_timer()
    await demo.set(gone)
    async with demo.stream() as told:
        await told.until_event(1)
        await demo.do(gone, Clear(demo.scene.tempo.now()))
        await told.until_event(2)
    await demo.set(here)
    async with demo.stream() as told:
        await told.until_event(3)

    assert [(here.user_id, here.role_id)] == list(stands(told))


async def test_the_row_that_somebody_changed_by_hand_is_told(
    demo: Demo, owner: asyncpg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("boostmon.cli.demonstration.feed.POLL", 0.05)
    await demo.set(fresh_timer())
    async with demo.stream() as told:
        await told.until_event(1)
        await owner.execute("UPDATE role_timers SET expires_at = 42")

        await told.until(lambda it: it.name == "row" and it.body["row"]["expires_at"] == 42)


async def test_what_is_owed_and_what_is_stuck_is_told_with_its_remedy(
    demo: Demo, owner: asyncpg.Connection
) -> None:
    timer = fresh_timer()
    async with demo.stream() as told:
        await told.until(lambda it: it.name == "effects")
        await demo.set(timer)
        await told.until(lambda it: it.name == "effects" and it.body["waiting"] == 1)
        await owner.execute("UPDATE effects SET state = 'stuck', last_error = 'Move it.'")
        await owner.execute("SELECT pg_notify('boostmon_effects', '1')")
        last = await told.until(lambda it: it.name == "effects" and it.body["waiting"] == 0)

    stuck = {"user_id": timer.user_id, "role_id": timer.role_id, "kind": "give_role"}
    assert [stuck | {"last_error": "Move it."}] == last.body["stuck"]


async def test_a_page_that_reconnects_goes_on_after_what_it_knows(demo: Demo) -> None:
    for _ in range(4):
        await demo.set(fresh_timer())
    await demo.scene.feed.refresh()
    async with demo.stream(after=2) as told:
        await told.until_event(4)

    assert [3, 4] == told.positions
    assert 4 == len(stands(told))  # these it is told anew


async def test_a_page_that_is_back_before_the_database_goes_on_after_what_it_knows(
    tmp_path: Path, database: Database, bot_url: str, owner_url: str
) -> None:
    scene = scene_in(tmp_path)
    for _ in range(4):
        command = SetTime(scene.tempo.now(), HOUR, M)
        await handler_over(database).handle(fresh_timer(), command, slash())
    place = Place(url=bot_url, owner_url=owner_url, statement_cache=True)
    async with served(scene) as (sandbox, http), stream(http, sandbox.url, after=2) as told:
        await told.until(lambda it: it.name == "effects")
        async with beside(scene.feed.follow(place)):
            await told.until_event(4)

    assert [3, 4] == told.positions


async def test_a_new_page_gets_the_end_of_a_long_log_and_an_old_one_all_it_missed(
    demo: Demo,
) -> None:
    timer, total = fresh_timer(), 2 * KEPT + 50
    await demo.set(timer)
    for _ in range(total - 1):
        await demo.do(timer, AddTime(demo.scene.tempo.now(), MINUTE, M))
    async with demo.stream(after=total - 1) as told:
        await told.until_event(total)
    async with demo.stream() as told:
        await told.until_event(total)
        assert list(range(total - KEPT + 1, total + 1)) == told.positions
    async with demo.stream(after=3) as told:
        await told.until_event(total)
        assert list(range(4, total + 1)) == told.positions


@pytest.mark.parametrize("known", [99_999, 2**80])
async def test_what_a_page_knows_of_another_log_is_passed_over(demo: Demo, known: int) -> None:
    await demo.set(fresh_timer())
    async with demo.stream(after=known) as told:
        await told.until_event(1)

    assert [1] == told.positions


async def test_a_page_that_hears_nothing_is_kept_awake(
    demo: Demo, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("boostmon.cli.demonstration.page.KEEP_ALIVE", 0.01)
    async with demo.http.get(f"{demo.url}/_demo/stream") as answer, asyncio.timeout(10):
        while await answer.content.readuntil() != b":\n":
            pass


async def test_a_page_that_does_not_read_is_left_out_of_what_is_over(tmp_path: Path) -> None:
    """It costs what its connection holds; in the end it has the newest, and not all between."""
    scene, big, changes = scene_in(tmp_path), "x" * 10_000, 5_000
    async with served(scene) as (sandbox, http), stream(http, sandbox.url) as other:
        await other.until(lambda it: it.name == "bot")
        slow, connection = await raw_stream(sandbox.url)
        for number in range(changes):
            scene.board.post("effects", body={"waiting": number, "stuck": big})
            await asyncio.sleep(0)
        is_last = b'"waiting":%d,' % (changes - 1)
        async with asyncio.timeout(20):
            await other.until(lambda it: it.body.get("waiting") == changes - 1)
            received = 0
            while is_last not in (line := await slow.readline()):
                assert line
                received += len(line)
        connection.close()

    assert received < changes * len(big) / 2


async def raw_stream(url: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """Ask for the stream over a connection that takes little and is not read from."""
    port = int(url.rpartition(":")[2])
    narrow = socket.socket()
    narrow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    narrow.setblocking(False)
    await asyncio.get_running_loop().sock_connect(narrow, ("127.0.0.1", port))
    reader, writer = await asyncio.open_connection(sock=narrow, limit=2**15)
    writer.write(b"GET /_demo/stream HTTP/1.1\r\nHost: localhost\r\n\r\n")
    await writer.drain()
    await reader.readuntil(b"\r\n\r\n")
    return reader, writer


@pytest.mark.parametrize(
    "headers",
    [
        {"Host": "evil.example"},
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Host": "127.0.0.1.evil.example"},
    ],
)
async def test_pages_from_elsewhere_are_refused(demo: Demo, headers: dict[str, str]) -> None:
    for path in ("about", "stream", "nothing"):
        async with demo.http.get(f"{demo.url}/_demo/{path}", headers=headers) as answer:
            assert answer.status == 403
    for what, body in (("clock", {"paused": True}), ("bot", {"do": "stop"})):
        assert (await demo.post(what, body, **headers))[0] == 403

    assert not demo.scene.tempo.is_paused
    assert demo.scene.bot.is_wanted


async def test_a_person_sets_the_speed_and_the_story_does_not_change_it(demo: Demo) -> None:
    tempo = demo.scene.tempo
    tempo.ask(300)
    async with demo.stream() as told:
        await told.until(lambda it: it.name == "clock" and it.body["speed"] == 300)
        assert (204, "") == await demo.post("clock", {"speed": 60})
        tempo.ask(1)
        demo.scene.tempo.note_dues([5])
        last = await told.until(lambda it: it.name == "clock" and it.body["next_due_at"] == 5)

    assert last.body["speed"] == 60


async def test_a_pause_stops_the_time_and_its_end_lets_it_go_on_as_before(demo: Demo) -> None:
    tempo, clock = demo.scene.tempo, FileClock(demo.scene.folder / "clock.json")
    await demo.post("clock", {"speed": 600})
    assert (204, "") == await demo.post("clock", {"paused": True})
    stopped_at = clock.now()
    tempo.ask(3600)
    async with demo.stream() as told:
        shown = await told.until(lambda it: it.name == "clock")

    assert stopped_at == clock.now() == tempo.now() == shown.body["now"]
    assert (0, True) == (shown.body["speed"], tempo.is_paused)

    await demo.post("clock", {"paused": False})
    async with demo.stream() as told:
        shown = await told.until(lambda it: it.name == "clock")
    assert (600, False) == (shown.body["speed"], tempo.is_paused)


async def test_a_new_speed_ends_a_pause(demo: Demo) -> None:
    await demo.post("clock", {"paused": True})
    await demo.post("clock", {"speed": 2})

    assert not demo.scene.tempo.is_paused


async def test_a_skip_goes_to_what_is_due_next_and_stays_paused(demo: Demo) -> None:
    await demo.post("clock", {"paused": True})
    await demo.set(fresh_timer(), 3 * HOUR)
    await demo.set(fresh_timer(), 2 * HOUR)
    began = demo.scene.tempo.now()
    async with demo.stream() as told:
        due = await told.until(
            lambda it: it.name == "clock" and it.body["next_due_at"] == began + HOUR
        )
        assert (204, "") == await demo.post("clock", {"skip": True})
        shown = await told.until(lambda it: it.name == "clock")
        assert (due.body["next_due_at"], 0) == (shown.body["now"], shown.body["speed"])

        assert (204, "") == await demo.post("clock", {"skip": True})  # nobody has swept it
        shown = await told.until(lambda it: it.name == "clock")
        assert began + 2 * HOUR == shown.body["now"]


async def test_a_skip_with_nothing_due_is_refused(demo: Demo) -> None:
    assert (409, "Nothing is due.") == await demo.post("clock", {"skip": True})


@pytest.mark.parametrize(
    ("what", "body"),
    [
        ("clock", {}),
        ("clock", {"speed": 0}),
        ("clock", {"speed": 3601}),
        ("clock", {"speed": "fast"}),
        ("clock", {"skip": False}),
        ("clock", {"speed": 2, "paused": True}),
        ("clock", {"faster": True}),
        ("clock", []),
        ("bot", {"do": "dance"}),
        ("bot", {}),
    ],
)
async def test_what_makes_no_sense_is_refused_in_a_sentence(
    demo: Demo, what: str, body: Any
) -> None:
    status, message = await demo.post(what, body)

    assert status == 400
    assert message
    assert not demo.scene.board.was_read


@pytest.fixture
async def bot(demo: Demo, bot_url: str, owner_url: str) -> AsyncIterator[BotProcess]:
    """Lend the bot of *demo*, at work."""
    environ = {
        "DATABASE_URL": bot_url,
        "BOOSTMON_OWNER_DATABASE_URL": owner_url,
        "DISCORD_TOKEN": demo.sandbox.token,
        "BOOSTMON_DISCORD_API": demo.sandbox.api,
        "BOOSTMON_CLOCK": str(demo.scene.folder / "clock.json"),
    }
    async with beside(demo.scene.bot.keep(environ, lambda: is_there(demo.sandbox))):
        await demo.scene.bot.until_there()
        yield demo.scene.bot


async def test_a_person_stops_the_bot_and_starts_it_again(demo: Demo, bot: BotProcess) -> None:
    async with demo.stream() as told:
        await told.until_bot("running")
        assert (202, "") == await demo.post("bot", {"do": "stop"})
        await told.until_bot("stopped")
        assert not is_there(demo.sandbox)
        assert not bot.has_died

        assert (202, "") == await demo.post("bot", {"do": "start"})
        await told.until_bot("starting")
        await told.until_bot("running")
        assert is_there(demo.sandbox)


async def test_a_skip_has_the_bot_do_what_is_due(demo: Demo, bot: BotProcess) -> None:
    timer = fresh_timer()
    await demo.set(timer, HOUR)
    async with demo.stream() as told:
        await told.until_event(1)
        assert (204, "") == await demo.post("clock", {"skip": True})
        warned = await told.until_event(2)
        assert (204, "") == await demo.post("clock", {"skip": True})

    assert ("WarningSent", 10) == (warned.body["type"], warned.body["data"]["minutes"])
    assert "running" == bot.state


async def test_the_page_is_told_when_the_bot_is_killed(demo: Demo, bot: BotProcess) -> None:
    (process,) = bots_at(demo.url)
    async with demo.stream() as told:
        await told.until_bot("running")
        os.kill(process, signal.SIGKILL)
        await told.until_bot("stopped")

    assert bot.has_died


def bots_at(url: str) -> list[int]:
    """Return the processes of bots whose Discord is at *url*."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):  # it has ended meanwhile
            is_bot = b"boostmon\0run" in process.joinpath("cmdline").read_bytes()
            if is_bot and url.encode() in process.joinpath("environ").read_bytes():
                found.append(int(process.name))
    return found


async def test_a_bot_that_dies_is_told_of_with_its_last_words(tmp_path: Path) -> None:
    scene = scene_in(tmp_path)
    environ = {"DATABASE_URL": "postgresql://127.0.0.1:1/nothing"}  # and no token
    async with served(scene) as (sandbox, http), stream(http, sandbox.url) as told:
        assert {"state": "starting"} == (await told.until(lambda it: it.name == "bot")).body
        async with beside(scene.bot.keep(environ, lambda: False)):
            await told.until_bot("stopped")
            with pytest.raises(DemoError, match=r"ended by itself: .*DISCORD_TOKEN is not set"):
                await scene.bot.until_there()

            scene.bot.start()  # as a person may, who has mended it
            await told.until_bot("starting")


async def test_a_bot_that_is_stopped_before_it_begins_waits_to_be_started(tmp_path: Path) -> None:
    scene = scene_in(tmp_path)
    async with served(scene) as (sandbox, http), stream(http, sandbox.url) as told:
        scene.bot.stop()
        async with beside(scene.bot.keep({"DISCORD_TOKEN": ""}, lambda: True)):
            await told.until_bot("stopped")
            scene.bot.start()
            await told.until_bot("running")  # for a moment: it has no token


async def test_work_that_fails_ends_what_is_done_meanwhile() -> None:
    async def fail() -> None:
        raise DemoError("It cannot go on.")

    with pytest.raises(DemoError, match="It cannot go on"):
        async with beside(fail()):
            await asyncio.Event().wait()

"""The demonstration as somebody sees it who has just cloned the project."""

import asyncio
import os
import pty
import re
import signal
import sys
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import aiohttp
import pytest

from tests.support.databases import world_folder
from tests.support.streams import stream

CHAPTERS = [
    "The timers of the JavaScript bot move in",
    "A moderator gives roles that end",
    "What may not be is refused, and says why",
    "A pause stops the countdown; the role stays",
    "Time passes: warnings at 60, 10 and 1 minutes, then the role goes",
    "How it ended",
]
LONGEST = 90  # seconds, on a busy machine


async def start(
    temporary: Path, *options: str, stdout: int = PIPE, cwd: Path | None = None
) -> Process:
    return await asyncio.create_subprocess_exec(
        *[sys.executable, "-m", "boostmon", "demo", "--speed", "3600", *options],
        cwd=cwd,
        env=os.environ | {"TMPDIR": str(temporary), "COLUMNS": "120"},
        stdin=DEVNULL,
        stdout=stdout,
        stderr=PIPE,
    )


class Running:
    """A demonstration that runs, with a person at its page."""

    def __init__(self, process: Process, http: aiohttp.ClientSession) -> None:
        self.process = process
        self.http = http
        self.url = ""
        self.told = ""

    async def until_told(self, text: str) -> None:
        """Read what it tells until *text* was in it."""
        assert self.process.stdout is not None
        async with asyncio.timeout(LONGEST):
            while text not in self.told:
                line = await self.process.stdout.readline()
                assert line, self.told
                self.told += line.decode()

    async def post(self, path: str, **body: Any) -> int:
        """Ask for something; return the status."""
        async with self.http.post(self.url + path, json=body) as answer:
            return answer.status

    async def command(self, who: str, name: str, **options: str) -> None:
        """Have *who* give a command for a member and a role, and wait for the answer."""
        async with self.http.get(f"{self.url}/_sim/state") as answer:
            ids = (await answer.json())["ids"]
        given = [
            {"name": "user", "type": 6, "value": ids["users"][options["user"]]},
            {"name": "role", "type": 8, "value": ids["roles"][options["role"]]},
        ]
        body = {"type": 2, "guild_id": ids["guild"], "user_id": ids["users"][who]}
        body |= {"name": name, "options": given}
        async with self.http.post(f"{self.url}/_sim/interaction", json=body) as answer:
            made = await answer.json()
        path = f"/_sim/interaction/{made['id']}?wait=settled"
        async with self.http.get(self.url + path) as answer:
            assert (await answer.json())["message"]["embeds"]

    async def end(self, expected: int = 0) -> str:
        """Wait until it ends by itself, as it should; return all that it told."""
        out, err = await asyncio.wait_for(self.process.communicate(), LONGEST)
        assert (expected, b"") == (self.process.returncode, err)
        return self.told + out.decode()


@asynccontextmanager
async def running(*options: str) -> AsyncIterator[Running]:
    """Lend a demonstration that must leave nothing behind."""
    with world_folder() as folder:
        process = await start(folder, *options)
        async with aiohttp.ClientSession() as http:
            made = Running(process, http)
            try:
                await made.until_told("The page is at ")
                found = re.search(r"(http://127\.0\.0\.1:\d+)/", made.told)
                assert found
                made.url = found[1]
                yield made
            finally:
                if process.returncode is None:
                    process.send_signal(signal.SIGINT)
                    await process.wait()
        assert [] == list(folder.iterdir())
        assert [] == processes_in(folder)


def processes_in(folder: Path) -> list[str]:
    """List the processes that were started in, or with, *folder*."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            said = (
                process.joinpath("cmdline").read_bytes() + process.joinpath("environ").read_bytes()
            )
        except OSError:  # it has ended meanwhile
            continue
        if os.fsencode(folder) in said:
            found.append(process.name)
    return found


@pytest.mark.xdist_group("demo")
async def test_the_demo_tells_its_story_leaves_nothing_behind_and_can_be_run_again(
    tmp_path: Path,
) -> None:
    (tmp_path / ".env").write_text("of a bot that the demo has nothing to do with")
    with TemporaryDirectory(prefix="boostmon-seen-", dir="/tmp") as name:
        folder = Path(name)
        folder.chmod(0o755)
        for _ in range(2):
            process = await start(folder, cwd=tmp_path)
            out, err = await asyncio.wait_for(process.communicate(), LONGEST)
            told = out.decode()

            assert (0, b"") == (process.returncode, err)
            assert sorted(CHAPTERS, key=told.find) == CHAPTERS
            assert all(chapter in told for chapter in CHAPTERS)
            # At this pace the last minute is 17 ms long, which a busy machine may miss.
            assert re.search(r"warning: your access for VIP expires in \d+ minutes?\.", told)
            assert "notice: your access for VIP has expired." in told
            assert "Discord does not offer /settime to max" in told
            assert "Move BoostMon's role above Admin" in told
            assert re.search(r"replay --check: 0 of 2 rows differ", told)
            assert "DISCORD_TOKEN=… boostmon run" in told
            assert [] == list(folder.iterdir())
            assert [] == processes_in(folder)


@pytest.mark.xdist_group("demo")
async def test_a_demo_that_is_stopped_leaves_nothing_behind() -> None:
    with TemporaryDirectory(prefix="boostmon-seen-", dir="/tmp") as name:
        folder = Path(name)
        folder.chmod(0o755)
        process = await start(folder)
        assert process.stdout is not None
        async for line in process.stdout:
            if "A moderator gives roles" in line.decode():
                break
        process.send_signal(signal.SIGINT)
        _, err = await asyncio.wait_for(process.communicate(), LONGEST)

        assert (0, b"") == (process.returncode, err)
        assert [] == list(folder.iterdir())
        assert [] == processes_in(folder)


@pytest.mark.xdist_group("demo")
async def test_the_page_answers_before_the_story_and_stays_until_ctrl_c_if_asked() -> None:
    async with running("--stay") as demo, stream(demo.http, demo.url) as page:
        assert "database:" not in demo.told
        assert {"state": "starting"} == (await page.until(lambda it: it.name == "bot")).body
        await page.until_bot("running")
        await demo.until_told("Ctrl-C ends it.")
        assert f"The page stays at {demo.url}/" in demo.told

        demo.process.send_signal(signal.SIGINT)  # an error if it has ended
        await demo.end()


@pytest.mark.xdist_group("demo")
async def test_it_stays_on_a_terminal() -> None:
    ours, theirs = pty.openpty()
    with world_folder() as folder:
        process = await start(folder, "--no-browser", stdout=theirs)
        os.close(theirs)
        told = b""
        async with asyncio.timeout(LONGEST):
            while b"Ctrl-C ends it." not in told:
                told += await asyncio.to_thread(os.read, ours, 2**16)
        process.send_signal(signal.SIGINT)  # an error if it has ended
        _, err = await asyncio.wait_for(process.communicate(), LONGEST)
        os.close(ours)

        assert (0, b"") == (process.returncode, err)
        assert [] == processes_in(folder)


@pytest.mark.xdist_group("demo")
async def test_the_story_waits_for_a_person_who_pauses_or_stops_the_bot() -> None:
    async with running() as demo, stream(demo.http, demo.url) as page:
        await page.until_event(4)  # carl is paused, and time begins to pass
        assert 204 == await demo.post("/_demo/clock", paused=True)
        await demo.until_told("Time stands still; the story goes on with it.")
        assert 202 == await demo.post("/_demo/bot", do="stop")
        await page.until_bot("stopped")
        assert 204 == await demo.post("/_demo/clock", paused=False)
        await demo.until_told("BoostMon is stopped; the story goes on when it runs again.")
        assert 202 == await demo.post("/_demo/bot", do="start")

        told = await demo.end()
        assert "#general @max notice: your access for VIP has expired." in told
        assert "0 of 2 rows differ" in told


@pytest.mark.xdist_group("demo")
async def test_the_story_goes_on_when_a_person_ends_what_it_waits_for() -> None:
    async with running() as demo, stream(demo.http, demo.url) as page:
        await page.until_event(2)  # max has VIP
        await demo.command("olga", "cleartime", user="max", role="VIP")

        told = await demo.end()
        assert "Nobody was told: @max notice: your access for VIP has expired." in told
        assert "0 of 2 rows differ" in told


@pytest.mark.xdist_group("demo")
async def test_the_story_goes_on_when_whom_it_names_has_left() -> None:
    async with running() as demo, stream(demo.http, demo.url) as page:
        await page.until_event(2)
        assert 200 == await demo.post("/_sim/role", role="Trial", action="delete")
        assert 200 == await demo.post("/_sim/member", user="carl", action="leave")
        assert 200 == await demo.post("/_sim/member", user="mona", action="leave")

        told = await demo.end()
        assert CHAPTERS[-1] in told

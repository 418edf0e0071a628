"""The demonstration as somebody sees it who has just cloned the project."""

import asyncio
import os
import re
import signal
import sys
from asyncio.subprocess import DEVNULL, PIPE, Process
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

CHAPTERS = [
    "The timers of the JavaScript bot move in",
    "A moderator gives roles that end",
    "What may not be is refused, and says why",
    "A pause stops the countdown; the role stays",
    "Time passes: warnings at 60, 10 and 1 minutes, then the role goes",
    "How it ended",
]
LONGEST = 90  # seconds, on a busy machine


async def start(temporary: Path) -> Process:
    return await asyncio.create_subprocess_exec(
        *[sys.executable, "-m", "boostmon", "demo", "--speed", "3600"],
        env=os.environ | {"TMPDIR": str(temporary), "COLUMNS": "120"},
        stdin=DEVNULL,
        stdout=PIPE,
        stderr=PIPE,
    )


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
async def test_the_demo_tells_its_story_leaves_nothing_behind_and_can_be_run_again() -> None:
    with TemporaryDirectory(prefix="boostmon-seen-", dir="/tmp") as name:
        folder = Path(name)
        folder.chmod(0o755)
        for _ in range(2):
            process = await start(folder)
            out, err = await asyncio.wait_for(process.communicate(), LONGEST)
            told = out.decode()

            assert (0, b"") == (process.returncode, err)
            assert sorted(CHAPTERS, key=told.find) == CHAPTERS
            assert all(chapter in told for chapter in CHAPTERS)
            assert "warning: your access for VIP expires in 1 minute." in told
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

"""Where words go: a stderr that takes nothing, and a terminal that cannot write every letter."""

import asyncio
import os
import signal
import sys
from asyncio.subprocess import Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from boostmon.commands.decider import SetTime
from boostmon.database.connections.pool import Database
from boostmon.events.timer import HOUR
from boostmon.sandbox import Sandbox
from tests.cli.test_cli import STOPPED_WITHIN, boostmon, discord, eventually, registered
from tests.support.timers import M, fresh_timer, handler_over, slash

NOW = 1_700_000_000_000
PIPE_HOLDS = 65_536  # bytes
TRAFFIC = {"BOOSTMON_LOG_LEVEL": "debug", "BOOSTMON_SWEEP_INTERVAL": "0.1"}


@asynccontextmanager
async def running_with(stderr: int, **environ: str) -> AsyncIterator[Process]:
    """Lend a bot whose stderr is *stderr*; 0: it is closed."""
    call = f"exec {sys.executable} -m boostmon run{'' if stderr else ' 2>&-'}"
    process = await asyncio.create_subprocess_exec(
        *("bash", "-c", call),
        env=os.environ | environ,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=stderr or None,
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


def a_pipe_that_nobody_reads() -> tuple[int, int]:
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    os.write(writing, b"x" * PIPE_HOLDS)
    os.set_blocking(writing, True)
    return reading, writing


@pytest.mark.parametrize("kind", ["full pipe", "broken pipe", "closed", "full disk"])
async def test_a_stderr_that_takes_nothing_does_not_hold_up_the_bot(
    kind: str, owner_url: str
) -> None:
    if kind == "full disk" and not Path("/dev/full").exists():
        pytest.skip("no file is full at will on this system")
    reading, writing = a_pipe_that_nobody_reads()
    if kind == "broken pipe":
        os.close(reading)
    number = {"closed": 0, "full disk": os.open("/dev/full", os.O_WRONLY)}.get(kind, writing)
    async with Sandbox() as sandbox:
        environ = discord(sandbox) | TRAFFIC
        async with running_with(number, DATABASE_URL=owner_url, **environ) as process:
            await eventually(lambda: registered(sandbox))
            process.send_signal(signal.SIGTERM)
            assert 0 == await asyncio.wait_for(process.wait(), STOPPED_WITHIN)
    if kind == "full pipe":
        os.set_blocking(reading, False)
        assert PIPE_HOLDS == len(os.read(reading, PIPE_HOLDS * 2))
        os.close(reading)


async def test_what_of_the_log_was_lost_is_told_when_it_is_read_again(owner_url: str) -> None:
    reading, writing = a_pipe_that_nobody_reads()
    async with Sandbox() as sandbox:
        environ = discord(sandbox) | TRAFFIC
        async with running_with(writing, DATABASE_URL=owner_url, **environ) as process:
            os.close(writing)
            await eventually(lambda: registered(sandbox))
            process.send_signal(signal.SIGHUP)
            told = await asyncio.to_thread(Path(f"/dev/fd/{reading}").read_bytes)
            assert 0 == await asyncio.wait_for(process.wait(), STOPPED_WITHIN)
    os.close(reading)

    first = told.lstrip(b"x").decode().splitlines()[0]
    assert first.startswith("boostmon: ")
    assert first.endswith(" lines of the log were lost, since nobody took them.")


@pytest.mark.parametrize("encoding", ["latin-1", "ascii", "cp1252", "ascii:strict"])
@pytest.mark.parametrize("command", ["doctor", "stats", "history"])
async def test_letters_that_a_terminal_lacks_are_spelt(
    command: str, encoding: str, database: Database, owner_url: str
) -> None:
    timer = fresh_timer()
    await handler_over(database).handle(timer, SetTime(NOW, HOUR, M), slash())
    arguments = [command, *([timer.user_id] if command == "history" else [])]
    settings = {"DATABASE_URL": owner_url, "DISCORD_TOKEN": "t"}
    settings["BOOSTMON_DISCORD_API"] = "http://127.0.0.1:1/api/v10"

    told = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "boostmon", *arguments),
        env=os.environ | settings | {"PYTHONIOENCODING": encoding},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, err = await told.communicate()
    plain = await boostmon(*arguments, **settings, PYTHONIOENCODING="utf-8")

    assert plain.code == told.returncode
    assert b"should not have happened" not in err
    assert b"Traceback" not in err
    assert len(plain.out.splitlines()) == len(out.splitlines())
    if command == "doctor" and encoding != "ascii":
        assert b"\\u2713 green" in out or b"\xe2\x9c\x93 green" in out
        assert b"and were spelt; set PYTHONIOENCODING=utf-8 if the terminal can show them." in err
    assert "were spelt" not in plain.err

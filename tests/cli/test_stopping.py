"""A stop: whenever it comes, by whichever signal, and whatever does not answer, within 5 s."""

import asyncio
import os
import signal
import sys
import textwrap
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from boostmon.database.embedded.server import read_pidfile
from boostmon.sandbox import Sandbox
from tests.cli.test_cli import discord, eventually, registered, running, stopped
from tests.support.databases import world_folder

STOPS = [signal.SIGTERM, signal.SIGINT, signal.SIGHUP]
RUDE = """
    import asyncio, threading, time
    from boostmon.cli.terminal.stopping import run_until_stopped

    async def deaf():
        print("there", flush=True)
        while True:
            try:
                await asyncio.sleep(60)
            except asyncio.CancelledError:
                pass

    async def slow_to_leave():
        print("there", flush=True)
        try:
            await asyncio.sleep(60)
        finally:
            try:
                await asyncio.sleep(60)
            finally:
                await asyncio.sleep(60)

    async def with_a_thread():
        print("there", flush=True)
        await asyncio.to_thread(time.sleep, 60)

    run_until_stopped({what}())
"""


@pytest.fixture
def folder() -> Iterator[Path]:
    """Lend a folder that any account may enter; a server runs as another one under root."""
    with world_folder() as path:
        yield path


@pytest.fixture
async def sandbox() -> AsyncIterator[Sandbox]:
    async with Sandbox() as discord:
        yield discord


def hears(process: Process, number: signal.Signals) -> bool:
    """Tell whether *process* has said what it does at a signal, as the kernel has it."""
    with suppress(FileNotFoundError):
        for line in Path(f"/proc/{process.pid}/status").read_text().splitlines():
            if line.startswith("SigCgt:"):
                return bool(int(line.split()[1], 16) >> (number - 1) & 1)
    return False


@pytest.mark.parametrize("number", STOPS)
@pytest.mark.parametrize("command", ["run", "demo", "sandbox"])
async def test_a_signal_while_a_command_loads_stops_it_as_a_success(
    command: str, number: signal.Signals, folder: Path, sandbox: Sandbox
) -> None:
    environ = {"BOOSTMON_DATA_DIR": str(folder / "data"), **discord(sandbox)}
    async with running(command, **environ) as process:
        await eventually(lambda: hears(process, signal.SIGHUP))
        outcome = await stopped(process, number)

    assert (0, "", "") == outcome
    assert not (folder / "data").exists()


async def test_a_signal_while_the_database_is_made_stops_the_bot_and_leaves_no_trouble(
    folder: Path, sandbox: Sandbox
) -> None:
    environ = {"BOOSTMON_DATA_DIR": str(folder / "data"), **discord(sandbox)}
    async with running("run", **environ) as process:
        await eventually(lambda: any((folder / "data").glob("new-*/base")))
        outcome = await stopped(process, signal.SIGTERM)
    assert (0, "") == (outcome.code, outcome.out)
    assert "Traceback" not in outcome.err

    async with running("run", **environ) as process:
        await eventually(lambda: registered(sandbox))
        assert 0 == (await stopped(process, signal.SIGTERM)).code
    assert not list((folder / "data").glob("new-*"))


@pytest.mark.parametrize("frozen", ["all of it", "the postmaster", "the backends"])
async def test_a_frozen_embedded_server_does_not_hold_up_the_stop(
    frozen: str, folder: Path, sandbox: Sandbox
) -> None:
    async with running("run", BOOSTMON_DATA_DIR=str(folder), **discord(sandbox)) as process:
        await eventually(lambda: registered(sandbox))
        server, _ = read_pidfile(folder / "data")
        assert server is not None
        children = [int(pid) for pid in _children(server)]
        stays = {"the postmaster": [server], "the backends": children}.get(
            frozen, [server, *children]
        )
        for pid in stays:
            os.kill(pid, signal.SIGSTOP)
        outcome = await stopped(process, signal.SIGTERM)

    assert 0 == outcome.code
    assert "Traceback" not in outcome.err
    await eventually(lambda: not any(_is_there(pid) for pid in (server, *children)))

    async with running("run", BOOSTMON_DATA_DIR=str(folder), **discord(sandbox)) as process:
        await eventually(
            lambda: read_pidfile(folder / "data") not in ((server, "ready"), (None, ""))
        )
        await eventually(lambda: read_pidfile(folder / "data")[1] == "ready")
        assert 0 == (await stopped(process, signal.SIGTERM)).code


def _children(pid: int) -> list[str]:
    return Path(f"/proc/{pid}/task/{pid}/children").read_text().split()


def _is_there(pid: int) -> bool:
    """Tell whether a process runs: one that waits to be taken note of does not."""
    with suppress(FileNotFoundError, ProcessLookupError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    return False


async def test_a_closed_terminal_does_not_stop_what_was_started_to_outlive_it(
    folder: Path, sandbox: Sandbox
) -> None:
    process = await asyncio.create_subprocess_exec(
        *["nohup", sys.executable, "-m", "boostmon", "run"],
        env=os.environ | {"BOOSTMON_DATA_DIR": str(folder), **discord(sandbox)},
        stdin=asyncio.subprocess.DEVNULL,
        stdout=PIPE,
        stderr=PIPE,
    )
    try:
        await eventually(lambda: registered(sandbox))
        process.send_signal(signal.SIGHUP)
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(process.wait(), 0.5)

        assert 0 == (await stopped(process, signal.SIGTERM)).code
    finally:
        if process.returncode is None:
            process.kill()
            await process.communicate()


@pytest.mark.parametrize("what", ["deaf", "slow_to_leave", "with_a_thread"])
async def test_what_does_not_let_go_is_left(what: str) -> None:
    process = await asyncio.create_subprocess_exec(
        *[sys.executable, "-c", textwrap.dedent(RUDE).format(what=what)], stdout=PIPE, stderr=PIPE
    )
    try:
        assert process.stdout is not None
        assert b"there\n" == await process.stdout.readline()
        outcome = await stopped(process, signal.SIGTERM)
    finally:
        if process.returncode is None:
            process.kill()
            await process.communicate()

    assert 0 == outcome.code
    assert (what == "slow_to_leave") == ("in a hurry" not in outcome.out + outcome.err)
    assert "Traceback" not in outcome.err

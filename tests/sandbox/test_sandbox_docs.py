"""docs/sandbox.md in step with the sandbox, and the program that serves it."""

import ast
import asyncio
import json
import re
import signal
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp

from boostmon.sandbox.control.changes import CHANGES
from boostmon.sandbox.core.limits import Limits
from tests.support.places import ROOT
from tests.support.sandbox_client import sandbox

PAGE = (ROOT / "docs/sandbox.md").read_text()
EXAMPLE = re.compile(r"```\nPOST /_sim/(\w+)\n(.*?)```", re.DOTALL)


async def test_every_example_of_the_page_works() -> None:
    duration = {"type": 3, "name": "duration", "description": "D", "autocomplete": True}
    options = [
        {"type": 6, "name": "user", "description": "U"},
        {"type": 8, "name": "role", "description": "R"},
        duration,
    ]
    async with sandbox() as client:
        await client.register(name="settime", options=options)
        known = client.ids["users"] | client.ids["roles"]
        for path, text in EXAMPLE.findall(PAGE):
            body = re.sub(r"<id of (\w+)>", lambda match: known[match[1]], text)
            await client.sim(path, json.loads(body))


def test_every_control_call_and_limit_is_on_the_page() -> None:
    shown = {path for path, _ in EXAMPLE.findall(PAGE)}
    assert shown == {*CHANGES, "interaction", "fault", "limits", "reset"}
    assert [name for name in Limits.__struct_fields__ if name not in PAGE] == []


async def test_the_program_of_the_page_runs() -> None:
    (text,) = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    program = compile(text, "sandbox.md", "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
    names: dict[str, Any] = {}
    await eval(program, names)  # noqa: S307 - our own page
    assert names["sandbox"].url.startswith("http://127.0.0.1:")


@asynccontextmanager
async def program(*arguments: str) -> AsyncIterator[Process]:
    """Start the program, and leave none behind."""
    command = [sys.executable, "-m", "boostmon.sandbox", *arguments]
    started = await asyncio.create_subprocess_exec(*command, stdout=PIPE, stderr=PIPE)
    try:
        yield started
    finally:
        if started.returncode is None:
            started.kill()
        await started.communicate()


async def test_the_program_serves_says_where_and_ends_when_told() -> None:
    async with program() as first, aiohttp.ClientSession() as http:
        assert first.stdout
        url = re.search(r"http://127\.0\.0\.1:\d+", (await first.stdout.readline()).decode())
        assert url
        async with http.get(f"{url[0]}/_sim/state") as response:
            assert (await response.json())["ids"]["users"].keys() >= {"olga"}
        port = url[0].rpartition(":")[2]
        async with program("--port", port) as second:
            _, complaint = await second.communicate()
        assert (second.returncode, complaint.decode().count("\n")) == (1, 1)
        assert f"Port {port} is not free" in complaint.decode()
        first.send_signal(signal.SIGTERM)
        await first.communicate()
        assert first.returncode == 0

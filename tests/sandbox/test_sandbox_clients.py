"""Bots of libraries other than disnake, as programs of their own, against the sandbox."""

import asyncio
import json
import os
import shutil
import signal
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from tests.support.places import ROOT, TESTS
from tests.support.sandbox_client import Client, Used, sandbox

BOTS = TESTS / "clients"
INSTALLED = ROOT / ".venv-clients"
NODE = INSTALLED / "node/node_modules"
PYTHON = str(INSTALLED / "bin/python")
COMMANDS = {
    "discord.py": [PYTHON, str(BOTS / "discord_py.py")],
    "hikari": [PYTHON, str(BOTS / "hikari_bot.py")],
    "discord.js": ["node", str(BOTS / "discord_js.cjs")],
}


def installed(library: str) -> bool:
    """Whether `make clients` has installed *library*."""
    if library == "discord.js":
        return shutil.which("node") is not None and (NODE / library).exists()
    package = library.removesuffix(".py")
    return any(INSTALLED.glob(f"lib/python*/site-packages/{package}"))


class Bot:
    """A bot that tells on its output what it hears."""

    def __init__(self, process: Process) -> None:
        self.process = process
        self.heard: list[dict[str, Any]] = []
        self._more = asyncio.Condition()

    async def listen(self) -> None:
        """Take in what it tells, to the end."""
        assert self.process.stdout
        async for line in self.process.stdout:
            await self._hear(json.loads(line))
        await self._hear({"event": "ended"})

    async def _hear(self, what: dict[str, Any]) -> None:
        async with self._more:
            self.heard.append(what)
            self._more.notify_all()

    def told(self, event: str) -> list[dict[str, Any]]:
        """Return what it has told of *event*."""
        return [one for one in self.heard if one["event"] == event]

    async def tells(self, event: str) -> dict[str, Any]:
        """Wait until it tells of *event*; an error of its own, or its end, ends the wait."""
        bad = ("error", "ended")
        async with asyncio.timeout(30), self._more:
            await self._more.wait_for(lambda: any(map(self.told, (event, *bad))))
        assert [self.told(one) for one in bad] == [[], []]
        return self.told(event)[-1]


@asynccontextmanager
async def running(client: Client, library: str) -> AsyncIterator[Bot]:
    """Run a bot; at the end it must have had no error, and have asked for nothing unknown."""
    environment = {**os.environ, "NODE_PATH": str(NODE)}
    command = [*COMMANDS[library], client.sandbox.api, client.ids["token"]]
    process = await asyncio.create_subprocess_exec(*command, stdout=PIPE, env=environment)
    bot = Bot(process)
    listening = asyncio.create_task(bot.listen())
    try:
        await bot.tells("registered")
        await bot.tells("ready")
        await bot.tells("members")
        yield bot
        process.send_signal(signal.SIGTERM)
        async with asyncio.timeout(10):
            await listening
            assert await process.wait() == 0
    finally:
        if process.returncode is None:
            process.kill()
        await asyncio.gather(listening, process.wait(), return_exceptions=True)
    assert bot.told("error") == []
    assert client.sandbox.state()["unknown"] == []


@pytest.fixture(params=COMMANDS)
async def library(request: pytest.FixtureRequest) -> str:
    """Give each library that is installed."""
    name = str(request.param)
    if not installed(name):
        # Other people's libraries, one of them for node: whoever has Python alone cannot have them.
        pytest.skip(f"{name} is not installed in .venv-clients; `make clients` does that")
    return name


@pytest.fixture
async def client() -> AsyncIterator[Client]:
    """Give a sandbox in which the bot may hear of members."""
    async with sandbox() as running:
        await running.sim("bot", {"privileged_intents": ["members"]})
        yield running


async def test_another_library_does_all_the_work_of_a_command(client: Client, library: str) -> None:
    async with running(client, library) as bot:
        assert (bot.told("ready")[0]["guilds"], bot.told("members")[0]["count"]) == (["Sandbox"], 6)
        options = [
            {"name": "user", "value": client.user("max")},
            {"name": "role", "value": client.role("VIP")},
        ]
        used = await client.use("mona", "give", options=options)
        record = await used.record("?wait=followed")
        assert client.role("VIP") in (await bot.tells("update"))["roles"]
    assert (record["callback_type"], record["loading"]) == (5, False)
    assert record["message"]["embeds"][0]["title"] == "Given"
    (more,) = record["followups"]
    assert (more["content"], more["flags"]) == ("Done", 64)
    assert [file["filename"] for file in more["attachments"]] == ["note.txt"]
    guild = client.sandbox.state()["guilds"][0]
    assert guild["audit_log"][0]["reason"] == "für /give"
    (general,) = [channel for channel in guild["channels"] if channel["name"] == "general"]
    said = [one["content"] for one in general["messages"]]
    assert said == ["", "Once"]


async def test_another_library_completes_opens_forms_and_has_context_menus(
    client: Client, library: str
) -> None:
    async def answer(used: Used) -> str:
        record = await used.record("?wait=answered")
        return str(record["message"]["content"])

    said = await client.sim("message", {"user": "max", "channel": "general", "content": "well"})
    async with running(client, library):
        typed = [{"name": "text", "value": "ab", "focused": True}]
        used = await client.use("mona", "give", type=4, options=typed)
        choices = (await used.record("?wait=answered"))["choices"]
        assert choices == [{"name": "ab!", "value": "ab"}]
        assert await answer(await client.use("mona", "Greet", target="max")) == "Hello, max"
        assert await answer(await client.use("mona", "Quote", target=said["id"])) == "> well"
        asked = await client.use("mona", "ask")
        assert (await asked.record("?wait=answered"))["modal"]["title"] == "Your name"
        form = {"type": 5, "user_id": "mona", "interaction_id": asked.id}
        made = await client.sim("interaction", form | {"fields": {"name": "Ada"}})
        assert await answer(Used(client, made["id"], made["token"])) == "Hello, Ada"


async def test_another_library_waits_out_a_limit(client: Client, library: str) -> None:
    await client.sim("limits", {"roles": [1, 0.3], "messages": [1, 0.3], "webhook": [1, 0.3]})
    async with running(client, library):
        for name in ("max", "vera", "carl"):
            options = [
                {"name": "user", "value": client.user(name)},
                {"name": "role", "value": client.role("VIP")},
            ]
            used = await client.use("mona", "give", options=options)
            record = await used.record("?wait=followed")
            assert record["followups"]
    held = [member["role_names"] for member in client.sandbox.state()["guilds"][0]["members"]]
    assert sum("VIP" in names for names in held) == 3


async def test_another_library_resumes_and_hears_what_it_missed(
    client: Client, library: str
) -> None:
    async with running(client, library) as bot:
        await client.sim("gateway", {"action": "close", "code": 4000})
        await client.sim("role", {"role": "New", "action": "create"})
        await bot.tells("resumed")
        assert (await bot.tells("role"))["name"] == "New"
        await client.sim("member", {"user": "newcomer", "action": "join"})
        await client.sim("member", {"user": "newcomer", "action": "leave"})
        newcomer = client.sandbox.state()["ids"]["users"]["newcomer"]
        assert (await bot.tells("join"))["user"] == newcomer
        assert (await bot.tells("leave"))["user"] == newcomer
        assert (len(bot.told("ready")), len(bot.told("role"))) == (1, 1)

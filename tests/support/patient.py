"""A bot in good order, for tests that plant one fault and have `boostmon doctor` name it."""

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, NamedTuple

import asyncpg
from click.testing import CliRunner
from disnake.ext.commands import InvokableSlashCommand

from boostmon.bot.doctor.invitation import link_for
from boostmon.bot.slash.cog import TimerCog
from boostmon.cli.service.doctor import doctor
from boostmon.commands.decider import SetTime
from boostmon.database.clocks import clock
from boostmon.database.connections.pool import Database
from boostmon.events.timer import HOUR, TimerId
from boostmon.sandbox import Sandbox
from boostmon.sandbox.core.faults import Fault
from boostmon.sandbox.world.model import PRIVILEGED
from tests.cli.test_cli import PASSWORD, TOKEN, discord
from tests.support.databases import Schema
from tests.support.sandbox_client import Client
from tests.support.sandbox_client import sandbox as a_sandbox
from tests.support.timers import M, handler_over, slash

COLOURS = {"✓": "green", "!": "yellow", "✗": "red"}


class Diagnosis(NamedTuple):
    """What doctor said: exit code, and colour, sentence and remedy of each finding."""

    code: int
    text: str
    findings: list[tuple[str, str, str]]

    @property
    def faults(self) -> list[tuple[str, str, str]]:
        """All that is not green."""
        return [finding for finding in self.findings if finding[0] != "green"]

    @property
    def fault(self) -> tuple[str, str, str]:
        """The one thing that is not green."""
        (only,) = self.faults
        return only


def read(code: int, text: str) -> Diagnosis:
    """Take apart what doctor has printed."""
    findings: list[tuple[str, str, str]] = []
    for line in text.splitlines():
        if found := re.fullmatch(r"  ([✓!✗]) (\w+) +(\S.*)", line):
            assert COLOURS[found[1]] == found[2]
            findings.append((found[2], found[3], ""))
        elif remedy := re.fullmatch(r" +→ (.+)", line):
            colour, sentence, _ = findings[-1]
            findings[-1] = (colour, sentence, remedy[1])
    for secret in (PASSWORD, TOKEN):
        assert secret not in text
    return Diagnosis(code, text, findings)


class Patient:
    """A bot in good order: a database with two roles, a Discord with its commands registered."""

    def __init__(
        self, client: Client, schema: Schema, database: Database, owner: asyncpg.Connection
    ) -> None:
        self.client, self.database, self.owner = client, database, owner
        self.sandbox: Sandbox = client.sandbox
        assert schema.bot_url is not None
        self.environ = {
            "DATABASE_URL": schema.bot_url,
            "BOOSTMON_OWNER_DATABASE_URL": schema.owner_url,
            **discord(self.sandbox),
        }

    async def diagnosed(self, **changed: str) -> Diagnosis:
        """Run doctor, with some variables *changed*."""
        environ = self.environ | changed
        run = CliRunner().invoke
        result = await asyncio.to_thread(run, doctor, [], env=environ, catch_exceptions=False)
        assert not re.search("Traceback|never retrieved", result.output)
        return read(result.exit_code, result.stdout)

    async def timer(
        self, role: str = "VIP", *, channel: str | None = None, began: int = 0
    ) -> TimerId:
        """Have a timer that runs for an hour, from now or *began* ms later."""
        ids = self.client.ids
        timer = TimerId(ids["guild"], self.client.user("max"), ids["roles"].get(role, role))
        now = await self.owner.fetchval(clock.ASK)
        channel_id = ids["channels"].get(channel, channel)
        command = SetTime(round(now) + began, HOUR, M, channel_id)
        await handler_over(self.database).handle(timer, command, slash())
        return timer

    @property
    def bot(self) -> Any:
        """The application in the sandbox."""
        (bot,) = self.sandbox.discord.world.bots.values()
        return bot

    @property
    def guild(self) -> Any:
        """The server in the sandbox."""
        (guild,) = self.sandbox.discord.world.guilds.values()
        return guild

    @property
    def invite(self) -> str:
        """The link that invites the bot."""
        return link_for(self.bot.id)

    def arm(self, **fault: Any) -> None:
        """Let Discord stumble, again and again."""
        self.sandbox.discord.faults.armed.append(Fault(**({"times": 100} | fault)))


@asynccontextmanager
async def patient(
    schema: Schema, database: Database, owner: asyncpg.Connection
) -> AsyncIterator[Patient]:
    """Lend a bot in good order; *schema* has a role for the bot."""
    await owner.execute(
        "UPDATE lease SET holder = 'somebody', expires_at = now() + interval '1 min'"
    )
    async with a_sandbox() as client:
        made = Patient(client, schema, database, owner)
        made.bot.privileged = PRIVILEGED["members"]
        await register(client)
        yield made


async def register(client: Client, where: str = "") -> None:
    """Register the commands of this version."""
    ours = [c for c in vars(TimerCog).values() if isinstance(c, InvokableSlashCommand)]
    bodies = [command.body.to_dict() for command in ours]
    answer = await client.api("PUT", f"{client.app}{where}/commands", bodies)
    assert 200 == answer.status, answer.body

"""The real bot in a server of the sandbox, and people who use its commands."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any

import aiohttp

from boostmon.bot import app
from boostmon.bot.app import Surroundings
from boostmon.commands.decider import LONGEST, RemoveTime
from boostmon.commands.handler import CommandHandler, Origin
from boostmon.config import DiscordConfig, SweepConfig
from boostmon.database.clocks.agreed_clock import AgreedClock
from boostmon.database.clocks.clock import DatabaseClock
from boostmon.database.connections.pool import Database
from boostmon.events.store import EventStore
from boostmon.events.timer import TimerId
from boostmon.projections.effects.owner import Owner
from boostmon.sandbox import Limits, Sandbox
from tests.support.description import complaints_about
from tests.support.sandbox_client import Client

Json = dict[str, Any]
TYPES = {"user": 6, "role": 8, "channel": 7, "duration": 3}


class Town:
    """What people do in a server, and what they see."""

    def __init__(self, client: Client, surroundings: Surroundings) -> None:
        self.client, self.database = client, surroundings.database
        self._surroundings = surroundings

    async def start(self) -> None:
        """Start the bot, and wait until it answers."""
        self._stop = asyncio.Event()
        self._running = asyncio.create_task(app.run(self._surroundings, self._stop))
        for _ in range(500):
            if self._running.done():
                self._running.result()
            answer = await self.client.try_sim("interaction", self._body("olga", "timeleft", {}))
            if answer.status == 200 and await self._answers(answer.body):
                return
            await asyncio.sleep(0.02)
        raise TimeoutError("the bot answered no command within 10 s")

    async def stop(self) -> None:
        """Stop the bot."""
        self._stop.set()
        await self._running

    @property
    def guild(self) -> Json:
        """The server as it is now."""
        guild: Json = self.client.sandbox.state()["guilds"][0]
        return guild

    def roles_of(self, user: str) -> list[str]:
        """Name the roles of a member."""
        user_id = self.client.user(user)
        for member in self.guild["members"]:
            if member["user_id"] == user_id:
                return list(member["role_names"])
        raise LookupError(user)

    def id_of(self, kind: str, name: str) -> str:
        """Return the id of a user, role or channel."""
        ids = self.client.sandbox.state()["ids"]
        return str(ids[f"{kind}s"].get(name, name))

    async def events(self) -> list[str]:
        """Name every event of the log, oldest first."""
        ask = "SELECT type FROM event_log ORDER BY position"
        rows = await self.database.run(lambda connection: connection.fetch(ask))
        return [row["type"] for row in rows]

    async def expire(self, user: str, role: str) -> None:
        """Bring a timer to its end, as if its time had passed."""
        timer = TimerId(
            self.client.ids["guild"], self.id_of("user", user), self.id_of("role", role)
        )
        clear = RemoveTime(self._surroundings.clock.now(), LONGEST, ())
        origin = Origin(command_id=f"test:{user}:{role}", source="sweeper")
        await CommandHandler(EventStore(self.database)).handle(timer, clear, origin)

    async def send(self, who: str, name: str, *, deliveries: int = 1, **options: str) -> str:
        """Let *who* give a command; return the interaction's id."""
        body = self._body(who, name, options) | {"deliveries": deliveries}
        made = await self.client.sim("interaction", body)
        return str(made["id"])

    async def say(self, who: str, name: str, **options: str) -> Json:
        """Let *who* give a command, and wait for the reply or the refusal."""
        made = await self.client.sim("interaction", self._body(who, name, options))
        return await self.reply(made["id"])

    async def type(self, who: str, name: str, **options: str) -> dict[str, str]:
        """Let *who* type into the option `duration`; return the choices shown."""
        body = self._body(who, name, options) | {"type": 4}
        for option in body["options"]:
            option["focused"] = option["name"] == "duration"
        made = await self.client.sim("interaction", body)
        record = await self.wait(made["id"], "answered")
        return {choice["name"]: choice["value"] for choice in record["choices"]}

    async def choose(self, who: str, message: Json, role: str) -> str:
        """Let *who* pick *role* in the menu under *message*; return the interaction's id."""
        (row,) = message["components"]
        body = {
            "type": 3,
            "user_id": self.client.user(who),
            "message_id": message["id"],
            "custom_id": row["components"][0]["custom_id"],
            "values": [self.id_of("role", role)],
        }
        made = await self.client.sim("interaction", body)
        return str(made["id"])

    async def wait(self, interaction_id: str, wanted: str, *, seconds: float = 10) -> Json:
        """Return what came of an interaction, once it is as *wanted* or the time is over."""
        path = f"interaction/{interaction_id}?wait={wanted}&timeout={seconds}"
        answer = await self.client.try_sim(path, method="GET")
        return dict(answer.body)

    async def reply(self, interaction_id: str) -> Json:
        """Return what came of an interaction once its last word is said."""
        for _ in range(500):
            record: Json = await self.client.sim(f"interaction/{interaction_id}", method="GET")
            shown = record["message"] and not record["loading"]
            if record["followups"] or (shown and not record["deleted"]):
                return record
            await asyncio.sleep(0.02)
        raise TimeoutError(record)

    async def _answers(self, made: Json) -> bool:
        record = await self.wait(made["id"], "settled", seconds=0.5)
        return bool(record["message"] and record["message"]["embeds"])

    def _body(self, who: str, name: str, options: dict[str, str]) -> Json:
        return {
            "type": 2,
            "guild_id": self.client.ids["guild"],
            "user_id": self.client.user(who),
            "name": name,
            "options": [
                {"name": key, "type": TYPES[key], "value": self.id_of(key, value)}
                if key != "duration"
                else {"name": key, "type": TYPES[key], "value": value}
                for key, value in options.items()
            ],
        }


@asynccontextmanager
async def town(
    database: Database,
    owner_url: str,
    *,
    privileged_intents: Sequence[str] = (),
    one_server: bool = False,
    clock: DatabaseClock | AgreedClock | None = None,
    world: Json | None = None,
    before: Callable[[Client], Awaitable[None]] | None = None,
) -> AsyncIterator[Town]:
    """Lend a town in which the bot is at work; *one_server*: DISCORD_GUILD_ID names it.

    *world* is another than the sandbox's own; *before* is done before the bot is started.
    """
    clock = clock or DatabaseClock()
    await clock.measure(database)
    quick = Limits(identify=(1000, 1.0))  # a second process need not wait to identify
    async with Sandbox(limits=quick, world=world) as sandbox, aiohttp.ClientSession() as http:
        surroundings = Surroundings(
            database=database,
            owner_url=owner_url,
            clock=clock,
            discord=DiscordConfig(
                discord_token=sandbox.token,
                boostmon_discord_api=sandbox.api,
                discord_guild_id=sandbox.state()["ids"]["guild"] if one_server else None,
            ),
            sweep=SweepConfig(),
            quiet_seconds=0.1,
        )
        made = Town(Client(sandbox, http), surroundings)
        await Owner(database).claim(str(made.client.ids["bot"]))  # it has been at work here before
        await made.client.sim("bot", {"privileged_intents": list(privileged_intents)})
        if before is not None:
            await before(made.client)
        await made.start()
        try:
            yield made
        finally:
            await made.stop()
        assert sandbox.state()["unknown"] == []
        found = complaints_about(sandbox.state()["requests"])
        assert found == set(), found

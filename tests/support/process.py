"""The bot as a process of its own in a server of the sandbox, and the pages that it serves."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from typing import Any

import aiohttp
from prometheus_client.parser import text_string_to_metric_families

from boostmon.bot.app import Surroundings
from boostmon.config import DiscordConfig, SweepConfig
from boostmon.database.clocks.clock import DatabaseClock
from boostmon.database.connections.pool import Database
from tests.cli.test_cli import READY_WITHIN, discord, eventually, registered, running
from tests.support.sandbox_client import Client, sandbox
from tests.support.town import Town

Samples = dict[tuple[str, frozenset[tuple[str, str]]], float]


class Pages:
    """What a process serves on a port."""

    def __init__(self, http: aiohttp.ClientSession, port: int) -> None:
        self.port = port
        self._http = http
        self._url = f"http://127.0.0.1:{port}"

    async def get(self, path: str) -> tuple[int, str]:
        """Return the status and the text of a page."""
        async with self._http.get(self._url + path) as answer:
            return answer.status, await answer.text()

    async def until_served(self) -> None:
        """Wait until the process listens."""
        async with asyncio.timeout(READY_WITHIN):
            while True:
                try:
                    await self.get("/healthz")
                except aiohttp.ClientConnectionError:
                    await asyncio.sleep(0.05)
                else:
                    return

    async def ready(self) -> dict[str, bool]:
        """Return what /readyz says of each part."""
        async with self._http.get(f"{self._url}/readyz") as answer:
            parts: dict[str, bool] = await answer.json()
            assert answer.status == (200 if all(parts.values()) else 503)
            return parts

    async def samples(self) -> Samples:
        """Return every value of /metrics, by its name and labels."""
        status, text = await self.get("/metrics")
        assert status == 200
        return {
            (sample.name, frozenset(sample.labels.items())): sample.value
            for family in text_string_to_metric_families(text)
            for sample in family.samples
        }

    async def value(self, name: str, **labels: str) -> float | None:
        """Return one value of /metrics; None when it is not there."""
        return (await self.samples()).get((name, frozenset(labels.items())))


class Running:
    """A bot at work: its process, its pages, and the people in its server."""

    def __init__(self, process: Any, pages: Pages, town: Town) -> None:
        self.process, self.pages, self.town = process, pages, town


def free_port() -> int:
    """Return a port on which nobody listens."""
    with closing(socket.create_server(("127.0.0.1", 0))) as server:
        port: int = server.getsockname()[1]
        return port


@asynccontextmanager
async def at_work(database: Database, url: str, **environ: str) -> AsyncIterator[Running]:
    """Lend a bot that has registered its commands; *database* is what *url* leads to."""
    async with sandbox() as client, at_work_in(client, database, url, **environ) as bot:
        yield bot


@asynccontextmanager
async def at_work_in(
    client: Client, database: Database, url: str, **environ: str
) -> AsyncIterator[Running]:
    """Lend a bot in a server that is there already."""
    port, clock = free_port(), DatabaseClock()
    await clock.measure(database)
    settings = discord(client.sandbox) | {"DATABASE_URL": url, "PORT": str(port)} | environ
    async with running("run", **settings) as process:
        pages = Pages(client.http, port)
        town = Town(client, as_seen_from_outside(client, database, url, clock))
        await pages.until_served()
        await eventually(lambda: registered(client.sandbox))
        yield Running(process, pages, town)


def as_seen_from_outside(
    client: Client, database: Database, url: str, clock: DatabaseClock
) -> Surroundings:
    """Give what people need who look at a bot that is another process."""
    return Surroundings(
        database=database,
        owner_url=url,
        clock=clock,
        discord=DiscordConfig(discord_token=client.sandbox.token),
        sweep=SweepConfig(),
    )

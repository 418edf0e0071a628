"""A reader of server-sent events, for tests of the demonstration's page."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import msgspec
from msgspec import Struct

Json = dict[str, Any]


class Told(Struct):
    """One server-sent event."""

    name: str
    body: Json
    id: str | None


class Stream:
    """Reads one stream, and keeps what it has heard."""

    def __init__(self, answer: aiohttp.ClientResponse) -> None:
        self._answer = answer
        self.heard: list[Told] = []

    async def until(self, is_it: Callable[[Told], bool], *, seconds: float = 20) -> Told:
        """Read on until something comes of which *is_it* is true, and return that."""
        async with asyncio.timeout(seconds):
            while True:
                told = await self._next()
                self.heard.append(told)
                if is_it(told):
                    return told

    async def until_event(self, position: int) -> Told:
        """Read on until the event at *position* of the log comes."""
        return await self.until(lambda it: it.name == "log" and it.body["position"] == position)

    async def until_bot(self, state: str) -> Told:
        """Read on until the bot is as *state*."""
        return await self.until(lambda it: (it.name, it.body) == ("bot", {"state": state}))

    def bodies(self, name: str) -> list[Json]:
        """Return what was heard under *name* so far."""
        return [told.body for told in self.heard if told.name == name]

    @property
    def positions(self) -> list[int]:
        """The positions of the events heard so far."""
        return [body["position"] for body in self.bodies("log")]

    async def _next(self) -> Told:
        fields: dict[str, str] = {}
        while True:
            line = (await self._answer.content.readuntil()).decode()
            if not line:
                raise EOFError
            if line == "\n" and "data" in fields:
                body = msgspec.json.decode(fields["data"])
                return Told(fields["event"], body, fields.get("id"))
            name, _, value = line.rstrip("\n").partition(": ")
            fields[name] = value


@asynccontextmanager
async def stream(
    http: aiohttp.ClientSession, url: str, *, after: int | None = None
) -> AsyncIterator[Stream]:
    """Open the stream of the demonstration at *url*, as a page that knows the log up to *after*."""
    headers = {} if after is None else {"Last-Event-ID": str(after)}
    async with http.get(f"{url}/_demo/stream", headers=headers) as answer:
        assert answer.status == 200
        assert answer.content_type == "text/event-stream"
        yield Stream(answer)

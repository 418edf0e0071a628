"""Answers the demonstration's page below `/_demo/`: what happens, the clock, the bot."""

import asyncio
from contextlib import suppress
from typing import Annotated, Literal

import msgspec
from aiohttp import web
from aiohttp.typedefs import Handler
from msgspec import Meta, Struct

from boostmon.cli.demonstration.board import KEPT, frame
from boostmon.cli.demonstration.scene import Scene

KEEP_ALIVE = 15.0  # seconds
STREAM = {"Content-Type": "text/event-stream", "Cache-Control": "no-store"}


class ClockOrder(Struct, forbid_unknown_fields=True):
    """One of three things to do with timer time."""

    speed: Annotated[float, Meta(ge=1, le=3600)] | None = None
    paused: bool | None = None
    skip: Literal[True] | None = None


class BotOrder(Struct, forbid_unknown_fields=True):
    do: Literal["stop", "start"]


class Page:
    """Answers the pages."""

    def __init__(self, scene: Scene) -> None:
        self._board = scene.board
        self._feed = scene.feed
        self._tempo = scene.tempo
        self._bot = scene.bot

    def application(self) -> web.Application:
        """Return the routes, to be served below a path."""
        app = web.Application(middlewares=[_name_mistakes])
        app.router.add_get("/about", self._about)
        app.router.add_get("/stream", self._stream)
        app.router.add_post("/clock", self._set_clock)
        app.router.add_post("/bot", self._set_bot)
        return app

    async def _about(self, _: web.Request) -> web.Response:
        return web.json_response({"title": "BoostMon demo"})

    async def _set_clock(self, request: web.Request) -> web.Response:
        order = msgspec.json.decode(await request.read(), type=ClockOrder)
        match order:
            case ClockOrder(speed=float(speed), paused=None, skip=None):
                self._tempo.choose(speed)
            case ClockOrder(speed=None, paused=bool(is_paused), skip=None):
                self._tempo.pause(is_paused=is_paused)
            case ClockOrder(speed=None, paused=None, skip=True):
                if not self._tempo.skip():
                    return web.json_response({"message": "Nothing is due."}, status=409)
            case _:
                raise msgspec.ValidationError("Give one of speed, paused and skip.")
        self._board.was_read = True
        return web.Response(status=204)

    async def _set_bot(self, request: web.Request) -> web.Response:
        order = msgspec.json.decode(await request.read(), type=BotOrder)
        self._board.was_read = True
        if order.do == "start":
            self._bot.start()
        else:
            self._bot.stop()
        return web.Response(status=202)

    async def _stream(self, request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers=STREAM)
        await response.prepare(request)
        self._board.was_read = True
        with suppress(ConnectionError):  # that is how a page goes
            told = request.headers.get("Last-Event-ID", "")
            known = int(told) if told.isascii() and told.isdecimal() else None
            await self._send(response, known)
        return response

    def _first(self, known: int | None) -> int:
        """Return the position after which a page wants the log: what it knows, or near the end."""
        head = self._board.head
        if known is not None and known <= head:  # else it is of a log before this one
            return known
        return max(0, head - KEPT)

    async def _send(self, response: web.StreamResponse, known: int | None) -> None:
        """Tell a page what happens; it knows the log up to *known*, if it knows it."""
        number, position = 0, 0
        while not self._board.is_closed:
            until = self._board.number
            frames = self._board.since(number)
            if position == 0:  # the log may not have been read before
                position = self._first(known)
            entries = await self._feed.entries_after(position)
            frames += [frame("log", entry, position=entry.position) for entry in entries]
            await response.write(b"".join(frames) or b":\n\n")
            number = until
            if entries:
                position = entries[-1].position
            elif position >= self._board.head:
                await self._news(number)

    async def _news(self, number: int) -> None:
        """Wait for something newer than *number*, as long as a page may hear nothing."""
        with suppress(TimeoutError):
            async with asyncio.timeout(KEEP_ALIVE):
                await self._board.changed(number)


@web.middleware
async def _name_mistakes(request: web.Request, handler: Handler) -> web.StreamResponse:
    try:
        return await handler(request)
    except (msgspec.ValidationError, msgspec.DecodeError) as error:
        return web.json_response({"message": str(error)}, status=400)

"""/healthz, /readyz and /metrics over HTTP."""

import asyncio
import errno
import logging
from collections.abc import Sequence
from http import HTTPStatus

from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError
from aiohttp.web_protocol import RequestHandler
from prometheus_client import exposition

from boostmon.bot.health.vitals import Vitals

EVERYWHERE = ("::", "0.0.0.0")  # noqa: S104 - asked for: the first alone takes IPv6 only, here
LACKING = (errno.EAFNOSUPPORT, errno.EADDRNOTAVAIL)
FAREWELL = 1.0  # seconds
PATIENCE = 30.0  # seconds that a connection may last; twice that at most


class Endpoints:
    """Answers who asks how the bot is; whoever asks slowly is hung up on."""

    def __init__(self, vitals: Vitals) -> None:
        self._vitals = vitals
        application = web.Application()
        application.router.add_get("/healthz", self._healthz)
        application.router.add_get("/readyz", self._readyz)
        application.router.add_get("/metrics", self._metrics)
        self._runner = web.AppRunner(
            application, access_log=None, logger=_log(), shutdown_timeout=FAREWELL
        )

    async def open(self, host: str, port: int) -> None:
        """Listen; raise `OSError` where nobody can."""
        await self._runner.setup()
        try:
            await self._listen(EVERYWHERE if host == "::" else (host,), port)
        except OSError:
            await self._runner.cleanup()
            raise
        self._watching = asyncio.create_task(self._hang_up_on_the_slow())

    async def _listen(self, hosts: Sequence[str], port: int) -> None:
        """Listen on each of *hosts*, as far as this machine has its family of addresses."""
        missing: list[OSError] = []
        for host in hosts:
            try:
                await web.TCPSite(self._runner, host, port).start()
            except OSError as error:
                missing.append(error)
                if error.errno not in LACKING or len(missing) == len(hosts):
                    raise

    async def close(self) -> None:
        """Listen no more, and hang up on everybody."""
        self._watching.cancel()
        await self._runner.cleanup()

    async def _healthz(self, _: web.Request) -> web.Response:
        return web.Response(text="alive\n")

    async def _readyz(self, _: web.Request) -> web.Response:
        parts = await self._vitals.ready()
        status = HTTPStatus.OK if all(parts.values()) else HTTPStatus.SERVICE_UNAVAILABLE
        stop = self._vitals.stop()  # commands are answered all the same: it is no less ready
        told = parts if stop is None else {**parts, "discord_stopped": stop}
        return web.json_response(told, status=status)

    async def _metrics(self, request: web.Request) -> web.Response:
        await self._vitals.refresh()
        encode, kind = exposition.choose_encoder(request.headers.get("Accept", ""))
        body = encode(self._vitals.metrics.registry)
        return web.Response(body=body, headers={"Content-Type": kind})

    async def _hang_up_on_the_slow(self) -> None:
        """End what lasts too long: aiohttp waits for ever for a request to be whole, or read."""
        known = set[RequestHandler]()
        while True:
            await asyncio.sleep(PATIENCE)
            server = self._runner.server
            open_now = set(server.connections) if server else set()
            for connection in known & open_now:
                if connection.transport is not None:
                    connection.transport.abort()
            known = open_now


def _log() -> logging.Logger:
    log = logging.getLogger(__name__)
    log.addFilter(_is_ours)
    return log


def _is_ours(record: logging.LogRecord) -> bool:
    # What is no HTTP is answered with 400; a stranger could fill the logs with tracebacks of it.
    return not (record.exc_info and isinstance(record.exc_info[1], HttpProcessingError))

"""The page: a server to look at and to play with, served to browsers on this machine."""

import asyncio
from contextlib import suppress
from pathlib import Path

import msgspec
from aiohttp import WSCloseCode, web

from boostmon.sandbox.acts.picture import picture
from boostmon.sandbox.core.discord import Discord
from boostmon.sandbox.core.loopback import check_origin
from boostmon.sandbox.core.watch import Looker
from boostmon.sandbox.world.errors import ControlError

WEB = Path(__file__).parent / "web"
_KINDS = {
    ".html": "text/html",
    ".js": "text/javascript",
    ".css": "text/css",
    ".svg": "image/svg+xml",
}
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'; "
    "require-trusted-types-for 'script'; trusted-types 'none'"
)
HEADERS = {
    "Content-Security-Policy": _POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-cache",
}
_HEARTBEAT, _LARGEST_MESSAGE = 20.0, 1024


class Page:
    """Answers `/`, `/web/…` and the live stream `/_sim/live`."""

    def __init__(self, discord: Discord) -> None:
        self._discord = discord
        self._open: set[web.WebSocketResponse] = set()

    def add_to(self, app: web.Application) -> None:
        """Offer the page in *app*."""
        app.router.add_get("/", self.serve)
        app.router.add_get("/web/{name}", self.serve)
        app.router.add_get("/_sim/live", self.live)
        app.on_shutdown.append(self._stop)

    async def serve(self, request: web.Request) -> web.StreamResponse:
        """Serve one of the files of the page."""
        if refusal := _refusal(request):
            return refusal
        path = WEB / request.match_info.get("name", "index.html")
        if path.parent != WEB or not path.is_file():
            return web.Response(status=404, headers=HEADERS, text="There is no such file.\n")
        kind = _KINDS[path.suffix] + "; charset=utf-8"
        return web.Response(body=path.read_bytes(), headers=HEADERS | {"Content-Type": kind})

    async def live(self, request: web.Request) -> web.StreamResponse:
        """Show the whole picture, then each change, to one who looks on."""
        if refusal := _refusal(request):
            return refusal
        socket = web.WebSocketResponse(heartbeat=_HEARTBEAT, max_msg_size=_LARGEST_MESSAGE)
        await socket.prepare(request)
        looker = Looker()
        self._open.add(socket)
        self._discord.watch.add(looker)
        writer = asyncio.create_task(self._write(socket, looker))
        try:
            async for _ in socket:
                pass
        finally:
            self._discord.watch.remove(looker)
            self._open.discard(socket)
            writer.cancel()
            with suppress(asyncio.CancelledError):
                await writer
        return socket

    async def _write(self, socket: web.WebSocketResponse, looker: Looker) -> None:
        """Tell one who looks on of changes, until they go."""
        try:
            with suppress(ConnectionError):
                while True:
                    changes = await looker.next(lambda: picture(self._discord))
                    await socket.send_str(changes.decode())
        finally:
            await socket.close()

    async def _stop(self, _: web.Application) -> None:
        for socket in list(self._open):
            await socket.close(code=WSCloseCode.GOING_AWAY)


def _refusal(request: web.Request) -> web.Response | None:
    """Refuse what comes from elsewhere, as the control interface does."""
    try:
        check_origin(request)
    except ControlError as error:
        body = msgspec.json.encode({"message": str(error)})
        headers = HEADERS | {"Content-Type": "application/json"}
        return web.Response(status=error.status, body=body, headers=headers)
    return None

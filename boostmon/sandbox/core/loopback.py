"""Lets this machine ask only, and no page from elsewhere in one of its browsers."""

from urllib.parse import urlsplit

from aiohttp import web
from aiohttp.typedefs import Handler

from boostmon.sandbox.world.errors import ControlError

_LOOPBACK = ("127.0.0.1", "localhost", "::1")


def check_origin(request: web.Request) -> None:
    """Refuse what a page from elsewhere could send: by a name of its own, or from its origin."""
    origin = request.headers.get("Origin")
    for url in (f"//{request.host}", origin):
        if url is not None and urlsplit(url).hostname not in _LOOPBACK:
            raise ControlError("the control interface is for this machine only", 403)


@web.middleware
async def loopback_only(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Let an application answer this machine only, and say so to others as `/_sim` does."""
    try:
        check_origin(request)
    except ControlError as error:
        return web.json_response({"message": str(error)}, status=error.status)
    return await handler(request)

"""Answers as they go over the wire, with Discord's headers or those of what stands before it."""

import math
import socket
import struct
from collections.abc import Mapping
from email.utils import formatdate
from typing import Any, Literal

import msgspec
from aiohttp import web

from boostmon.sandbox.core.limits import Verdict
from boostmon.sandbox.world.errors import plain

_ABORT_ON_CLOSE = struct.pack("ii", 1, 0)
_UNDATED = ""
_TOO_MANY, _NO_CONTENT = 429, 204
_OF_THE_FRONT = {502, 503, 504, *range(520, 528)}
"""What Discord's front answers by itself when it has no answer of Discord's: a page."""
_PAGE = (
    "<!DOCTYPE html>\n<html>\n<head><title>{status} {words}</title></head>\n<body>\n"
    "<center><h1>{status} {words}</h1></center>\n<hr><center>cloudflare</center>\n"
    "</body>\n</html>\n"
)
_WORDS = {
    502: "Bad Gateway",
    503: "Service Temporarily Unavailable",
    504: "Gateway Time-out",
    520: "Web server is returning an unknown error",
    521: "Web server is down",
    522: "Connection timed out",
    523: "Origin is unreachable",
    524: "A timeout occurred",
    525: "SSL handshake failed",
    526: "Invalid SSL certificate",
    527: "Railgun error",
}


def of_json(body: Any, status: int, headers: dict[str, str]) -> web.Response:
    """Answer with JSON; clients compare the content type, which must have no charset."""
    raw = msgspec.json.encode(body)
    return web.Response(
        body=raw,
        status=status,
        headers={**headers, "Via": "1.1 google", "Content-Type": "application/json"},
    )


def empty(headers: dict[str, str]) -> web.Response:
    """Answer 204."""
    return web.Response(status=204, headers={**headers, "Via": "1.1 google"})


def rate_limited(verdict: Verdict) -> web.Response:
    """Answer 429 as *verdict* has it."""
    body = {
        "message": "You are being rate limited.",
        "retry_after": verdict.retry_after,
        "global": verdict.everywhere,
    }
    return of_json(body, _TOO_MANY, verdict.headers)


def banned(seconds: float) -> web.Response:
    """Answer as what stands before Discord does: no JSON, no `Via`, none of Discord's headers."""
    headers = {"Retry-After": str(math.ceil(seconds)), "Server": "cloudflare"}
    return web.Response(text="error code: 1015", status=_TOO_MANY, headers=headers)


def faulty(
    status: int, body: Any = None, headers: Mapping[str, str | None] | None = None
) -> web.Response:
    """Answer what a fault has instead of the real answer: *body* and *headers* are its own."""
    response = _faulty(status, body)
    for name, value in (headers or {}).items():
        response.headers.popall(name, None)
        if value is not None:
            response.headers[name] = value
    return response


def _faulty(status: int, body: Any) -> web.Response:
    if isinstance(body, str):
        return _front(status, body)
    if status == _TOO_MANY:
        usual = {"message": "You are being rate limited.", "retry_after": 0.2, "global": False}
        told = usual | body if isinstance(body, dict) else usual
        headers = {
            "Retry-After": "1",
            "X-RateLimit-Scope": "shared",
            "X-RateLimit-Reset-After": "0.2",
        }
        said = {name: value for name, value in told.items() if value is not None}
        return of_json(said, status, headers)
    if status == _NO_CONTENT:
        return empty({})
    if body is None and status in _OF_THE_FRONT:
        return _front(status, _PAGE.format(status=status, words=_WORDS[status]))
    return of_json(plain(status).body if body is None else body, status, {})


def _front(status: int, page: str) -> web.Response:
    """Answer with a page, as what stands before Discord does."""
    headers = {"Server": "cloudflare"}
    return web.Response(text=page, content_type="text/html", status=status, headers=headers)


def date(
    response: web.Response, now: float, wrong: float | Literal["missing"] | None
) -> web.Response:
    """Date an answer that is made *now*; *wrong* by some seconds, or with no date at all."""
    if wrong == "missing":
        response.headers["Date"] = _UNDATED
    else:
        response.headers["Date"] = formatdate(now + (wrong or 0.0), usegmt=True)
    return response


async def undate(_: web.Request, response: web.StreamResponse) -> None:
    """Take away the date that the server adds by itself where there should be none."""
    if response.headers.get("Date") == _UNDATED:
        del response.headers["Date"]


def reset(request: web.Request) -> None:
    """Cut the connection so that the client sees a reset, not an orderly end."""
    transport = request.transport
    if transport is None:
        return
    sock = transport.get_extra_info("socket")
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _ABORT_ON_CLOSE)
    transport.abort()


def is_invalid(response: web.StreamResponse) -> bool:
    """Whether Discord counts this answer towards a ban of the address."""
    shared = response.headers.get("X-RateLimit-Scope") == "shared"
    return response.status in (401, 403, 429) and not shared


def code(response: web.Response) -> int | None:
    """Return the code in the body of a refusal."""
    if response.status < 400 or response.content_type != "application/json":  # noqa: PLR2004 -- an HTTP status
        return None
    try:
        decoded = msgspec.json.decode(response.body if isinstance(response.body, bytes) else b"{}")
    except msgspec.DecodeError:
        return None  # a fault had it cut off
    return decoded.get("code") if isinstance(decoded, dict) else None

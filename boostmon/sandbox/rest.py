"""REST: from a request to a handler and back, with everything that Discord does in between."""

import asyncio
import logging
import math
import socket
import struct
from collections.abc import Callable
from typing import Any
from urllib.parse import unquote

import msgspec
from aiohttp import web

from boostmon.sandbox import (  # noqa: F401 -- importing the rest_ ones registers their routes
    attachments,
    bodies,
    picture,
    rest_applications,
    rest_channels,
    rest_guilds,
    rest_interactions,
    rest_messages,
    rest_roles,
    rest_webhooks,
)
from boostmon.sandbox.core import Discord
from boostmon.sandbox.errors import ApiError, plain, refuse
from boostmon.sandbox.faults import Fault
from boostmon.sandbox.limits import Verdict
from boostmon.sandbox.model import Bot
from boostmon.sandbox.routes import Call, Reply, Route, find
from boostmon.sandbox.rules import check, shape, snowflake, text

PREFIX = "/api/v10"
REASON = "X-Audit-Log-Reason"
_log = logging.getLogger(__name__)
_ABORT_ON_CLOSE = struct.pack("ii", 1, 0)


class Rest:
    """Answers everything below /api."""

    def __init__(self, discord: Discord) -> None:
        self._discord = discord

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Answer one request, and note it in the journal."""
        if request.path.startswith(attachments.PLACE):
            return _file(self._discord, request)
        raw = await request.read()
        path = request.path.removeprefix(PREFIX)
        known = request.path.startswith(PREFIX + "/")
        route, ids, path_known = find(request.method, path) if known else (None, {}, False)
        entry = self._note(request, raw, path, route)
        if banned_for := self._discord.limiter.banned_for():
            entry |= {"status": 429, "banned": True}
            return _banned(banned_for)
        fault = self._discord.faults.take(request.method, path, entry["route"])
        if fault:
            entry["fault"] = fault.id

        async def answer() -> web.Response:
            if route is None:
                error = plain(405 if path_known else 404)
                return _json(error.body, error.status, {})
            try:
                return await self._answer(request, raw, route, ids)
            except Exception as error:  # noqa: BLE001 -- whatever it is, it goes on record
                _log.exception("%s %s", request.method, path)
                entry["crash"] = repr(error)
                return _json(plain(500).body, 500, {})

        try:
            response = await _with_fault(request, entry, fault, answer)
        finally:
            self._discord.watch.tell("REQUEST", lambda: picture.request(entry))
        if _is_invalid(response):
            self._discord.limiter.note_invalid()
        return response

    def _note(
        self, request: web.Request, raw: bytes, path: str, route: Route | None
    ) -> dict[str, Any]:
        """Note a request in the journal."""
        entry = self._discord.journal.open(
            method=request.method,
            path=path,
            route=route.template if route else None,
            query=dict(request.query),
            body=bodies.peek(request, raw),
            reason=_reason(request),
            auth="bot" if "Authorization" in request.headers else None,
        )
        if route is None:
            entry["unknown"] = True
        return entry

    async def _answer(
        self, request: web.Request, raw: bytes, route: Route, ids: dict[str, str]
    ) -> web.Response:
        headers: dict[str, str] = {}
        try:
            bot = self._identify(request, route)
            verdict = self._limit(bot, route, ids)
            headers = verdict.headers
            if verdict.retry_after is not None:
                return _rate_limited(verdict)
            result = await route.handler(self._call(request, raw, route, ids, bot))
        except ApiError as error:
            return _json(error.body, error.status, headers)
        if result is None:
            return _empty(headers)
        if isinstance(result, Reply):
            return _json(result.body, result.status, headers)
        return _json(result, 200, headers)

    def _identify(self, request: web.Request, route: Route) -> Bot | None:
        if not route.token:
            return None
        given = request.headers.get("Authorization", "")
        for bot in self._discord.world.bots.values():
            if given == f"Bot {bot.token}":
                return bot
        raise plain(401)

    def _limit(self, bot: Bot | None, route: Route, ids: dict[str, str]) -> Verdict:
        if route.kind == "none":
            return Verdict({})
        place = ids.get(route.major, "")
        if route.kind == "webhook":
            place += ids["webhook_token"]
        scope = route.method if route.kind != "other" else f"{route.method} {route.template}"
        bot_id = bot.id if bot else None
        return self._discord.limiter.take(bot_id, route.kind, f"{scope} {place}")

    def _call(
        self, request: web.Request, raw: bytes, route: Route, ids: dict[str, str], bot: Bot | None
    ) -> Call:
        named = {name: value for name, value in ids.items() if name.endswith("_id")}
        check(shape(dict.fromkeys(named, snowflake)), named)
        if bot and ids.get("application_id", bot.id) != bot.id:
            raise refuse(20012)
        if self._in_outage(ids):
            raise plain(503)
        reason = _reason(request)
        if reason is not None:
            check(shape(reason=text(1, 512)), {"reason": reason})
        body = bodies.read(request, raw, files=route.files)
        taken = check(route.rule, body.json) if route.rule else {}
        if body.files:
            taken["files"] = body.files
        return Call(
            discord=self._discord,
            ids=ids,
            query=dict(request.query),
            body=taken,
            reason=reason,
            caller=bot,
        )

    def _in_outage(self, ids: dict[str, str]) -> bool:
        """Whether the path leads into a server that has an outage."""
        guild_id = ids.get("guild_id")
        if "channel_id" in ids and (channel := self._discord.world.channel(ids["channel_id"])):
            guild_id = channel.guild_id
        guild = self._discord.world.guilds.get(guild_id or "")
        return guild is not None and not guild.available


async def _with_fault(
    request: web.Request,
    entry: dict[str, Any],
    fault: Fault | None,
    answer: Callable[[], Any],
) -> web.StreamResponse:
    """Answer as *fault* has it: before or after the effect, late, wrong, or not at all."""
    response: web.Response | None = None
    if fault is None or fault.when == "after" or not fault.answers:
        if fault and fault.when == "before":
            await asyncio.sleep(fault.hang)
        response = await answer()
    if fault and (fault.when == "after" or response is None):
        await asyncio.sleep(fault.hang)
    if fault and fault.reset:
        entry["status"] = None
        _reset(request)
        return web.Response()
    if fault and fault.status is not None:
        response = _faulty(fault, fault.status)
    if response is None:
        response = _empty({})
    entry["status"] = response.status
    entry["code"] = _code(response)
    return response


def _faulty(fault: Fault, status: int) -> web.Response:
    if status == 429:  # noqa: PLR2004 -- an HTTP status, of which everybody knows the meaning
        body = {"message": "You are being rate limited.", "retry_after": 0.2, "global": False}
        headers = {
            "Retry-After": "1",
            "X-RateLimit-Scope": "shared",
            "X-RateLimit-Reset-After": "0.2",
        }
        return _json(fault.body or body, status, headers)
    if status == 204:  # noqa: PLR2004 -- the same
        return _empty({})
    return _json(plain(status).body if fault.body is None else fault.body, status, {})


def _reset(request: web.Request) -> None:
    """Cut the connection so that the client sees a reset, not an orderly end."""
    transport = request.transport
    if transport is None:
        return
    sock = transport.get_extra_info("socket")
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _ABORT_ON_CLOSE)
    transport.abort()


def _rate_limited(verdict: Verdict) -> web.Response:
    body = {
        "message": "You are being rate limited.",
        "retry_after": verdict.retry_after,
        "global": verdict.everywhere,
    }
    return _json(body, 429, verdict.headers)


def _json(body: Any, status: int, headers: dict[str, str]) -> web.Response:
    """Answer with JSON; clients compare the content type, which must have no charset."""
    raw = msgspec.json.encode(body)
    return web.Response(
        body=raw,
        status=status,
        headers={**headers, "Via": "1.1 google", "Content-Type": "application/json"},
    )


def _banned(seconds: float) -> web.Response:
    """Answer as what stands before Discord does: no JSON, no `Via`, none of Discord's headers."""
    headers = {"Retry-After": str(math.ceil(seconds)), "Server": "cloudflare"}
    return web.Response(text="error code: 1015", status=429, headers=headers)


def _is_invalid(response: web.StreamResponse) -> bool:
    """Whether Discord counts this answer towards a ban of the address."""
    shared = response.headers.get("X-RateLimit-Scope") == "shared"
    return response.status in (401, 403, 429) and not shared


def _empty(headers: dict[str, str]) -> web.Response:
    return web.Response(status=204, headers={**headers, "Via": "1.1 google"})


def _file(discord: Discord, request: web.Request) -> web.Response:
    """Answer a request for an attached file."""
    try:
        return attachments.serve(discord, request.path)
    except ApiError as error:
        return _json(error.body, error.status, {})


def _reason(request: web.Request) -> str | None:
    given = request.headers.get(REASON)
    return None if given is None else unquote(given)


def _code(response: web.Response) -> int | None:
    body = response.body
    if response.status < 400 or not isinstance(body, bytes):  # noqa: PLR2004 -- an HTTP status
        return None
    decoded = msgspec.json.decode(body)
    return decoded.get("code") if isinstance(decoded, dict) else None

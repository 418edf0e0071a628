"""REST: from a request to a handler and back, with everything that Discord does in between."""

import logging
from typing import Any
from urllib.parse import unquote

from aiohttp import web

from boostmon.sandbox.acts import attachments, picture
from boostmon.sandbox.core import responses
from boostmon.sandbox.core.discord import Discord
from boostmon.sandbox.core.exchange import Exchange, Pause
from boostmon.sandbox.core.limits import Verdict
from boostmon.sandbox.rest import (  # noqa: F401 -- importing the rest_ ones registers their routes
    applications,
    channels,
    guilds,
    interactions,
    messages,
    roles,
    webhooks,
)
from boostmon.sandbox.rest.routes import Call, Reply, Route, find
from boostmon.sandbox.rules import bodies
from boostmon.sandbox.rules.language import check, shape, snowflake, text
from boostmon.sandbox.world.errors import ApiError, plain, refuse
from boostmon.sandbox.world.model import Bot

PREFIX = "/api/v10"
REASON = "X-Audit-Log-Reason"
_log = logging.getLogger(__name__)


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
        exchange = Exchange(self._discord, request, entry)
        if banned_for := self._discord.limiter.banned_for():
            entry |= {"status": 429, "banned": True}
            return exchange.dated(responses.banned(banned_for))

        async def answer(pause: Pause) -> web.Response:
            if route is None:
                error = plain(405 if path_known else 404)
                return responses.of_json(error.body, error.status, {})
            try:
                return await self._answer(request, raw, route, ids, pause)
            except Exception as error:  # noqa: BLE001 -- whatever it is, it goes on record
                _log.exception("%s %s", request.method, path)
                entry["crash"] = repr(error)
                return responses.of_json(plain(500).body, 500, {})

        try:
            response = await exchange.run(answer)
        finally:
            self._discord.watch.tell("REQUEST", lambda: picture.request(entry))
        if responses.is_invalid(response):
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
        self, request: web.Request, raw: bytes, route: Route, ids: dict[str, str], pause: Pause
    ) -> web.Response:
        """Look at a request as it arrives, and carry it out after the *pause*."""
        headers: dict[str, str] = {}
        try:
            bot = self._identify(request, route)
            verdict = self._limit(bot, route, ids)
            headers = verdict.headers
            if verdict.retry_after is not None:
                return responses.rate_limited(verdict)
            call = self._call(request, raw, route, ids, bot)
            await pause()
            result = await route.handler(call)
        except ApiError as error:
            return responses.of_json(error.body, error.status, headers | error.headers)
        if result is None:
            return responses.empty(headers)
        if isinstance(result, Reply):
            return responses.of_json(result.body, result.status, headers)
        return responses.of_json(result, 200, headers)

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


def _file(discord: Discord, request: web.Request) -> web.Response:
    """Answer a request for an attached file."""
    try:
        return attachments.serve(discord, request.path)
    except ApiError as error:
        return responses.of_json(error.body, error.status, {})


def _reason(request: web.Request) -> str | None:
    given = request.headers.get(REASON)
    return None if given is None else unquote(given)

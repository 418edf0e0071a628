"""Every request to Discord, counted as it is answered."""

import re
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

import aiohttp
from disnake.ext import commands
from yarl import URL

from boostmon.bot.discord.rest import NotLeadingError, RefusedError
from boostmon.bot.records.metrics import SCOPES, Metrics

UNANSWERED = "none"
BASE = re.compile(r"^.*?/v[0-9]+(?=/)")
OF_INTERACTIONS = re.compile(r"^/(interactions|webhooks)/\{id\}/[^/]+")
ID = re.compile(r"(?<=/)[0-9]+(?=/|$)")

ROUTES = frozenset(
    {
        "/applications/{id}/commands",
        "/applications/{id}/guilds/{id}/commands",
        "/applications/{id}/guilds/{id}/commands/permissions",
        "/channels/{id}/messages",
        "/gateway",
        "/gateway/bot",
        "/guilds/{id}",
        "/guilds/{id}/audit-logs",
        "/guilds/{id}/channels",
        "/guilds/{id}/members/{id}",
        "/guilds/{id}/members/{id}/roles/{id}",
        "/guilds/{id}/roles",
        "/interactions/{id}/{token}/callback",
        "/oauth2/applications/@me",
        "/users/@me/channels",
        "/webhooks/{id}/{token}",
        "/webhooks/{id}/{token}/messages/@original",
    }
)


def count_requests(bot: commands.InteractionBot, metrics: Metrics) -> None:
    """Have *metrics* count the requests of *bot*, whoever makes them."""

    def count(method: str, url: URL, status: str) -> None:
        metrics.requests.labels(method, route_of(url), status).inc()

    def count_refusal(scope: str) -> None:
        metrics.refused_for_pace.labels(scope if scope in SCOPES else "unknown").inc()

    async def answered(_: object, __: object, end: aiohttp.TraceRequestEndParams) -> None:
        count(end.method, end.url, str(end.response.status))
        if end.response.status == HTTPStatus.TOO_MANY_REQUESTS:
            count_refusal(_scope(end.response.headers))

    async def failed(_: object, __: object, end: aiohttp.TraceRequestExceptionParams) -> None:
        match end.exception:
            case NotLeadingError():
                return  # it was not sent
            case RefusedError(status=status, scope=scope):
                count(end.method, end.url, str(status))
                if status == HTTPStatus.TOO_MANY_REQUESTS:
                    count_refusal(scope)
            case _:
                count(end.method, end.url, UNANSWERED)

    trace = aiohttp.TraceConfig()
    trace.on_request_end.append(answered)
    trace.on_request_exception.append(failed)
    trace.freeze()
    session: Any = bot.http._HTTPClient__session  # type: ignore[attr-defined] # noqa: SLF001 - disnake makes it without a way to watch it
    session.trace_configs.append(trace)


def route_of(url: URL) -> str:
    """Name the route of *url*, without the ids and tokens in it; `other`: none that is known."""
    if url.scheme in ("ws", "wss"):
        return "gateway"
    path = ID.sub("{id}", BASE.sub("", url.raw_path))
    route = OF_INTERACTIONS.sub(r"/\1/{id}/{token}", path)
    return route if route in ROUTES else "other"


def _scope(headers: Mapping[str, str]) -> str:
    return headers.get("X-RateLimit-Scope", "")

"""The one place where Discord's REST is written to, on bare ids: no cache is asked."""

from collections.abc import Mapping
from typing import Any

import aiohttp
from aiohttp import ClientHandlerType, ClientRequest, ClientResponse
from disnake.http import HTTPClient, Route
from msgspec import Struct

from boostmon.errors import DiscordError

ATTEMPT_SECONDS = 8.0
REASON_LENGTH = 512  # characters; resources/audit-log


class RefusedError(DiscordError):
    """Discord answered a request with an error; *code* is Discord's own, 0 where it has none."""

    def __init__(self, status: int, body: Mapping[str, Any], headers: Mapping[str, str]) -> None:
        """Keep what the answer says."""
        self.status = status
        self.code = int(body.get("code") or 0)
        self.text = str(body.get("message", ""))
        self.retry_after = float(body.get("retry_after") or headers.get("Retry-After") or 0)
        self.everywhere = bool(body.get("global"))
        super().__init__(f"Discord answered {status}: {self.text} (code {self.code})")


class UnansweredError(DiscordError):
    """Discord did not answer; nobody knows whether it did what it was asked."""


class Answer(Struct, frozen=True):
    """What a request got: the *body*, and the *headers* that speak of limits."""

    body: Any
    headers: Mapping[str, str]


class DiscordApi:
    """Role changes and messages, each asked for once.

    Every method may raise `RefusedError`, `UnansweredError` or `TimeoutError`.
    """

    def __init__(self, http: HTTPClient) -> None:
        self._http = http

    async def give_role(self, guild_id: str, user_id: str, role_id: str, *, reason: str) -> Answer:
        """Give a member a role; harmless when they have it."""
        return await self._change_role("PUT", guild_id, user_id, role_id, reason)

    async def take_role(self, guild_id: str, user_id: str, role_id: str, *, reason: str) -> Answer:
        """Take a role from a member; harmless when they lack it."""
        return await self._change_role("DELETE", guild_id, user_id, role_id, reason)

    async def open_direct_channel(self, user_id: str) -> str:
        """Return the id of the channel of direct messages with a user."""
        route = Route("POST", "/users/@me/channels")
        answer = await self._request(route, json={"recipient_id": user_id})
        return str(answer.body["id"])

    async def send(self, channel_id: str, content: str, *, mention: str, nonce: str) -> Answer:
        """Post *content*, which can ping the user *mention* and nobody else.

        A repetition with the same *nonce* within a few minutes answers with the first message
        (resources/message, "Create Message").
        """
        route = Route("POST", "/channels/{channel_id}/messages", channel_id=channel_id)
        message = {
            "content": content,
            "allowed_mentions": {"parse": [], "users": [mention]},
            "nonce": nonce,
            "enforce_nonce": True,
        }
        return await self._request(route, json=message)

    async def _change_role(
        self, method: str, guild_id: str, user_id: str, role_id: str, reason: str
    ) -> Answer:
        route = Route(
            method,
            "/guilds/{guild_id}/members/{user_id}/roles/{role_id}",
            guild_id=guild_id,
            user_id=user_id,
            role_id=role_id,
        )
        return await self._request(route, reason=reason[:REASON_LENGTH])

    async def _request(self, route: Route, **arguments: Any) -> Answer:
        headers: dict[str, str] = {}

        async def judge(request: ClientRequest, send: ClientHandlerType) -> ClientResponse:
            """See the answer before disnake does, whose own retries would hide it."""
            try:
                response = await send(request)
            except (aiohttp.ClientError, OSError) as error:
                raise UnansweredError(f"Discord did not answer ({error!r})") from error
            headers.update(response.headers)
            if response.status >= 400:  # noqa: PLR2004 - HTTP
                raise RefusedError(response.status, await _body(response), response.headers)
            return response

        body = await self._http.request(
            route,
            middlewares=(judge,),
            timeout=aiohttp.ClientTimeout(total=ATTEMPT_SECONDS),
            **arguments,
        )
        return Answer(body, headers)


async def _body(response: ClientResponse) -> Mapping[str, Any]:
    if response.content_type != "application/json":
        return {"message": response.reason or ""}
    body = await response.json()
    return body if isinstance(body, dict) else {}

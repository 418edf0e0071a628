"""Discord's refusals as disnake can take them: it trusts what they say of a wait, and their form.

disnake waits as long as a 429 says, for ever if need be; it fails with KeyError where that is not
said; and where a wait for all requests is given up, none of its requests is ever sent again.
"""

from http import HTTPStatus
from typing import Any

import msgspec
from aiohttp import ClientHandlerType, ClientRequest, ClientResponse
from disnake.ext import commands

from boostmon import machine
from boostmon.bot.discord.pace import Pace
from boostmon.bot.discord.rest import RefusedError, body_of

JSON = "application/json"  # to the letter, as disnake compares it


def make_plain(bot: commands.InteractionBot, pace: Pace) -> None:
    """Have the refusals of what disnake asks by itself made plain before it sees them.

    That is answers to interactions, commands and direct messages to callers; of what `DiscordApi`
    asks for it sees no refusal. *pace* is told where all requests have to wait.
    """

    async def plain(request: ClientRequest, send: ClientHandlerType) -> ClientResponse:
        response = await send(request)
        if response.status >= HTTPStatus.BAD_REQUEST:
            body = await body_of(response)
            refusal = RefusedError(response.status, body, response.headers)
            _say(response, {**body, "code": refusal.code, "message": refusal.text}, refusal)
            if response.status == HTTPStatus.TOO_MANY_REQUESTS and refusal.everywhere:
                now = machine.monotonic()
                why = refusal.stopped_by
                pace.refused("", refusal.retry_after, everywhere=True, now=now, why=why)
        return response

    session: Any = bot.http._HTTPClient__session  # type: ignore[attr-defined] # noqa: SLF001 - disnake makes it without a way to change it
    session._middlewares = (plain,)  # noqa: SLF001 - as a session can be given them when it is made


def _say(response: ClientResponse, body: dict[str, Any], refusal: RefusedError) -> None:
    """Let *response* say *body*, which the whole of it has been read for."""
    if refusal.status == HTTPStatus.TOO_MANY_REQUESTS:
        body |= {"retry_after": refusal.retry_after, "global": False}
    headers = response.headers.copy()
    headers["Content-Type"] = JSON
    headers.setdefault("Via", "none")  # without it disnake takes a 429 for a ban, and gives up
    response._body = msgspec.json.encode(body)  # noqa: SLF001 - aiohttp keeps it there once it is read
    response._headers = type(response.headers)(headers)  # noqa: SLF001 - the same
    response._cache.pop("headers", None)  # noqa: SLF001 - the same

"""The requests that answer an interaction, each sent once; a repetition is the caller's to judge.

disnake repeats what fails by itself, so that nobody can tell what an earlier attempt has done, and
makes a message of each answer, which fails where that was cut off.
"""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, Protocol

import aiohttp
import disnake
from disnake import Embed
from disnake.http import Route
from disnake.interactions import ApplicationCommandInteraction, MessageInteraction
from disnake.ui.select import StringSelect
from msgspec import Struct

from boostmon.bot.discord.rest import RefusedError, UnansweredError, body_of, legible

MESSAGE, DEFER, DEFER_UPDATE, CHOICES = 4, 5, 6, 8  # types of a first answer
EPHEMERAL, LOADING = 1 << 6, 1 << 7  # flags of a message
CALLBACK = "/interactions/{webhook_id}/{webhook_token}/callback"
HOOK = "/webhooks/{webhook_id}/{webhook_token}"
ORIGINAL = HOOK + "/messages/@original"
NOBODY: Mapping[str, Any] = {"parse": []}  # is mentioned

Interaction = ApplicationCommandInteraction | MessageInteraction


class Said(Struct, frozen=True):
    """What an answer says."""

    text: str | None = None
    embed: Embed | None = None
    menu: StringSelect | None = None

    @property
    def message(self) -> dict[str, Any]:
        """It, as Discord takes it."""
        menus = [self.menu.to_component_dict()] if self.menu else []
        return {
            "content": self.text,
            "embeds": [self.embed.to_dict()] if self.embed else [],
            "components": [{"type": 1, "components": menus}] if menus else [],
            "allowed_mentions": NOBODY,
        }


class CutOffError(UnansweredError):
    """Discord's answer says that it was done, and was cut off; nobody knows for certain."""


class Requests(Protocol):
    """What answers an interaction.

    Every method may raise `RefusedError`, `UnansweredError` or `TimeoutError`.
    """

    @property
    def id(self) -> int:
        """The interaction's id."""

    @property
    def user_id(self) -> int:
        """Who waits for the answer."""

    @property
    def is_choice(self) -> bool:
        """Whether it came from a menu, which is what is edited then."""

    async def acknowledge(self, *, private: bool) -> None:
        """Say that the answer follows."""

    async def say(self, sentence: str) -> None:
        """Answer with a private sentence."""

    async def suggest(self, choices: Mapping[str, str]) -> None:
        """Answer with choices; each has what it shows and what it stands for."""

    async def is_loading(self) -> bool:
        """Tell whether nothing is said yet; refused before anybody has acknowledged."""
        ...

    async def edit(self, said: Said) -> None:
        """Have the answer say *said*."""

    async def withdraw(self) -> None:
        """Take the answer away."""

    async def follow_up(self, said: Said, *, private: bool) -> None:
        """Say more; while the answer is loading it takes its place."""

    async def tell(self, said: Said, *, nonce: str) -> None:
        """Say it by direct message; once, however often within some minutes."""


class InteractionApi:
    """Asks Discord by the token of one interaction."""

    def __init__(self, inter: Interaction) -> None:
        self._inter = inter
        self.id, self.user_id = inter.id, inter.author.id
        self.is_choice = isinstance(inter, MessageInteraction)

    async def acknowledge(self, *, private: bool) -> None:
        """Say that the answer follows."""
        if self.is_choice:
            await self._call_back({"type": DEFER_UPDATE})
        else:
            await self._call_back({"type": DEFER, "data": {"flags": EPHEMERAL if private else 0}})

    async def say(self, sentence: str) -> None:
        """Answer with a private sentence."""
        data = {"content": sentence, "flags": EPHEMERAL, "allowed_mentions": NOBODY}
        await self._call_back({"type": MESSAGE, "data": data})

    async def suggest(self, choices: Mapping[str, str]) -> None:
        """Answer with choices; each has what it shows and what it stands for."""
        shown = [{"name": name, "value": value} for name, value in choices.items()]
        await self._call_back({"type": CHOICES, "data": {"choices": shown}})

    async def is_loading(self) -> bool:
        """Tell whether nothing is said yet; refused before anybody has acknowledged."""
        message = await self._by_token("GET", ORIGINAL)
        with legible():
            return bool(message.get("flags", 0) & LOADING)

    async def edit(self, said: Said) -> None:
        """Have the answer say *said*."""
        await self._by_token("PATCH", ORIGINAL, said.message)

    async def withdraw(self) -> None:
        """Take the answer away."""
        await self._by_token("DELETE", ORIGINAL)

    async def follow_up(self, said: Said, *, private: bool) -> None:
        """Say more; while the answer is loading it takes its place."""
        flags = {"flags": EPHEMERAL} if private else {}
        await self._by_token("POST", HOOK, _new(said) | flags)

    async def tell(self, said: Said, *, nonce: str) -> None:
        """Say it by direct message; once, however often within some minutes."""
        http = self._inter.client.http
        try:
            opened = await http.request(
                Route("POST", "/users/@me/channels"), json={"recipient_id": self.user_id}
            )
            route = Route("POST", "/channels/{channel_id}/messages", channel_id=opened["id"])
            once = {"nonce": nonce, "enforce_nonce": True}
            await http.request(route, json=_new(said) | once)
        except disnake.HTTPException as error:
            body = {"code": error.code, "message": error.text}
            raise RefusedError(error.status, body, {}) from error
        except (aiohttp.ClientError, OSError, ValueError, KeyError, TypeError) as error:
            raise UnansweredError(f"Discord did not answer ({error!r})") from error

    async def _call_back(self, body: dict[str, Any]) -> None:
        route = Route("POST", CALLBACK, webhook_id=self.id, webhook_token=self._inter.token)
        await self._ask(route, body, is_empty=True)

    async def _by_token(
        self, method: str, path: str, body: dict[str, Any] | None = None
    ) -> dict[str, Any]:
        application_id, token = self._inter.application_id, self._inter.token
        route = Route(method, path, webhook_id=application_id, webhook_token=token)
        return await self._ask(route, body, is_empty=method == "DELETE")

    async def _ask(
        self, route: Route, body: dict[str, Any] | None, *, is_empty: bool
    ) -> dict[str, Any]:
        """Ask once; a good answer *is_empty*, or has a message."""
        session: aiohttp.ClientSession = self._inter._session  # noqa: SLF001 - disnake gives no other way
        try:
            async with session.request(
                route.method, route.url, json=body, allow_redirects=False
            ) as response:
                return await _answer(response, is_empty=is_empty)
        except (aiohttp.ClientError, OSError) as error:
            raise UnansweredError(f"Discord did not answer ({error!r})") from error


async def _answer(response: aiohttp.ClientResponse, *, is_empty: bool) -> dict[str, Any]:
    """Return what a good answer says; raise as `Requests` does for another one."""
    if response.status >= HTTPStatus.BAD_REQUEST:
        raise RefusedError(response.status, await body_of(response), response.headers)
    if is_empty and response.status == HTTPStatus.NO_CONTENT:
        return {}
    if response.status != HTTPStatus.OK or response.content_type != "application/json":
        raise UnansweredError(f"Discord did not answer (something else did: {response.status})")
    try:
        body = await response.json()
    except (ValueError, aiohttp.ClientError, OSError) as error:
        raise CutOffError from error
    if not isinstance(body, dict) or "id" not in body:
        raise CutOffError
    return body


def _new(said: Said) -> dict[str, Any]:
    """Return *said* as a message that is new, which has no content to take away."""
    return {name: value for name, value in said.message.items() if value is not None}

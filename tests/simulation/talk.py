"""What a process says to the people who give commands, and how Discord takes it."""

from typing import Any

import aiohttp
from disnake import HTTPException

from boostmon.bot.discord.rest import RefusedError, UnansweredError
from boostmon.bot.slash.asked import Asked
from boostmon.bot.slash.interaction_api import Said
from boostmon.bot.slash.settling import Settling
from boostmon.commands.decider import TimerCommand
from boostmon.commands.handler import Again, Handled, Origin
from boostmon.errors import RejectedError
from boostmon.events.timer import MINUTE, TimerId
from tests.simulation.book import Book, Word
from tests.simulation.discord import Guild
from tests.simulation.http import Http
from tests.simulation.orders import ACTIONS, Order


class Settled(Settling):
    """Settles commands, and notes in the book what their callers are told to have come of them."""

    def __init__(self, handler: Any, book: Book) -> None:
        """Take *book*."""
        super().__init__(handler)
        self._book = book

    async def settled(
        self,
        answer: Any,
        timer: TimerId,
        *,
        command: TimerCommand,
        origin: Origin,
        again: Again | None = None,
    ) -> Handled:
        """Note what came of *command*, too."""
        word = self._book.words[origin.command_id]
        given: Any = {"command": command, "origin": origin, "again": again}
        try:
            handled = await super().settled(answer, timer, **given)
        except RejectedError as refusal:
            word.refused.append(type(refusal).__name__)
            raise
        word.handled.append(handled)
        return handled


class Place:
    """A server as its caller sees it."""

    def __init__(self, guild: Guild) -> None:
        self._guild = guild

    def role(self, role_id: str) -> str | None:
        """Name a role; None when it was deleted."""
        return self._guild.roles.get(role_id)

    def names(self) -> dict[str, str]:
        """Return the name of every role."""
        return self._guild.roles


class Assent:
    """Everybody here may do what they ask for: rights are held by tests of their own."""

    async def confirm(self, asked: Asked, *_: object) -> Asked:
        """Confirm everything."""
        return asked

    async def again(self, asked: Asked, *_: object) -> Asked:
        """Confirm everything that has waited."""
        return asked

    async def with_channel(self, asked: Asked) -> Asked:
        """Take every channel."""
        return asked

    async def names(self, place: Any, _: object) -> dict[str, str]:
        """Return the name of every role."""
        names: dict[str, str] = place.names()
        return names


class Requests:
    """What answers an interaction: each call is a request of its own."""

    is_choice = False

    def __init__(self, http: Http, order: Order, word: Word) -> None:
        self.id, self.user_id = int(order.command_id), int(order.caller_id)
        self._http = http
        self._word = word

    async def acknowledge(self, **_: object) -> None:
        """Say that the answer follows."""
        await self._ask("POST")

    async def is_loading(self) -> bool:
        """Tell whether nothing is said yet."""
        await self._ask("GET")
        return not self._word.said

    async def edit(self, said: Said) -> None:
        """Make this the answer."""
        await self._ask("PATCH")
        self._word.said.append(_text(said))

    async def withdraw(self) -> None:
        """Take the answer back."""
        await self._ask("DELETE")

    async def follow_up(self, said: Said, **_: object) -> None:
        """Say more."""
        await self._ask("POST")
        self._word.said.append(_text(said))

    async def tell(self, said: Said, **_: object) -> None:
        """Say it by direct message."""
        await self.follow_up(said)

    async def _ask(self, method: str) -> None:
        try:
            await self._http.answer(method, str(self.id))
        except HTTPException as error:
            raise RefusedError(error.status, {"code": error.code}, {}) from error
        except aiohttp.ClientError as error:
            raise UnansweredError from error


def _text(said: Said) -> str:
    return said.text or str(said.embed and said.embed.title)


def asked(order: Order, now: int, *, here: bool) -> Asked:
    """Return what an order asks of the bot *now*."""
    return Asked(
        action=ACTIONS[order.name],
        now=now,
        command_id=order.command_id,
        guild_id=order.guild_id,
        caller_id=order.caller_id,
        user_id=order.user_id,
        role_id=None if order.unnamed else order.role_id,
        duration_ms=order.minutes * MINUTE,
        starts=here and not order.unnamed,
        warn_channel_id=order.channel_id,
        here=here,
    )

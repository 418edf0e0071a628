"""What a process says to the people who give commands, and how Discord takes it."""

from collections.abc import Awaitable
from types import SimpleNamespace
from typing import Any

from disnake import Embed

from boostmon.bot.asked import Asked
from boostmon.bot.settling import Settling
from boostmon.commands.decider import TimerCommand
from boostmon.commands.handler import Handled, Origin
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
        self, answer: Any, timer: TimerId, *, command: TimerCommand, origin: Origin
    ) -> Handled:
        """Note what came of *command*, too."""
        word = self._book.words[origin.command_id]
        try:
            handled = await super().settled(answer, timer, command=command, origin=origin)
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

    async def with_channel(self, asked: Asked) -> Asked:
        """Take every channel."""
        return asked

    async def names(self, place: Any, _: object) -> dict[str, str]:
        """Return the name of every role."""
        names: dict[str, str] = place.names()
        return names


class Interaction:
    """What disnake's interaction is to an answer: each call is a request of its own."""

    def __init__(self, http: Http, order: Order, word: Word) -> None:
        self.id = int(order.command_id)
        self.author = SimpleNamespace(id=int(order.caller_id), send=self._tell)
        self.response = SimpleNamespace(defer=self._defer)
        self.followup = SimpleNamespace(send=self._follow_up)
        self._http = http
        self._word = word

    async def edit_original_response(
        self, text: str | None, *, embed: Embed | None, **_: object
    ) -> None:
        """Make this the answer."""
        await self._ask("PATCH")
        self._word.said.append(text or str(embed and embed.title))

    async def delete_original_response(self) -> None:
        """Take the answer back."""
        await self._ask("DELETE")

    async def _defer(self, **_: object) -> None:
        await self._ask("POST")

    async def _follow_up(self, text: str, **_: object) -> None:
        await self._ask("POST")
        self._word.said.append(text)

    async def _tell(self, text: str | None, *, embeds: list[Embed], **_: object) -> None:
        await self._ask("POST")
        self._word.said.append(text or str(embeds[0].title))

    def _ask(self, method: str) -> Awaitable[Any]:
        return self._http.answer(method, str(self.id))


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

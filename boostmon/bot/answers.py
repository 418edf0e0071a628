"""How an interaction is answered: acknowledged at once, edited later, by DM when it is too late."""

import asyncio
from collections.abc import Awaitable

import aiohttp
import disnake
import structlog
from disnake import AllowedMentions, Embed
from disnake.interactions import ApplicationCommandInteraction, MessageInteraction
from disnake.ui.select import StringSelect

from boostmon import machine

ACKNOWLEDGE_WITHIN = 3.0  # seconds; later Discord has given the interaction up
SETTLED_ELSEWHERE = (40060, 10062)  # acknowledged by another process, or too late
CALL_WITHIN = 20.0  # seconds; disnake itself has no timeout but aiohttp's five minutes
TOKEN_LASTS = 14.5 * 60  # seconds of the 15 minutes, so that no edit starts too late
SILENT = AllowedMentions.none()
FAILURES = (disnake.DiscordException, aiohttp.ClientError, TimeoutError, OSError)

log = structlog.get_logger()


class Answer:
    """The answer to one interaction, from the acknowledgement to the last word."""

    def __init__(self, inter: ApplicationCommandInteraction | MessageInteraction) -> None:
        self._inter = inter
        self._received = machine.monotonic()
        self._private = False
        self._log = log.bind(interaction_id=inter.id, user_id=inter.author.id)

    async def refuse_at_once(self, sentence: str) -> None:
        """Answer privately instead of acknowledging."""
        call = self._inter.response.send_message(sentence, ephemeral=True, allowed_mentions=SILENT)
        await self._sent(call, "refuse", within=ACKNOWLEDGE_WITHIN)

    async def acknowledge(self, *, private: bool = False) -> bool:
        """Tell Discord that the answer follows, and whether that was in time.

        When it was not, or somebody else has done so, nothing may be decided: the caller has been
        told that the command failed, or is being answered by the other. Even where a lost answer
        of Discord makes that our own first try, another process may have been the one.
        """
        self._private = private
        if isinstance(self._inter, MessageInteraction):
            call = self._inter.response.defer()
        else:
            call = self._inter.response.defer(ephemeral=private)
        return await self._sent(call, "acknowledge", within=ACKNOWLEDGE_WITHIN)

    async def suggest(self, choices: dict[str, str]) -> None:
        """Answer somebody who is typing; each choice has what it shows and what it stands for."""
        call = self._inter.response.autocomplete(choices=choices)
        await self._sent(call, "suggest", within=ACKNOWLEDGE_WITHIN)

    async def show(
        self,
        text: str | None = None,
        *,
        embed: Embed | None = None,
        menu: StringSelect | None = None,
    ) -> None:
        """Make this the answer; tell the caller by DM when the answer can no longer be edited."""
        if self._in_time:
            call = self._inter.edit_original_response(
                text, embed=embed, components=menu or [], allowed_mentions=SILENT
            )
            if await self._sent(call, "edit"):
                return
        await self._tell(text, embed)

    async def refuse(self, sentence: str) -> None:
        """Take the public answer back and tell the caller alone."""
        if self._private:
            await self.show(sentence)
        elif self._in_time and await self._withdrawn():
            call = self._inter.followup.send(sentence, ephemeral=True, allowed_mentions=SILENT)
            if not await self._sent(call, "follow up"):
                await self._tell(sentence)
        else:
            await self._tell(sentence)

    @property
    def _in_time(self) -> bool:
        return machine.monotonic() - self._received < TOKEN_LASTS

    async def _withdrawn(self) -> bool:
        # A follow-up to a reply that still loads would take its place, for everybody to read. The
        # answer to a menu is the menu itself: it stays, for another choice.
        if isinstance(self._inter, MessageInteraction):
            return True
        return await self._sent(self._inter.delete_original_response(), "withdraw")

    async def _tell(self, text: str | None, embed: Embed | None = None) -> None:
        embeds = [embed] if embed else []
        call = self._inter.author.send(text, embeds=embeds, allowed_mentions=SILENT)
        await self._sent(call, "tell by DM")

    async def _sent(
        self, call: Awaitable[object], what: str, *, within: float = CALL_WITHIN
    ) -> bool:
        try:
            async with asyncio.timeout(within):
                await call
        except FAILURES as error:
            late = isinstance(error, disnake.InteractionTimedOut)  # disnake's word for 10062
            usual = late or getattr(error, "code", 0) in SETTLED_ELSEWHERE
            tell = self._log.debug if usual else self._log.warning
            tell("answer not delivered", step=what, error=repr(error))
            return False
        return True

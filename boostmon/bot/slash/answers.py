"""Answers an interaction: acknowledged at once, edited later, by DM when it is too late."""

import asyncio
import math
from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial
from typing import Literal

import structlog
from disnake import Embed
from disnake.ui.select import StringSelect
from msgspec import Struct

from boostmon import machine
from boostmon.bot.discord.refusals import (
    CANNOT_SEND_TO_USER,
    NO_MUTUAL_GUILD,
    SERVER_ERROR,
    TOO_MANY_REQUESTS,
)
from boostmon.bot.discord.rest import RefusedError, UnansweredError
from boostmon.bot.slash.interaction_api import CutOffError, Requests, Said
from boostmon.bot.wording import replies

ACKNOWLEDGED, TOO_LATE, UNKNOWN_MESSAGE = 40060, 10062, 10008
SETTLED = (ACKNOWLEDGED, TOO_LATE, CANNOT_SEND_TO_USER, NO_MUTUAL_GUILD)  # nothing changes these
ACKNOWLEDGE_WITHIN = 3.0  # seconds; later Discord has given the interaction up
TOKEN_LASTS = 14.5 * 60  # seconds of the 15 minutes, so that no edit starts too late
FIRST_ROUND, LONGEST_ROUND = 5.0, 120.0  # seconds between two rounds of attempts

Fate = Literal["done", "taken", "refused", "open"]

log = structlog.get_logger()


class Patience(Struct, frozen=True):
    """For how many seconds an attempt is waited for, and how many pass before each other one.

    *sure*: a good answer that is cut off is good enough; *believes*: what Discord itself refuses
    once it is not asked again.
    """

    attempt: float
    pauses: Sequence[float]
    sure: bool = False
    believes: bool = False


FIRST = Patience(1.2, (0.2, 0.3, 0.5, 0.5, 0.5, 0.5))
LOOK = Patience(3.0, (1.0, 2.0, 4.0, 8.0, 15.0, 30.0), sure=True, believes=True)
EDIT = Patience(8.0, (0.5, 2.0))
MORE = Patience(8.0, (0.5, 2.0), sure=True)  # sent twice it would be said twice
DIRECTLY = Patience(20.0, (0.5, 2.0))


class Answer:
    """The answer to one interaction, from the acknowledgement to the last word.

    An attempt without an answer, or with one that Discord did not give, may have been carried out:
    it is repeated, and what Discord says of the repetition is judged by that.
    """

    def __init__(self, requests: Requests) -> None:
        self._requests = requests
        self._received = machine.monotonic()
        self._private, self._shared, self._words = False, False, 0
        self._log = log.bind(interaction_id=requests.id, user_id=requests.user_id)

    @property
    def age(self) -> float:
        """How many seconds ago the interaction was received."""
        return machine.monotonic() - self._received

    async def refuse_at_once(self, sentence: str) -> None:
        """Answer privately instead of acknowledging."""
        await self._first("refuse", lambda: self._requests.say(sentence))

    async def acknowledge(self, *, private: bool = False) -> bool:
        """Tell Discord that the answer follows, and whether that was in time.

        When it was not, or somebody else has done so, nothing may be decided: the caller has been
        told that the command failed, or is being answered by the other. After an attempt of ours
        whose answer was lost, "acknowledged already" is taken for our own: another process may have
        been the one all the same, and then both go on, of which the log counts one.
        """
        self._private = private
        fate = await self._first("acknowledge", lambda: self._requests.acknowledge(private=private))
        if fate == "open":  # since then Discord takes no acknowledgement any more, so it can tell
            fate = await self._insist("look", self._look, LOOK)
            self._shared = True
        self._shared = self._shared or fate == "taken"
        return fate in ("done", "taken")

    async def suggest(self, choices: Mapping[str, str]) -> None:
        """Answer somebody who is typing; each choice has what it shows and what it stands for."""
        await self._first("suggest", lambda: self._requests.suggest(choices))

    async def show(
        self,
        text: str | None = None,
        *,
        embed: Embed | None = None,
        menu: StringSelect | None = None,
        last: bool = True,
    ) -> None:
        """Make this the answer; tell the caller by DM when the answer can no longer be edited.

        The *last* word is tried until Discord takes it one way or the other.
        """
        said, pause = self._word(Said(text, embed, menu)), FIRST_ROUND
        while True:
            edited = await self._edited(said)
            if edited == "done" or (told := await self._tell(said)) == "done":
                return
            if "open" not in (edited, told) or not last or self.age + pause > TOKEN_LASTS:
                return
            await asyncio.sleep(pause)
            pause = min(2 * pause, LONGEST_ROUND)

    async def refuse(self, sentence: str) -> None:
        """Take the public answer back and tell the caller alone."""
        if self._private:
            await self.show(sentence)
            return
        said, withdrawn = self._word(Said(sentence)), await self._withdrawn()
        if withdrawn == "done" and await self._follow_up(said, private=True) == "done":
            return
        if await self._tell(said) == "done" and withdrawn != "done":
            await self._edit(Said(replies.TOLD_ALONE))  # or it would be loading for ever

    async def _first(self, step: str, ask: Callable[[], Awaitable[object]]) -> Fate:
        return await self._insist(
            step, ask, FIRST, until=self._received + ACKNOWLEDGE_WITHIN, taken_by=ACKNOWLEDGED
        )

    async def _look(self) -> None:
        await self._requests.is_loading()

    async def _edited(self, said: Said) -> Fate:
        """Have the answer say it; where nobody knows whether it does, say it in a new message."""
        edited = await self._edit(said)
        return await self._follow_up(said, private=self._private) if edited == "open" else edited

    async def _edit(self, said: Said) -> Fate:
        return await self._insist("edit", lambda: self._requests.edit(said), EDIT)

    async def _follow_up(self, said: Said, *, private: bool) -> Fate:
        ask = partial(self._requests.follow_up, said, private=private)
        return await self._insist("follow up", ask, MORE)

    async def _withdrawn(self) -> Fate:
        """Take the answer away, so that a follow-up does not take its place for all to read.

        The answer to a menu is the menu itself: it stays, for another choice. So does what another
        process may have said.
        """
        if self._requests.is_choice or (self._shared and not await self._is_loading()):
            return "done"
        fate = await self._insist(
            "withdraw", self._requests.withdraw, EDIT, taken_by=UNKNOWN_MESSAGE
        )
        return "done" if fate == "taken" else fate

    async def _is_loading(self) -> bool:
        try:
            async with asyncio.timeout(EDIT.attempt):
                return await self._requests.is_loading()
        except (RefusedError, UnansweredError, TimeoutError):
            return False  # such as of one that was taken away

    def _word(self, said: Said) -> Said:
        self._words += 1
        return said

    async def _tell(self, said: Said) -> Fate:
        ask = partial(self._requests.tell, said, nonce=f"{self._requests.id}:{self._words}")
        return await self._insist("tell by DM", ask, DIRECTLY, until=math.inf)

    async def _insist(
        self,
        step: str,
        ask: Callable[[], Awaitable[object]],
        patience: Patience,
        *,
        until: float | None = None,
        taken_by: int = 0,
    ) -> Fate:
        """Ask until Discord has done it, or it is no use any more, which is so at *until*.

        *taken_by* is the code by which Discord says that it was done before: "taken", if that may
        have been by an attempt of ours. "open": nobody knows whether it was done.
        """
        until = self._received + TOKEN_LASTS if until is None else until
        fate: Fate = "refused"
        in_doubt = False
        for pause in (*patience.pauses, math.inf):
            if (left := until - machine.monotonic()) <= 0:
                break
            error = await self._attempt(step, ask, min(patience.attempt, left))
            if error is None:
                return "done"
            code, fate = _code(error), _fate(error)
            if in_doubt and code == taken_by != 0:
                return "taken"
            if (
                code in SETTLED
                or (code and patience.believes)
                or (fate == "done" and patience.sure)
            ):
                break
            in_doubt = in_doubt or _leaves_doubt(error)
            wait = max(pause, _wait_told(error) or 0.0)
            if machine.monotonic() + wait >= until:
                break
            await asyncio.sleep(wait)
        return "open" if in_doubt and taken_by else fate

    async def _attempt(
        self, step: str, ask: Callable[[], Awaitable[object]], seconds: float
    ) -> Exception | None:
        """Ask once; return what stood in the way."""
        try:
            async with asyncio.timeout(seconds):
                await ask()
        except (RefusedError, UnansweredError, TimeoutError) as error:
            is_settled = isinstance(error, RefusedError) and error.code in SETTLED
            tell = self._log.debug if is_settled else self._log.warning
            tell("answer not delivered", step=step, error=str(error) or repr(error))
            return error
        return None


def _code(error: Exception) -> int:
    """Return Discord's code for why it did not do it; 0: that is open.

    What stands before Discord has no codes, and may have lost its answer.
    """
    if isinstance(error, RefusedError) and error.status < SERVER_ERROR:
        return error.code
    return 0


def _fate(error: Exception) -> Fate:
    if isinstance(error, CutOffError):
        return "done"
    return "refused" if _code(error) else "open"


def _leaves_doubt(error: Exception) -> bool:
    """Tell whether it may have been carried out all the same."""
    return not _code(error) and _wait_told(error) is None


def _wait_told(error: Exception) -> float | None:
    """Return for how many seconds nothing may be asked; None: Discord does not say."""
    if isinstance(error, RefusedError) and error.status == TOO_MANY_REQUESTS:
        return error.retry_after
    return None

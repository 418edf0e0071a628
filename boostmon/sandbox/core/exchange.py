"""One request and its answer, with what a fault makes of the two."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any

from aiohttp import web

from boostmon.sandbox.core import responses
from boostmon.sandbox.core.discord import Discord
from boostmon.sandbox.core.faults import Fault
from boostmon.sandbox.world.errors import refuse

Pause = Callable[[], Awaitable[None]]
Answer = Callable[[Pause], Awaitable[web.Response]]
"""Checks a request, pauses, carries it out, and gives the answer."""
_NO_ANSWER = 504


async def _at_once() -> None:
    """Make no pause."""


class Exchange:
    """One request, and what goes wrong with it."""

    def __init__(self, discord: Discord, request: web.Request, entry: dict[str, Any]) -> None:
        self._discord, self._request, self._entry = discord, request, entry
        self._where = request.method, entry["path"], entry["route"]
        self._wrong_date = discord.faults.take_date(*self._where)
        if self._wrong_date is not None:
            discord.sessions.tell_faults()

    async def run(self, answer: Answer) -> web.StreamResponse:
        """Answer: before or after the effect, late, wrong, or not at all."""
        fault = self._discord.faults.take(*self._where)
        if fault:
            self._entry["fault"] = fault.id
        response = await (self._under(fault, answer) if fault else self._real(answer))
        self._note_who_is_gone()
        if fault and fault.reset:
            self._entry["status"] = None
            responses.reset(self._request)
            return response
        self._entry["status"] = response.status
        self._entry["code"] = responses.code(response)
        return response

    def dated(self, response: web.Response) -> web.Response:
        """Date an answer from when it was made, as wrong as a fault has it."""
        return responses.date(response, self._discord.wall(), self._wrong_date)

    async def _real(self, answer: Answer, pause: Pause = _at_once) -> web.Response:
        return self.dated(await answer(pause))

    async def _under(self, fault: Fault, answer: Answer) -> web.Response:
        if fault.effect is not None:
            return await self._apart(fault, fault.effect, answer)
        if fault.when == "before":
            await asyncio.sleep(fault.hang)
            return self._instead(fault) if fault.answers else await self._real(answer)
        response = await self._real(answer)
        await asyncio.sleep(fault.hang)
        return self._instead(fault) if fault.answers else response

    async def _apart(self, fault: Fault, effect: float | str, answer: Answer) -> web.Response:
        """Answer at one time and carry out at another, or never, whoever still listens."""
        if isinstance(effect, str):
            await asyncio.sleep(fault.hang)
            return self._instead(fault)
        done = self._discord.later.start(self._late(effect, answer))
        await asyncio.sleep(fault.hang)
        return self._instead(fault) if fault.answers else await asyncio.shield(done)

    async def _late(self, seconds: float, answer: Answer) -> web.Response:
        """Carry out some *seconds* after the arrival, and note it."""

        async def pause() -> None:
            await asyncio.sleep(seconds)

        response = await self._real(answer, pause)
        self._entry["late"] = {"at_ms": int(time.time() * 1000), "status": response.status}
        return response

    def _instead(self, fault: Fault) -> web.Response:
        """Return what takes the place of the answer; of one that will never be made, a 504."""
        if fault.code is not None:
            error = refuse(fault.code)
            body = fault.body or error.body
            return self.dated(responses.faulty(error.status, body, fault.headers))
        status = fault.status or _NO_ANSWER
        return self.dated(responses.faulty(status, fault.body, fault.headers))

    def _note_who_is_gone(self) -> None:
        """Note that nobody waits for the answer any more."""
        transport = self._request.transport
        if transport is None or transport.is_closing():
            self._entry["given_up"] = True

"""Looks: when which member is read again, a few at a time, while this process speaks to Discord."""

import asyncio
from contextlib import suppress
from itertools import chain
from typing import Protocol

import structlog

from boostmon import machine
from boostmon.bot.members.agreement import AGAIN_AFTER, Agreement
from boostmon.errors import BoostmonError
from boostmon.projections.effects.standings import Standings

AT_ONCE = 4  # what people and ends wait for has the rest of the pace
DOUBTS_AT_ONCE = 100
POLL = 5.0  # seconds
LOOK = 0.5  # seconds
PATIENCE = 60.0  # seconds that a busy relay holds up a look that need not be prompt

Member = tuple[str, str]

log = structlog.get_logger()


class Speaker(Protocol):
    """The relay, as far as it tells who speaks to Discord, and when there is time."""

    @property
    def leads(self) -> bool:
        """Whether this process speaks to Discord."""

    @property
    def is_idle(self) -> bool:
        """Whether nothing is being carried out, or could be at once."""


class Looks:
    """Reads members in doubt when their time comes, and others when asked to."""

    def __init__(self, *, standings: Standings, agreement: Agreement, relay: Speaker) -> None:
        self._standings = standings
        self._agreement = agreement
        self._relay = relay
        self._wanted: dict[Member, float] = {}
        self._patient: dict[Member, float] = {}
        self._tasks: dict[Member, asyncio.Task[None]] = {}
        self._polled = 0.0
        self._woken = asyncio.Event()

    def want(self, guild_id: str, user_id: str, *, after: float = 0.0) -> None:
        """Read a member in *after* seconds, or earlier if that was wanted before."""
        member, due = (guild_id, user_id), machine.monotonic() + after
        self._wanted[member] = min(due, self._wanted.get(member, due))
        self._woken.set()

    def want_in_time(self, guild_id: str, user_id: str) -> None:
        """Read a member when nobody waits for anything else, or in a minute."""
        self._patient.setdefault((guild_id, user_id), machine.monotonic() + PATIENCE)
        self._woken.set()

    async def run(self) -> None:
        """Look until cancelled; what is wanted waits until this process speaks to Discord."""
        try:
            while True:
                self._woken.clear()
                if self._relay.leads:
                    await self._take_doubts()
                    self._start()
                await self._sleep()
        finally:
            for task in self._tasks.values():
                task.cancel()
            await asyncio.gather(*self._tasks.values(), return_exceptions=True)

    async def _take_doubts(self) -> None:
        now = machine.monotonic()
        if now - self._polled < POLL and self._polled:
            return
        self._polled = now
        try:
            for member in await self._standings.in_doubt(DOUBTS_AT_ONCE):
                if member not in self._wanted and member not in self._tasks:
                    self.want(*member)
        except Exception:  # a part that falls silent would be found by its users
            log.exception("the members in doubt were not read")

    def _start(self) -> None:
        now, is_idle = machine.monotonic(), self._relay.is_idle
        due = sorted((at, member) for member, at in self._wanted.items() if at <= now)
        in_time = ((at, member) for member, at in self._patient.items() if is_idle or at <= now)
        for _, member in chain(due, list(in_time)):
            if len(self._tasks) >= AT_ONCE:
                return
            if member not in self._tasks:
                self._wanted.pop(member, None)
                self._patient.pop(member, None)
                self._tasks[member] = asyncio.create_task(self._look(member))

    async def _look(self, member: Member) -> None:
        again: float | None = AGAIN_AFTER
        try:
            again = await self._agreement.of(*member)
        except BoostmonError as error:
            log.error("member not looked at", member=member, reason=str(error))
        except Exception:
            log.exception("member not looked at", member=member)
        finally:
            del self._tasks[member]
        if again is not None:
            self.want(*member, after=again)
        self._woken.set()

    async def _sleep(self) -> None:
        now = machine.monotonic()
        moments = [at for member, at in self._wanted.items() if member not in self._tasks]
        if self._patient:
            moments.append(now + LOOK)
        rests = len(self._tasks) >= AT_ONCE or not self._relay.leads
        seconds = POLL if rests else min([POLL, *(at - now for at in moments)])
        with suppress(TimeoutError):
            async with asyncio.timeout(max(seconds, 0.001)):
                await self._woken.wait()

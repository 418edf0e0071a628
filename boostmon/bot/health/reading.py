"""Caches the count of open effects for `/readyz` and `/metrics`, which wait for it 1 s at most."""

import asyncio

import structlog

from boostmon import machine
from boostmon.errors import DatabaseError
from boostmon.projections.effects.kinds import Effects, OpenEffects

KEPT = 5.0  # seconds
PATIENCE = 1.0  # seconds

log = structlog.get_logger()


class Reading:
    """Asks for the open effects at most every few seconds, one question at a time."""

    def __init__(self, effects: Effects) -> None:
        self._effects = effects
        self._asked = 0.0
        self._answer: asyncio.Task[list[OpenEffects] | None] | None = None

    async def latest(self) -> list[OpenEffects] | None:
        """Return what is open; None when the database does not answer within a second."""
        now = machine.monotonic()
        if self._answer is None or (self._answer.done() and now - self._asked > KEPT):
            self._asked = now
            self._answer = asyncio.create_task(self._ask())
        answer = self._answer
        await asyncio.wait({answer}, timeout=PATIENCE)
        return answer.result() if answer.done() and not answer.cancelled() else None

    def close(self) -> None:
        """Give up a question that is under way."""
        if self._answer is not None:
            self._answer.cancel()  # not waited for: a silent database would hold up the stop

    async def _ask(self) -> list[OpenEffects] | None:
        try:
            return await self._effects.open_now()
        except DatabaseError as error:  # the pool has reported it
            log.debug("open effects not counted", reason=repr(error))
        except Exception:
            log.exception("open effects not counted")
        return None

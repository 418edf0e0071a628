"""Waits up to 5 s for a command's role change, so that the reply can tell the outcome."""

import asyncio
from typing import Protocol

from boostmon.bot.discord.pace import PATIENCE
from boostmon.commands.handler import Handled
from boostmon.errors import DatabaseUnavailableError
from boostmon.projections.effects.kinds import (
    GIVE_ROLE,
    TAKE_ROLE,
    EffectKind,
    EffectProgress,
    Effects,
    effects_of,
)

WITHIN = 5.0  # seconds
LOOK_AGAIN = 1.0  # seconds; what changes between a look and the wait for it is seen by then


class EffectWatch(Protocol):
    """Tells when something became of an effect."""

    async def changed(self, position: int, timeout: float) -> None:  # noqa: ASYNC109 - the caller has its own deadline
        """Return when an effect of the event at *position* changed, or after *timeout* seconds."""
        ...

    def is_put_off(self, position: int) -> bool:
        """Tell whether the limits put off the effects of the event at *position*."""
        ...

    def delay(self, guild_id: str) -> float:
        """Tell for how many seconds Discord's limits allow no role change in a server."""
        ...


class RoleChanges:
    """Waits for the role changes of commands."""

    def __init__(self, effects: Effects, watch: EffectWatch) -> None:
        self._effects = effects
        self._watch = watch
        self._within = WITHIN
        self._limits: set[asyncio.Timeout] = set()

    async def of(self, handled: Handled) -> EffectProgress | None:
        """Return how far the role change of *handled* came; None when there is none to make."""
        kind = _kind(handled)
        if kind is None or handled.position is None:
            return None
        owed = EffectProgress(kind=kind, state="owed", last_error=None)
        if self._watch.delay(handled.timer.guild_id) > PATIENCE:
            return owed
        limit = asyncio.timeout(self._within)
        self._limits.add(limit)
        try:
            async with limit:
                return await self._changed(handled.position, owed)
        except (TimeoutError, DatabaseUnavailableError):
            return owed
        finally:
            self._limits.discard(limit)

    def stop(self) -> None:
        """Wait no longer: what is not known yet is being done."""
        self._within = 0.0
        for limit in self._limits:
            if not limit.expired():
                limit.reschedule(0.0)

    async def _changed(self, position: int, owed: EffectProgress) -> EffectProgress:
        while True:
            states = {state.kind: state for state in await self._effects.of_event(position)}
            change = states.get(owed.kind, owed)
            if change.state != "owed" or self._watch.is_put_off(position):
                return change
            await self._watch.changed(position, LOOK_AGAIN)


def _kind(handled: Handled) -> EffectKind | None:
    kinds = (kind for event in handled.events for kind in effects_of(event, "slash"))
    return next((kind for kind in kinds if kind in (GIVE_ROLE, TAKE_ROLE)), None)

"""Causes: what many effects are stuck for together, of which one at a time tries again."""

from collections.abc import Collection
from typing import NamedTuple

from boostmon.bot.backlog.groups import Groups
from boostmon.bot.backlog.line import Line
from boostmon.bot.discord.refusals import INVITE, LOG_IN_ANEW
from boostmon.projections.effects.kinds import NOTICE
from boostmon.projections.effects.queue import Owed

CERTAIN = 9  # times in a row; what was met as often is not doubted any more
OF_SERVERS = (INVITE, LOG_IN_ANEW)  # reasons that are no role's own


class Cause(NamedTuple):
    """Why effects of one role in one server are stuck; without a *role_id*, those of all roles."""

    guild_id: str
    role_id: str
    of_notices: bool
    reason: str


def cause_of(effect: Owed, reason: str) -> Cause:
    """Return what *effect* waits for when it is stuck for *reason*."""
    role_id = "" if reason in OF_SERVERS else effect.role_id
    return Cause(effect.guild_id, role_id, effect.kind == NOTICE, reason)


class Causes:
    """Timers whose oldest effect is stuck, by cause; times are of the monotonic clock.

    Of a cause one timer at a time is the probe, whose effect is tried; the others wait for its
    answer.
    """

    def __init__(self) -> None:
        self._stuck = Groups[Cause]()
        self._due = Line[float, Cause]()
        self._probes: dict[Cause, int] = {}
        self._in_server: dict[str, dict[Cause, None]] = {}
        self._tries: dict[Cause, int] = {}

    @property
    def due_at(self) -> float | None:
        """When the next probe is due."""
        return self._due.first[0] if self._due.first else None

    def of(self, stream_id: int) -> Cause | None:
        """Return why a timer is held."""
        return self._stuck.of(stream_id)

    def members(self, cause: Cause) -> list[int]:
        """Return the timers that *cause* holds."""
        return self._stuck.members(cause)

    def is_probe(self, stream_id: int) -> bool:
        """Tell whether a timer's effect is the one that is tried."""
        cause = self._stuck.of(stream_id)
        return cause is not None and self._probes.get(cause) == stream_id

    def holding(self, effect: Owed) -> Cause | None:
        """Return what *effect* has to wait for; None: it may be tried for itself.

        A role change that nobody waits for waits with those of its role that are stuck.
        """
        if effect.stuck_for is not None:
            return cause_of(effect, effect.stuck_for)
        if effect.kind == NOTICE or effect.urgent:
            return None
        return next(iter(self._of_role(effect.guild_id, effect.role_id)), None)

    def tries(self, cause: Cause) -> int | None:
        """Tell how often in a row a cause was met; None: nothing is known of it."""
        return self._tries.get(cause)

    def met(self, cause: Cause, tries: int) -> None:
        """Note that a cause that holds somebody was met *tries* times in a row."""
        self._tries[cause] = min(tries, CERTAIN)

    def join(self, stream_id: int, cause: Cause, due_at: float) -> None:
        """Hold a timer; *due_at* counts for a cause that is new."""
        is_new = not self._stuck.members(cause)
        self._stuck.add(stream_id, cause)
        self._in_server.setdefault(cause.guild_id, {})[cause] = None
        if is_new:
            self._due.put(cause, due_at)

    def leave(self, stream_id: int, due_at: float) -> None:
        """Hold a timer no more; if it was the probe, another is due at *due_at*."""
        cause = self._stuck.of(stream_id)
        if cause is None:
            return
        was_probe = self._probes.get(cause) == stream_id
        if was_probe:
            del self._probes[cause]
        self._stuck.drop(stream_id)
        if self._stuck.first(cause) is None:
            self._forget(cause)
        elif was_probe:
            self._due.put(cause, due_at)

    def put_off(self, cause: Cause, due_at: float) -> None:
        """Have the next probe of *cause* be due at *due_at*, as nothing was answered yet."""
        if self._stuck.first(cause) is not None and cause not in self._probes:
            self._due.put(cause, due_at)

    def pop_due(self, now: float) -> int | None:
        """Return a timer that is the probe of its cause from now on; None: none is due."""
        cause = self._due.pop_until(now)
        if cause is None:
            return None
        probe = self._stuck.first(cause)
        if probe is not None:
            self._probes[cause] = probe
        return probe

    def merge(self, old: Cause, new: Cause) -> list[int]:
        """Let those that *old* holds wait for *new*, which must be held; return them."""
        members = self._stuck.release(old)
        for stream_id in members:
            self._stuck.add(stream_id, new)
        self._forget(old)
        return members

    def end(self, guild_id: str, role_id: str) -> list[int]:
        """Hold no role change of a role any more: one was done; return the timers."""
        freed: list[int] = []
        for cause in self._of_role(guild_id, role_id):
            freed += self._stuck.release(cause)
            self._forget(cause)
        return freed

    def hasten(self, guild_id: str, now: float) -> None:
        """Have a probe of each cause in a server be due now."""
        for cause in self._in_server.get(guild_id, ()):
            self.put_off(cause, now)

    def _of_role(self, guild_id: str, role_id: str) -> Collection[Cause]:
        """Return the causes of a role's changes, the newest first."""
        known = self._in_server.get(guild_id, {})
        return [c for c in reversed(known) if c.role_id in (role_id, "") and not c.of_notices]

    def _forget(self, cause: Cause) -> None:
        self._due.drop(cause)
        self._probes.pop(cause, None)
        self._tries.pop(cause, None)
        known = self._in_server.get(cause.guild_id, {})
        known.pop(cause, None)
        if not known:
            self._in_server.pop(cause.guild_id, None)

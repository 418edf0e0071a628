"""Absences: roles found missing though they were given, until it is known who took them."""

from collections import deque

from msgspec import Struct

from boostmon.projections.effects.standings import RoleChange, Standing

PROVEN_AFTER = 60.0  # seconds between two readings, where no line of the audit log tells
TOLD_AFTER = 30.0  # seconds, where one does: until then it shows whether too many are missing
TOO_MANY = 20  # timers of one server
WITHIN = 600.0  # seconds


class Absence(Struct, frozen=True, kw_only=True):
    """One role that was missing at *since* (monotonic, seconds) after its give was confirmed."""

    standing: Standing
    given: RoleChange
    since: float


class Absences:
    """Remembers what was found missing by this process; a restart begins to wait anew.

    Times are of the monotonic clock, in seconds, and passed in.
    """

    def __init__(self) -> None:
        self._open: dict[int, Absence] = {}
        self._lately: dict[str, deque[tuple[float, int]]] = {}

    def note(self, standing: Standing, given: RoleChange, now: float) -> Absence:
        """Note that the role of *standing* is missing; return since when."""
        before = self._open.get(standing.number)
        again = before is not None and before.given == given
        since = before.since if before is not None and again else now
        absence = Absence(standing=standing, given=given, since=since)
        self._open[standing.number] = absence
        if not again:
            self._lately.setdefault(standing.timer.guild_id, deque()).append((now, standing.number))
        return absence

    def forget(self, number: int) -> bool:
        """Forget the absence of a timer: it is decided, or the role is there; tell if it was."""
        return self._open.pop(number, None) is not None

    def keep(self, absence: Absence) -> None:
        """Have what was forgotten be open again: it could not be decided."""
        self._open[absence.standing.number] = absence

    def too_many(self, guild_id: str, now: float) -> bool:
        """Tell whether too many timers of a server went missing for it to be a moderator."""
        lately = self._lately.get(guild_id, deque())
        while lately and lately[0][0] <= now - WITHIN:
            lately.popleft()
        if not lately:
            self._lately.pop(guild_id, None)
        return len({number for _, number in lately}) > TOO_MANY

    def of_server(self, guild_id: str) -> list[Absence]:
        """Return what is open in a server."""
        return [a for a in self._open.values() if a.standing.timer.guild_id == guild_id]

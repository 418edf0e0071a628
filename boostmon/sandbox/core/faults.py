"""Faults that tests arm: in answers, in events of the gateway, in the audit log."""

import re
from collections.abc import Iterable
from fnmatch import fnmatchcase
from itertools import chain, count
from typing import Any, Literal, TypeVar

from msgspec import Struct, field

_ids = count(1)
_Armed = TypeVar("_Armed", "Fault", "EntryFault")


class Fault(Struct, forbid_unknown_fields=True, kw_only=True):
    """What goes wrong with a request, where, and how often; see docs/sandbox.md."""

    path: str
    method: str = "*"
    status: int | None = None
    code: int | None = None
    """One of Discord's own, such as 50013: its refusal takes the place of the answer."""
    hang: float = 0.0
    reset: bool = False
    when: Literal["before", "after"] = "before"
    effect: float | Literal["never"] | None = None
    """When it is carried out, in seconds after its arrival, whatever is answered meanwhile."""
    date: float | Literal["missing"] | None = None
    """By how many seconds the answer's `Date` is ahead, or that it has none."""
    times: int | None = 1
    """How often; None is until it is disarmed."""
    body: Any = None
    """What the answer says: JSON, a part of it for a 429, or a string for a page of the front's."""
    headers: dict[str, str | None] = {}
    """Headers that the answer has beside its own, or (null) does not have."""
    id: int = field(default_factory=lambda: next(_ids))
    used: int = 0

    def meets(self, method: str, path: str, template: str | None) -> bool:
        """Whether this fault is for that request: by template, glob, or ^regular expression."""
        if not _is_left(self) or self.method.upper() not in ("*", method):
            return False
        if self.path.startswith("^"):
            return re.search(self.path, path) is not None
        return self.path in (template, path) or fnmatchcase(path, self.path)

    @property
    def answers(self) -> bool:
        """Whether it takes the place of the answer, rather than only delaying it."""
        return self.reset or self.status is not None or self.code is not None

    @property
    def acts(self) -> bool:
        """Whether it does more than change the date."""
        return self.answers or self.hang > 0 or self.effect is not None


class EntryFault(Struct, forbid_unknown_fields=True, kw_only=True):
    """What goes wrong with entries of the audit log: never written, or written late."""

    audit_log: Literal["lose", "delay"]
    seconds: float = 60.0
    action_type: int | None = None
    by: Literal["anybody", "bots", "people"] = "anybody"
    times: int | None = 1
    id: int = field(default_factory=lambda: next(_ids))
    used: int = 0

    def meets(self, action_type: int, *, by_bot: bool) -> bool:
        """Whether this fault is for an entry of that type, of a bot's or a person's doing."""
        meant = self.by == "anybody" or by_bot == (self.by == "bots")
        return _is_left(self) and meant and self.action_type in (None, action_type)


class EventFault(Struct, kw_only=True):
    """What goes wrong with events of the gateway on their way to the sessions of a bot."""

    action: Literal["lose", "delay", "double"]
    event: str
    bot: str
    shard: int | None = None
    seconds: float = 0.0
    times: int | None = 1
    id: int = field(default_factory=lambda: next(_ids))
    used: int = 0
    sessions: dict[str, int] = field(default_factory=dict)
    """How often it was used on each session: they do not share the times."""

    def meets(self, bot: str, shard: int, session: str, event: str) -> bool:
        """Whether this fault is for that event on its way to that session."""
        meant = self.bot == bot and self.shard in (None, shard)
        left = self.times is None or self.sessions.get(session, 0) < self.times
        return meant and left and fnmatchcase(event, self.event)

    @property
    def delays(self) -> list[float]:
        """After how many seconds the event comes, for each time that it comes."""
        match self.action:
            case "lose":
                return []
            case "delay":
                return [self.seconds]
            case "double":
                return [0.0, self.seconds]


class Faults:
    """The faults that are armed."""

    def __init__(self) -> None:
        self.armed: list[Fault] = []
        self.entries: list[EntryFault] = []
        self.events: list[EventFault] = []

    @property
    def all(self) -> list[Fault | EntryFault | EventFault]:
        """Every fault there is, of whatever kind."""
        return list(chain(self.armed, self.entries, self.events))

    def take(self, method: str, path: str, template: str | None) -> Fault | None:
        """Use up one fault for a request, if one is armed for it."""
        return _take(f for f in self.armed if f.acts and f.meets(method, path, template))

    def take_date(
        self, method: str, path: str, template: str | None
    ) -> float | Literal["missing"] | None:
        """Return how wrong the date of an answer is; one that does nothing else is used up."""
        wrong = (f for f in self.armed if f.date is not None and f.meets(method, path, template))
        if fault := next(wrong, None):
            fault.used += not fault.acts
        return fault.date if fault else None

    def take_entry(self, action_type: int, *, by_bot: bool) -> EntryFault | None:
        """Use up one fault for an entry of the audit log, if one is armed for it."""
        return _take(f for f in self.entries if f.meets(action_type, by_bot=by_bot))

    def take_event(self, bot: str, shard: int, session: str, event: str) -> EventFault | None:
        """Use up one fault for an event on its way to a session, if one is armed for it."""
        for fault in self.events:
            if fault.meets(bot, shard, session, event):
                fault.used += 1
                fault.sessions[session] = fault.sessions.get(session, 0) + 1
                return fault
        return None

    def clear(self, fault_id: int | None = None) -> None:
        """Disarm one fault, or all."""
        self.armed = [f for f in self.armed if fault_id is not None and f.id != fault_id]
        self.entries = [f for f in self.entries if fault_id is not None and f.id != fault_id]
        self.events = [f for f in self.events if fault_id is not None and f.id != fault_id]


def _is_left(fault: Fault | EntryFault) -> bool:
    return fault.times is None or fault.used < fault.times


def _take(meeting: Iterable[_Armed]) -> _Armed | None:
    fault = next(iter(meeting), None)
    if fault:
        fault.used += 1
    return fault

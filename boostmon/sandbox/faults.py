"""Faults that tests arm: an answer replaced, delayed or cut off, before or after the effect."""

import re
from fnmatch import fnmatchcase
from itertools import count
from typing import Any, Literal

from msgspec import Struct, field

_ids = count(1)


class Fault(Struct, forbid_unknown_fields=True, kw_only=True):
    """What goes wrong, where, and how often; see docs/sandbox.md."""

    path: str
    method: str = "*"
    status: int | None = None
    hang: float = 0.0
    reset: bool = False
    when: Literal["before", "after"] = "before"
    times: int = 1
    body: Any = None
    id: int = field(default_factory=lambda: next(_ids))
    used: int = 0

    def meets(self, method: str, path: str, template: str | None) -> bool:
        """Whether this fault is for that request: by template, glob, or ^regular expression."""
        if self.used >= self.times or self.method.upper() not in ("*", method):
            return False
        if self.path.startswith("^"):
            return re.search(self.path, path) is not None
        return self.path in (template, path) or fnmatchcase(path, self.path)

    @property
    def answers(self) -> bool:
        """Whether it takes the place of the answer, rather than only delaying it."""
        return self.reset or self.status is not None


class Faults:
    """The faults that are armed."""

    def __init__(self) -> None:
        self.armed: list[Fault] = []

    def take(self, method: str, path: str, template: str | None) -> Fault | None:
        """Use up one fault for a request, if one is armed for it."""
        for fault in self.armed:
            if fault.meets(method, path, template):
                fault.used += 1
                return fault
        return None

    def clear(self, fault_id: int | None = None) -> None:
        """Disarm one fault, or all."""
        self.armed = [f for f in self.armed if fault_id is not None and f.id != fault_id]

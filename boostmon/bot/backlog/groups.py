"""Groups: timers that wait together, by what they wait for."""

from collections.abc import Collection, Hashable
from typing import Generic, TypeVar

KEY = TypeVar("KEY", bound=Hashable)


class Groups(Generic[KEY]):
    """Timers, by number, each in one group at most, in the order in which they came."""

    def __init__(self) -> None:
        self._members: dict[KEY, dict[int, None]] = {}
        self._group_of: dict[int, KEY] = {}

    def __len__(self) -> int:
        """Count the timers."""
        return len(self._group_of)

    @property
    def keys(self) -> Collection[KEY]:
        """What is waited for."""
        return self._members.keys()

    def of(self, stream_id: int) -> KEY | None:
        """Return what a timer waits for."""
        return self._group_of.get(stream_id)

    def members(self, key: KEY) -> list[int]:
        """Return who waits for *key*."""
        return list(self._members.get(key, ()))

    def first(self, key: KEY) -> int | None:
        """Return who has waited for *key* longest."""
        return next(iter(self._members.get(key, ())), None)

    def add(self, stream_id: int, key: KEY) -> None:
        """Have a timer wait for *key*, behind the others, and for nothing else."""
        self.drop(stream_id)
        self._group_of[stream_id] = key
        self._members.setdefault(key, {})[stream_id] = None

    def drop(self, stream_id: int) -> None:
        """Have a timer wait no more, if it does."""
        key = self._group_of.pop(stream_id, None)
        if key is not None:
            del self._members[key][stream_id]
            if not self._members[key]:
                del self._members[key]

    def release(self, key: KEY) -> list[int]:
        """Have nobody wait for *key* any more; return who did."""
        members = self._members.pop(key, {})
        for stream_id in members:
            del self._group_of[stream_id]
        return list(members)

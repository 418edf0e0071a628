"""Keeps each timer's effects in their order, and when the oldest is due."""

from collections import deque
from collections.abc import Iterator
from typing import Any

from msgspec import structs

from boostmon.bot.backlog.groups import Groups
from boostmon.projections.effects.queue import Owed

SAME = 1.0  # seconds: readings of one moment differ by what they take

Key = tuple[int, str]


def key_of(owed: Owed) -> Key:
    """Name the effect *owed*."""
    return owed.position, owed.kind


class Streams:
    """The open effects of timers as they were read, and what has become known of them since.

    Times are of the monotonic clock, in seconds.
    """

    def __init__(self) -> None:
        self._effects: dict[int, deque[Owed]] = {}
        self._due_at: dict[Key, float] = {}
        self._freed: set[Key] = set()
        self._of_role = Groups[tuple[str, str]]()

    def __len__(self) -> int:
        """Count the effects."""
        return sum(map(len, self._effects.values()))

    def __iter__(self) -> Iterator[int]:
        """Name the timers."""
        return iter(list(self._effects))

    def of_role(self, guild_id: str, role_id: str) -> list[int]:
        """Return the timers of a server's role that are owed something."""
        return self._of_role.members((guild_id, role_id))

    def effects(self, stream_id: int) -> list[Owed]:
        """Return what is owed for a timer, the oldest first."""
        return list(self._effects.get(stream_id, ()))

    def head(self, stream_id: int) -> Owed | None:
        """Return the oldest effect of a timer; None: it is owed nothing."""
        effects = self._effects.get(stream_id)
        return effects[0] if effects else None

    def is_head(self, owed: Owed) -> bool:
        """Tell whether *owed* is still the oldest effect of its timer."""
        head = self.head(owed.stream_id)
        return head is not None and key_of(head) == key_of(owed)

    def due_at(self, head: Owed) -> float:
        """Tell when an effect is to be looked at."""
        return self._due_at[key_of(head)]

    def put_off(self, head: Owed, due_at: float) -> None:
        """Have an effect be looked at *due_at*."""
        self._due_at[key_of(head)] = due_at

    def change(self, stream_id: int, **changes: Any) -> Owed:
        """Note what has become known of the oldest effect of a timer; return it."""
        effects = self._effects[stream_id]
        effects[0] = structs.replace(effects[0], **changes)
        return effects[0]

    def hold(self, head: Owed) -> None:
        """Believe again what is read of an effect: it was tried since it was freed."""
        self._freed.discard(key_of(head))

    def free(self, stream_id: int, now: float) -> None:
        """Have the oldest effect of a timer be stuck no more, whatever is read of it."""
        head = self.change(stream_id, stuck_for=None, tried=True)
        self._freed.add(key_of(head))
        self._due_at[key_of(head)] = now

    def take_in(self, stream_id: int, read: deque[Owed], now: float, *, hastened: bool) -> bool:
        """Take in what was read of a timer; tell whether anything is new.

        What was to be looked at earlier still is; *hastened*: it is to be looked at now.
        """
        before = self._effects.get(stream_id, ())
        is_new = len(before) != len(read)
        for index, effect in enumerate(read):
            key, due_at = key_of(effect), now if hastened else now + effect.due_in
            if key in self._freed:
                read[index] = structs.replace(effect, stuck_for=None, tried=True)
            known = self._due_at.get(key)
            if known is None or due_at < known - SAME:
                self._due_at[key] = due_at
                is_new = True
            is_new = is_new or not _is_alike(before[index], read[index])
        if is_new:
            for key in set(map(key_of, before)).difference(map(key_of, read)):
                self._forget(key)
            self._effects[stream_id] = read
            self._of_role.add(stream_id, (read[0].guild_id, read[0].role_id))
        return is_new

    def remove(self, owed: Owed) -> None:
        """Forget *owed*, which is settled."""
        self._forget(key_of(owed))
        effects = self._effects.get(owed.stream_id, ())
        rest = deque(effect for effect in effects if key_of(effect) != key_of(owed))
        if rest:
            self._effects[owed.stream_id] = rest
        else:
            self._effects.pop(owed.stream_id, None)
            self._of_role.drop(owed.stream_id)

    def _forget(self, key: Key) -> None:
        self._due_at.pop(key, None)
        self._freed.discard(key)


def _is_alike(one: Owed, other: Owed) -> bool:
    """Tell whether two readings of an effect differ in nothing but when it is due."""
    return (
        one.position == other.position
        and one.kind == other.kind
        and one.urgent == other.urgent
        and one.tried == other.tried
        and one.stuck_for == other.stuck_for
        and one.channel_id == other.channel_id
        and one.opened == other.opened
    )

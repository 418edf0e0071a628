"""Roles that somebody else gave after a timer's end: those are not the bot's to take."""

from collections import Counter

from tests.simulation.discord import Place
from tests.simulation.rest import ROLE
from tests.simulation.tables import Stream, Tables


class Gifts:
    """Watches every change of a role, and remembers the gifts that nothing of ours can concern."""

    def __init__(self, tables: Tables, under_way: Counter[tuple[str, ...]]) -> None:
        """Take what Discord may still do, as *under_way*."""
        self._tables = tables
        self._under_way = under_way
        self._given: dict[Place, float] = {}
        self.taken: list[tuple[Place, float, float]] = []

    def turned(self, place: Place, *, held: bool, by: str, at: float) -> None:
        """Take note that a role was given or taken."""
        given_at = self._given.pop(place, None)
        stream = self._tables.streams.get(place[1:])
        if stream is None:
            return
        if held and by != "bot" and self._is_over(stream, place):
            self._given[place] = at
        elif not held and by == "bot" and given_at is not None:
            ended = all(event.true_at < given_at for event in stream.events)
            self.taken += [(place, given_at, at)] if ended else []

    def _is_over(self, stream: Stream, place: Place) -> bool:
        """Tell whether the timer has ended, and nothing of ours is open or may be undone."""
        doubtful = any(effect.look_again_at is not None for effect in stream.effects)
        # A take that found no member is made up for when they come back with the role.
        left = any("reason" in (e.receipt or {}) for e in stream.effects if e.kind == "take_role")
        busy = self._under_way[ROLE, *place]
        return stream.number not in self._tables.rows and not (
            stream.open or doubtful or busy or left
        )

"""A line: keys in the order of their places, each in it once."""

from heapq import heapify, heappop, heappush
from typing import Any, Generic, TypeVar

PLACE = TypeVar("PLACE", bound=Any)
KEY = TypeVar("KEY", bound=Any)
SLACK = 64  # places given up that are kept until it pays to forget them


class Line(Generic[PLACE, KEY]):
    """Gives keys out, the least place first; a place that is given up is forgotten later."""

    def __init__(self) -> None:
        self._places: dict[KEY, PLACE] = {}
        self._heap: list[tuple[PLACE, KEY]] = []

    def __len__(self) -> int:
        """Count the keys."""
        return len(self._places)

    def __contains__(self, key: KEY) -> bool:
        """Tell whether *key* is in the line."""
        return key in self._places

    @property
    def held(self) -> int:
        """How many places are remembered, those given up included."""
        return len(self._heap)

    @property
    def first(self) -> tuple[PLACE, KEY] | None:
        """The least place and whose it is; None in an empty line."""
        heap, places = self._heap, self._places
        while heap and places.get(heap[0][1]) != heap[0][0]:
            heappop(heap)
        return heap[0] if heap else None

    def put(self, key: KEY, place: PLACE) -> None:
        """Give *key* its *place*, instead of the one that it has."""
        if self._places.get(key) == place:
            return
        self._places[key] = place
        heappush(self._heap, (place, key))
        if len(self._heap) > 2 * len(self._places) + SLACK:
            self._heap = [(place, key) for key, place in self._places.items()]
            heapify(self._heap)

    def drop(self, key: KEY) -> None:
        """Take *key* out of the line, if it is in it."""
        self._places.pop(key, None)

    def pop(self) -> KEY:
        """Take out the first key of a line that is not empty."""
        while True:
            place, key = heappop(self._heap)
            if self._places.get(key) == place:
                del self._places[key]
                return key

    def pop_until(self, place: PLACE) -> KEY | None:
        """Take out the first key whose place is *place* or less; None: there is none."""
        first = self.first
        return self.pop() if first is not None and first[0] <= place else None

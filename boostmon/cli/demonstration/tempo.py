"""Timer time in the demonstration, which the story and a person at the page both drive."""

from collections.abc import Iterable

from boostmon.cli.demonstration.board import Board
from boostmon.database.clocks.clock import DrivenClock


class Tempo:
    """The only one who sets the clock: what a person has chosen holds, whatever the story asks."""

    def __init__(self, clock: DrivenClock, board: Board) -> None:
        self._clock = clock
        self._board = board
        self._asked = 1.0
        self._chosen: float | None = None
        self._dues: list[int] = []
        self.is_paused = False
        self._post()

    def now(self) -> int:
        """Tell the time, in epoch milliseconds."""
        return self._clock.now()

    def ask(self, speed: float) -> None:
        """Let the story have *speed*, unless a person has chosen another."""
        self._asked = speed
        self._drive()

    def choose(self, speed: float) -> None:
        """Let a person have *speed* from here on; a pause ends."""
        self._chosen, self.is_paused = speed, False
        self._drive()

    def pause(self, *, is_paused: bool) -> None:
        """Stop the time, or let it go on as fast as before."""
        self.is_paused = is_paused
        self._drive()

    def skip(self) -> bool:
        """Let it be when the next thing is due, and tell whether there was one."""
        now = self.now()
        ahead = [due for due in self._dues if due > now]
        if ahead:
            self._clock.skip_to(min(ahead))
            self._post()
        return bool(ahead)

    def note_dues(self, dues: Iterable[int]) -> None:
        """Take in when the timers that run are due next."""
        self._dues = sorted(dues)
        self._post()

    def _drive(self) -> None:
        speed = 0.0 if self.is_paused else self._chosen or self._asked
        if speed != self._clock.reading.speed:
            self._clock.drive(speed)
        self._post()

    def _post(self) -> None:
        reading = self._clock.reading
        next_due_at = self._dues[0] if self._dues else None
        body = {
            "real": reading.real,
            "now": reading.now,
            "speed": reading.speed,
            "next_due_at": next_due_at,
        }
        self._board.post("clock", body=body)

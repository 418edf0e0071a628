"""Given / when / then for the decider."""

from collections.abc import Sequence

import pytest

from boostmon.commands.decider import TimerCommand, decide
from boostmon.errors import RejectedError
from boostmon.events.timer import Timer, TimerEvent, fold


def given(*history: TimerEvent) -> "Given":
    """Start from *history*, oldest first."""
    return Given(history)


class Given:
    def __init__(self, history: Sequence[TimerEvent]) -> None:
        self._history = history

    def when(self, command: TimerCommand) -> "When":
        return When(fold(self._history), command)


class When:
    def __init__(self, state: Timer, command: TimerCommand) -> None:
        self._state, self._command = state, command

    def then(self, *expected: TimerEvent) -> None:
        assert list(expected) == decide(self._state, self._command)

    def then_nothing(self) -> None:
        assert [] == decide(self._state, self._command)

    def then_rejected(self, kind: type[RejectedError]) -> None:
        with pytest.raises(kind) as caught:
            decide(self._state, self._command)
        assert kind is caught.type

"""What the measures have the bot do: the lives of timers, the same in every run."""

import random
from collections.abc import Iterator
from itertools import count

from msgspec import Struct

from boostmon.commands.decider import (
    AddTime,
    Clear,
    Pause,
    RemoveTime,
    Resume,
    SetTime,
    TimerCommand,
)
from boostmon.commands.handler import Origin
from boostmon.events.timer import HOUR, MINUTE, TimerId

BEGIN = 1_800_000_000_000
THRESHOLDS = (60, 10, 1)
SERVERS = 40
MODERATORS = 100
LIFE = 6  # commands


class Given(Struct, frozen=True):
    """A command, for whom, and from where."""

    timer: TimerId
    command: TimerCommand
    origin: Origin


class Lives:
    """An endless supply of timers that are set, extended, shortened, paused, resumed, cleared."""

    def __init__(self, seed: int = 4, *, first: int = 1) -> None:
        self._choose = random.Random(seed)  # noqa: S311 - the same work each time
        self._numbers = count(first)

    def life(self) -> Iterator[Given]:
        """Yield the commands of a timer of its own, in the order in which they are given."""
        number = next(self._numbers)
        server = self._choose.randrange(SERVERS)
        timer = TimerId(
            str(1_100_000_000_000_000_000 + server),
            str(1_200_000_000_000_000_000 + number),
            str(1_400_000_000_000_000_000 + server),
        )
        for place, command in enumerate(self._commands()):
            moderator = 1_500_000_000_000_000_000 + self._choose.randrange(MODERATORS)
            command_id = str(1_300_000_000_000_000_000 + number * LIFE + place)
            origin = Origin(command_id=command_id, source="slash", actor_id=str(moderator))
            yield Given(timer, command, origin)

    def _commands(self) -> Iterator[TimerCommand]:
        now = BEGIN + self._choose.randrange(HOUR)
        long = self._choose.randrange(2, 200) * HOUR
        channel = str(1_600_000_000_000_000_000 + self._choose.randrange(SERVERS))
        yield SetTime(now, long, THRESHOLDS, channel)
        yield AddTime(now + MINUTE, HOUR, THRESHOLDS)
        yield RemoveTime(now + 2 * MINUTE, HOUR // 2, THRESHOLDS)
        yield Pause(now + 3 * MINUTE)
        yield Resume(now + 4 * MINUTE, THRESHOLDS)
        yield Clear(now + 5 * MINUTE)

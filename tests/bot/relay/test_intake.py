"""What is read of the log while an effect is in flight, and has ended when it is taken in."""

from collections.abc import Callable, Sequence
from types import SimpleNamespace
from typing import Any

import pytest
from msgspec import structs

from boostmon.bot.backlog.order import Backlog
from boostmon.bot.discord.pace import OPENING, Limits, Pace
from boostmon.bot.relay.intake import Intake
from boostmon.projections.effects.kinds import NOTICE, TAKE_ROLE
from boostmon.projections.effects.queue import Owed
from tests.bot.relay.test_backlog import at_once, owed

NOTICE_IN_FLIGHT = structs.replace(owed(1, NOTICE, position=1, channel_id=None), opened=False)
TAKE = owed(1, TAKE_ROLE, position=2)
OTHER = structs.replace(owed(2, NOTICE, position=3), moot=True)
SOON = 1e9  # later than the monotonic clock, by which effects are read
AN_HOUR = SOON + 3600.0


class Log:
    """Has the open effects of a log; something *happens* when it is asked, or told."""

    def __init__(self, *effects: Owed) -> None:
        self.effects = list(effects)
        self.happens: dict[str, Callable[[], None]] = {}

    async def all(self) -> tuple[int, list[Owed]]:
        return 1, self._read("all")

    async def since(self, _: int) -> tuple[int, list[Owed]]:
        return 2, self._read("since")

    async def of_streams(self, numbers: Sequence[int]) -> list[Owed]:
        return [effect for effect in self._read("of_streams") if effect.stream_id in numbers]

    async def supersede(self, moot: Sequence[Owed]) -> None:
        self.effects = [effect for effect in self.effects if effect not in moot]
        self.happens.pop("supersede", lambda: None)()

    def _read(self, name: str) -> list[Owed]:
        read = list(self.effects)
        self.happens.pop(name, lambda: None)()
        return read


def all_but_openings(lane: str) -> float:
    return AN_HOUR if lane == OPENING else 0.0


def intake_of(log: Log, backlog: Backlog) -> Intake:
    async def nothing_deleted(_: Any) -> list[Owed]:
        return []

    nobody: Any = SimpleNamespace(of_deleted=nothing_deleted, superseded=lambda _: None)
    source: Any = log
    return Intake(owed=source, backlog=backlog, aside=nobody, pace=Pace(Limits()), tally=nobody)


@pytest.mark.parametrize("step", ["since", "supersede"])
@pytest.mark.parametrize(("settled", "moot"), [(True, True), (True, False), (False, True)])
async def test_a_notice_that_lands_while_the_log_is_read_holds_up_no_role(
    *, step: str, moot: bool, settled: bool
) -> None:
    log, backlog = Log(NOTICE_IN_FLIGHT), Backlog()
    intake = intake_of(log, backlog)
    await intake.take_in()
    flying = backlog.take(0.0, at_once)
    assert flying == NOTICE_IN_FLIGHT
    known = structs.replace(NOTICE_IN_FLIGHT, moot=moot)
    log.effects = [known, TAKE, OTHER]

    def land() -> None:
        if settled:
            log.effects.remove(known)
            backlog.settle(flying, 0.0)
        else:
            backlog.postpone(flying, AN_HOUR, 0.0, asked=False)

    log.happens[step] = land
    intake.wake()
    await intake.take_in()
    await intake.take_in()

    assert backlog.take(SOON, all_but_openings) == TAKE

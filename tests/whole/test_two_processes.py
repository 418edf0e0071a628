"""Two processes on one database: commands, repeats and sweeps at once, over lost connections."""

import asyncio
import random
from collections import defaultdict
from collections.abc import Awaitable, Callable

import asyncpg
import pytest
from asyncpg import Record

from boostmon.commands.decider import (
    AddTime,
    Clear,
    Pause,
    RemoveTime,
    Resume,
    SetTime,
    TimerCommand,
)
from boostmon.commands.handler import CommandHandler, Handled, Origin
from boostmon.commands.sweeper import Sweeper
from boostmon.config import PoolConfig
from boostmon.database.connections.pool import connect
from boostmon.errors import RejectedError
from boostmon.events.document import decode
from boostmon.events.timer import HOUR, MINUTE, TimerId
from boostmon.projections.effects.kinds import effects_of
from boostmon.projections.replay.run import check
from tests.commands.test_handler import sweeper_over
from tests.support.timers import M, fresh_timer, handler_over, slash

CUT = (
    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
    " WHERE application_name = 'boostmon' AND usename = $1 AND random() < 0.5"
)
LOG = (
    "SELECT position, command_id, data::text, metadata ->> 'source' AS source"
    " FROM event_log ORDER BY position"
)


def any_command(chance: random.Random, now: int) -> TimerCommand:
    """Return one of the commands, given at *now*."""
    amount = chance.choice([MINUTE, 5 * MINUTE, HOUR])
    commands: list[TimerCommand] = [
        SetTime(now, amount, M),
        AddTime(now, amount, M, starts=True),
        RemoveTime(now, amount, M),
        Pause(now),
        Resume(now, M),
        Clear(now),
    ]
    return chance.choice(commands)


class Crowd:
    """People whose commands reach several handlers, each command one or more of them."""

    def __init__(self, chance: random.Random, handlers: list[CommandHandler]) -> None:
        self._chance, self._handlers = chance, handlers
        self._timers = [fresh_timer() for _ in range(12)]
        self.now = 1_000_000
        self.answers: dict[str, list[Handled | RejectedError]] = defaultdict(list)

    async def give(self, rounds: int) -> None:
        chance = self._chance
        for _ in range(rounds):
            calls: list[Awaitable[None]] = []
            for _ in range(chance.randrange(1, 10)):
                timer, origin = chance.choice(self._timers), slash()
                command = any_command(chance, self.now)
                reached = chance.sample(self._handlers, chance.randrange(1, 4))
                calls += [self._give(handler, timer, command, origin) for handler in reached]
            self.now += chance.choice([0, 1, MINUTE, 10 * MINUTE])
            await asyncio.gather(*calls)

    async def _give(
        self, handler: CommandHandler, timer: TimerId, command: TimerCommand, origin: Origin
    ) -> None:
        for _ in range(self._chance.randrange(4)):
            await asyncio.sleep(0)
        answers = self.answers[origin.command_id]
        try:
            answers.append(await handler.handle(timer, command, origin))
        except RejectedError as error:
            answers.append(error)

    def judge(self, log: list[Record]) -> None:
        """See that everybody was told what the log has of their command."""
        by_command: dict[str, list[Record]] = defaultdict(list)
        for entry in log:
            by_command[entry["command_id"]].append(entry)
        for command_id, answers in self.answers.items():
            told = [answer for answer in answers if isinstance(answer, Handled)]
            recorded = by_command.get(command_id, [])
            assert bool(told) == bool(recorded)
            for answer in told:
                assert answer.before == told[0].before
                assert [decode(entry["data"]) for entry in recorded] == list(answer.events)
                assert answer.position == recorded[-1]["position"]


async def until_cancelled(what: Callable[[], Awaitable[object]]) -> None:
    while True:
        await what()
        await asyncio.sleep(0)


@pytest.mark.parametrize(("seed", "cut_off"), [(0, False), (1, True)])
async def test_each_command_counts_once_and_everybody_is_told_the_same(
    bot_url: str, owner: asyncpg.Connection, superuser: asyncpg.Connection, seed: int, cut_off: bool
) -> None:
    chance, pool = random.Random(seed), PoolConfig(boostmon_pool_min=1)  # noqa: S311 - as ever
    async with await connect(bot_url, pool=pool) as one, await connect(bot_url, pool=pool) as two:
        bot_role = (await one.fetch("SELECT current_user"))[0][0]
        crowd = Crowd(chance, [handler_over(one), handler_over(two), handler_over(one)])

        def sweeping(sweeper: Sweeper) -> Callable[[], Awaitable[object]]:
            return lambda: sweeper.sweep(crowd.now)

        async def cut() -> None:
            await superuser.execute(CUT, bot_role)
            await asyncio.sleep(0.05)

        others = [until_cancelled(sweeping(sweeper_over(each))) for each in (one, two)]
        others += [until_cancelled(cut)] if cut_off else []
        tasks = [asyncio.create_task(other) for other in others]
        await crowd.give(20)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await sweeper_over(one).sweep(crowd.now)  # behind what the cancelled have sent
    assert (await check(owner)).clean
    log = await owner.fetch(LOG)
    crowd.judge(log)
    expected = {(e["position"], k) for e in log for k in effects_of(decode(e["data"]), e["source"])}
    owed = await owner.fetch("SELECT position, kind FROM effects")
    assert expected == {tuple(row) for row in owed}

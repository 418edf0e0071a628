"""What one effect costs the backlog, by how many lanes wait; beside a backlog that looks at all.

`python -m tests.bench.lanes [LANES …]` takes and settles effects, two in each lane, and hastens.
"""

import argparse
import time

from boostmon.bot.backlog.order import Backlog
from boostmon.projections.effects.kinds import TAKE_ROLE
from boostmon.projections.effects.queue import Owed
from tests.support.backlog_before import BacklogBefore

ROUNDS = 100
HASTENED = 200


def effects(lanes: int) -> list[Owed]:
    """Return two effects in each of *lanes* servers."""
    return [
        Owed(
            position=number,
            kind=TAKE_ROLE,
            stream_id=number,
            guild_id=str(number % lanes),
            user_id=str(number),
            role_id=str(number % lanes),
            command_id="i",
            channel_id=None,
            urgent=False,
            due_in=0.0,
        )
        for number in range(1, 2 * lanes + 1)
    ]


def rounds(lanes: int) -> tuple[float, float]:
    """Return the milliseconds that a round takes, after and before."""
    backlog, before = Backlog(), BacklogBefore()
    backlog.replace(effects(lanes), 0.0)
    before.replace(effects(lanes), 0.0)
    began = time.process_time()
    for _ in range(ROUNDS):
        if (owed := backlog.take(0.0, lambda _: 0.0)) is not None:
            backlog.settle(owed, 0.0)
    between = time.process_time()
    for _ in range(ROUNDS):
        if (owed := before.take(0.0, lambda _: True)) is not None:
            before.settle(owed, 0.0)
    ended = time.process_time()
    return (between - began) * 1000 / ROUNDS, (ended - between) * 1000 / ROUNDS


def hasten(lanes: int) -> float:
    """Return the milliseconds that it takes to hasten a server."""
    backlog = Backlog()
    backlog.replace(effects(lanes), 0.0)
    began = time.process_time()
    for number in range(HASTENED):
        backlog.hasten(str(number), 1.0)
    return (time.process_time() - began) * 1000 / HASTENED


def main() -> None:
    """Read the arguments and measure."""
    parser = argparse.ArgumentParser(description="Measure what an effect costs the backlog.")
    parser.add_argument("lanes", nargs="*", type=int, default=[100, 2_400, 30_000])
    for lanes in parser.parse_args().lanes:
        after, before = rounds(lanes)
        print(f"{lanes:,} lanes: {after:.3f} ms a round, before {before:.3f}")
    print(f"hasten among 200,000 effects: {hasten(100_000):.4f} ms")


if __name__ == "__main__":
    main()

"""The bot in virtual time, through trouble drawn from seeds; `docs/testing.md` tells more."""

import pytest
from msgspec import structs

from tests.simulation import shapes
from tests.simulation.plan import plan
from tests.simulation.run import run
from tests.simulation.trace import Trace

SHORT = structs.replace(shapes.USUAL, seconds=1800.0)


@pytest.mark.parametrize("seed", [1, 2, 3, 4, 5])
def test_no_promise_is_broken(seed: int) -> None:
    summary = run(plan(seed, shapes.USUAL))

    assert [] == summary.violations
    assert summary.commands > 3_000
    assert summary.answers > 15_000
    assert summary.faults.total() > 1_000


def test_the_same_seed_gives_the_same_run() -> None:
    first, second = Trace(keeps=True), Trace(keeps=True)
    run(plan(7, SHORT), first)
    run(plan(7, SHORT), second)

    assert first.lines == second.lines
    assert first.digest == second.digest
    assert len(first.lines) > 2_000

"""The bot in virtual time, through trouble drawn from seeds; `docs/testing.md` tells more."""

import pytest
from msgspec import structs

from tests.simulation import shapes
from tests.simulation.plan import plan
from tests.simulation.run import run
from tests.simulation.shrink import shrink
from tests.simulation.trace import Trace

SHORT = structs.replace(shapes.ALL, seconds=900.0)


@pytest.mark.parametrize("seed", range(1, 8))
def test_no_promise_is_broken(seed: int) -> None:
    """Together: 20,000 commands, 200,000 answers of Discord and 5,000 faults at least."""
    summary = run(plan(seed, shapes.ALL))

    assert [] == summary.violations
    assert summary.commands > 2_900
    assert summary.answers > 23_000
    assert summary.faults.total() > 5_000


def test_the_same_seed_gives_the_same_run() -> None:
    first, second = Trace(keeps=True), Trace(keeps=True)
    run(plan(8, SHORT), first)
    run(plan(8, SHORT), second)

    assert first.lines == second.lines
    assert first.digest == second.digest
    assert len(first.lines) > 2_000


def test_a_planted_bug_is_found_and_its_story_is_short() -> None:
    broken = plan(1, structs.replace(shapes.ALL, seconds=1800.0))
    assert run(broken, plant="gift-taken").violations

    moments = [moment for moment in broken.moments if moment.kind != "command"]
    story = shrink(
        broken, lambda shorter: len(set(shorter.moments) & set(moments[:3])) == 3, most=100
    )
    assert moments[:3] == list(story.moments)

"""The bot in virtual time, through trouble drawn from seeds; `docs/testing.md` tells more."""

import pytest
from msgspec import structs

from tests.simulation import shapes
from tests.simulation.plan import plan
from tests.simulation.planted import PLANTS
from tests.simulation.run import run
from tests.simulation.shrink import shrink
from tests.simulation.trace import Trace

SHORT = structs.replace(shapes.ALL, seconds=900.0)


# Of each seed: commands and answers of Discord, at least.
WORK = {
    1: (3_000, 29_000),
    2: (2_900, 28_000),
    3: (2_800, 26_000),
    4: (2_600, 26_500),
    5: (2_700, 27_000),
    6: (3_200, 33_000),
    7: (3_000, 33_000),
}
FAULTS = 5_000


@pytest.mark.parametrize("seed", WORK)
def test_no_promise_is_broken(seed: int) -> None:
    summary = run(plan(seed, shapes.ALL))

    assert [] == summary.violations
    commands, answers = WORK[seed]
    assert summary.commands >= commands
    assert summary.answers >= answers
    assert summary.faults.total() >= FAULTS


def test_no_promise_is_broken_where_roles_go_and_the_database_is_beside_the_bot() -> None:
    summary = run(plan(2, shapes.WIDE))

    assert [] == summary.violations
    assert summary.faults["role deleted"]
    assert summary.faults["many taken"]


def test_it_is_much_together() -> None:
    commands, answers = (sum(column) for column in zip(*WORK.values(), strict=True))

    assert commands >= 20_000
    assert answers >= 200_000


def test_the_same_seed_gives_the_same_run() -> None:
    first, second = Trace(keeps=True), Trace(keeps=True)
    run(plan(8, SHORT), first)
    run(plan(8, SHORT), second)

    assert first.lines == second.lines
    assert first.digest == second.digest
    assert len(first.lines) > 2_000


# The first seed that finds each bug, and what the oracle says of it.
FOUND = {
    "old-absence": (1, "nobody did that"),
    "doubt-forgotten": (1, "its role is"),
    "superseded-doubt": (1, "its role is"),
    "lease-ignored": (1, "without the lease"),
    "clock-believed": (1, "early"),
    "lease-by-its-time": (1, "without the lease"),
    "gift-taken": (3, "after the end, and taken"),
    "nonce-dropped": (1, "stands"),
}


def test_each_bug_that_can_be_planted_is_found() -> None:
    assert PLANTS.keys() == FOUND.keys()


@pytest.mark.parametrize("plant", FOUND)
def test_a_planted_bug_is_found(plant: str) -> None:
    seed, said = FOUND[plant]

    summary = run(plan(seed, shapes.FINDING[plant]), plant=plant)

    assert any(said in violation.text for violation in summary.violations)


def test_a_story_that_goes_wrong_is_told_in_short() -> None:
    broken = plan(1, structs.replace(shapes.ALL, seconds=600.0))
    guilty = {moment for moment in broken.moments if moment.kind != "command"}
    guilty = set(sorted(guilty, key=lambda moment: moment.at)[:3])

    story = shrink(broken, lambda shorter: guilty <= set(shorter.moments), most=100)

    assert guilty == set(story.moments)

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


# Of each shape and seed: commands and answers of Discord, at least.
WORK = {
    ("all", 1): (3_050, 32_500),
    ("all", 2): (3_000, 28_000),
    ("all", 3): (2_600, 24_800),
    ("all", 6): (3_300, 33_300),
    ("all", 7): (3_050, 33_800),
    ("all", 8): (2_950, 28_500),
    ("wide", 1): (2_350, 22_800),
}
SHAPES = {"all": shapes.ALL, "wide": shapes.WIDE}  # wide: roles go, the database is beside the bot
FAULTS = 5_000


@pytest.mark.parametrize(("shape", "seed"), WORK)
def test_no_promise_is_broken(shape: str, seed: int) -> None:
    summary = run(plan(seed, SHAPES[shape]))

    assert [] == summary.violations
    commands, answers = WORK[shape, seed]
    assert summary.commands >= commands
    assert summary.answers >= answers
    assert summary.faults.total() >= FAULTS
    roles_go = summary.faults["role deleted"], summary.faults["many taken"]
    assert all(roles_go) == (shape == "wide")


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

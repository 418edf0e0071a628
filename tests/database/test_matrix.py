"""A whole life, the same over servers of every kind; `make matrix` tries many more."""

import itertools
from pathlib import Path

import pytest

from tests.support.matrix import AXES, SMALL, Row, life, pairs, server


@pytest.mark.parametrize("half", [0, 1])  # which two workers live at the same time
async def test_a_life_is_the_same_over_each_pair_of_settings(half: int, tmp_path: Path) -> None:
    async with server() as node:
        plain = await life(node, {}, tmp_path)
        for row in list(pairs(SMALL))[half::2]:
            assert plain == await life(node, row, tmp_path), row


def test_each_two_values_stand_together_in_a_row() -> None:
    axes = {"a": ("1", "2"), "b": ("1", "2", "3"), "c": ("1",), "d": ("1", "2")}
    found: list[Row] = list(pairs(axes))

    for one, other in itertools.permutations(axes, 2):
        met = {(row[one], row[other]) for row in found}
        assert len(axes[one]) * len(axes[other]) == len(met)
    assert len(found) <= 8


def test_the_small_matrix_has_every_axis() -> None:
    assert AXES.keys() == SMALL.keys()
    assert len(list(pairs(SMALL))) < len(list(pairs(AXES)))

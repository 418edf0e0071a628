"""Whoever adds an event, a state or a kind of effect is told by mypy where it must be known."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import TypeVar, get_args

import pytest

from boostmon.bot.discord.refusals import Verdict
from boostmon.cli.records import history
from boostmon.commands import erase
from boostmon.events.append import Outcome
from boostmon.events.timer import Timer, TimerEvent
from boostmon.projections.effects import open_effects
from boostmon.projections.effects.kinds import EffectKind, EffectState
from tests.house.test_layers import modules
from tests.support.places import ROOT

Node = TypeVar("Node", bound=ast.AST)

UNIONS = (TimerEvent, Timer, Outcome, Verdict)
MEMBERS = {member.__name__ for union in UNIONS for member in get_args(union)}
WORDS = {word for union in (EffectKind, EffectState) for word in get_args(union)}
OURS = {name: tree for name, tree in modules().items() if not name.startswith("boostmon.sandbox")}


def named(pattern: ast.pattern) -> set[str]:
    """Name the classes and the words in a pattern."""
    return {
        part.id if isinstance(part, ast.Name) else str(part.value)
        for part in ast.walk(pattern)
        if isinstance(part, ast.Name)
        or (isinstance(part, ast.Constant) and isinstance(part.value, str))
    }


def catches_all(pattern: ast.pattern) -> bool:
    """Tell whether a pattern takes whatever comes."""
    return isinstance(pattern, ast.MatchAs) and pattern.pattern is None


def nodes(kind: type[Node]) -> Iterator[tuple[str, Node]]:
    """Go through all nodes of one kind, each with its place."""
    for name, tree in OURS.items():
        for node in ast.walk(tree):
            if isinstance(node, kind):
                yield f"{name}:{getattr(node, 'lineno', 0)}", node


def test_no_match_over_a_union_of_ours_takes_whatever_comes() -> None:
    caught = [
        place
        for place, match in nodes(ast.Match)
        if any(named(case.pattern) & MEMBERS for case in match.cases)
        and not isinstance(match.subject, ast.Tuple)
        and catches_all(match.cases[-1].pattern)
    ]

    assert not caught


def test_the_kind_and_the_state_of_an_effect_are_words_of_a_closed_type() -> None:
    loose = [
        place
        for place, node in nodes(ast.AnnAssign)
        if isinstance(node.target, ast.Name)
        and node.target.id in ("kind", "state")
        and ast.unparse(node.annotation) == "str"
    ]

    assert not loose


def test_a_field_is_not_asked_for_by_its_name_as_text() -> None:
    asked = [
        f"{place} {call.args[1].value!s}"
        for place, call in nodes(ast.Call)
        if isinstance(call.func, ast.Name)
        and call.func.id == "getattr"
        and isinstance(call.args[1], ast.Constant)
    ]
    foreign = {"code", "_connection", "strerror", "__metadata__", "__origin__", "CLOCK_BOOTTIME"}
    foreign.add("server_source_function")  # of asyncpg's errors

    assert {entry.split()[1] for entry in asked} <= foreign


@pytest.mark.parametrize(
    "words", [open_effects.OWED, erase.OWED, history.DONE, history.UNDONE], ids=str
)
def test_each_kind_of_effect_has_its_words(words: dict[EffectKind, str]) -> None:
    assert set(words) == set(get_args(EffectKind))


def knows_events(path: Path) -> bool:
    """Tell whether a module tells the events of a timer apart."""
    events = {member.__name__ for member in get_args(TimerEvent)}
    tree = ast.parse(path.read_text(encoding="utf-8"))
    cases = [case for node in ast.walk(tree) if isinstance(node, ast.Match) for case in node.cases]
    return len({name for case in cases for name in named(case.pattern)} & events) > 2


def test_the_page_on_extending_names_each_module_that_tells_events_apart() -> None:
    page = (ROOT / "docs/extending.md").read_text(encoding="utf-8")
    files = [path for path in (ROOT / "boostmon").rglob("*.py") if knows_events(path)]

    assert len(files) >= 7
    assert [] == [str(p) for p in files if f"`{p.relative_to(ROOT)}`" not in page]


def test_each_file_on_the_page_on_extending_is_there() -> None:
    page = (ROOT / "docs/extending.md").read_text(encoding="utf-8")
    files = re.findall(r"`((?:boostmon|db|tests|docs)/[\w/.]+)`", page)

    assert len(files) > 20
    assert [] == [file for file in files if not (ROOT / file).exists()]

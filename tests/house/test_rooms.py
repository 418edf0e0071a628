"""The rooms: small packages, each with a door that says what is in it, lowest first."""

import ast
import re
from pathlib import Path

import pytest

from tests.house.test_layers import imports, modules
from tests.support.places import ROOT

MOST = 12  # modules in a room
NO_ROOMS = {"boostmon", "boostmon.cli", "boostmon.sandbox"}  # their doors say something else, too


def packages() -> list[str]:
    """Name every package that holds modules, the ones of SQL files left out."""
    folders = {path.parent for path in (ROOT / "boostmon").rglob("*.py")}
    names = (".".join(folder.relative_to(ROOT).parts) for folder in folders)
    return sorted(name for name in names if not name.endswith(".sql"))


def inside(package: str) -> set[str]:
    """Name the modules and rooms right inside *package*."""
    parts = package.count(".") + 1
    below = (name.split(".") for name in modules() if name.startswith(f"{package}."))
    return {name[parts] for name in below} - {"__main__", "sql"}


def at_the_door(package: str) -> list[str]:
    """Return what the docstring of *package* says is in it, in its order."""
    door = ast.get_docstring(modules()[package]) or ""
    return re.findall(r"`(\w+)`", door.partition("Lowest first: ")[2])


ROOMS = [name for name in packages() if name not in NO_ROOMS]


@pytest.mark.parametrize("package", packages())
def test_a_room_has_at_most_twelve_modules(package: str) -> None:
    folder = ROOT / Path(*package.split("."))

    assert len([path for path in folder.glob("*.py") if path.stem != "__init__"]) <= MOST


@pytest.mark.parametrize("package", ROOMS)
def test_the_door_of_a_room_names_all_that_is_in_it_once(package: str) -> None:
    assert sorted(at_the_door(package)) == sorted(inside(package))


@pytest.mark.parametrize("package", ROOMS)
def test_what_is_in_a_room_imports_only_what_stands_before_it(package: str) -> None:
    order = {name: place for place, name in enumerate(at_the_door(package))}
    parts = package.count(".") + 1
    wrong = [
        (name, imported)
        for name in modules()
        if name.startswith(f"{package}.")
        for imported in imports(name)
        if imported.startswith(f"{package}.")
        and (own := name.split(".")[parts]) != (other := imported.split(".")[parts])
        and order.get(other, 0) > order.get(own, len(order))
    ]

    assert not wrong


@pytest.mark.parametrize("package", packages())
def test_no_module_bears_the_name_of_its_room(package: str) -> None:
    assert package.rpartition(".")[2] not in inside(package)


@pytest.mark.parametrize("module", sorted(modules()))
def test_a_docstring_begins_with_the_thing_or_the_verb(module: str) -> None:
    first = (ast.get_docstring(modules()[module]) or "").partition(" ")[0]

    assert first not in {"What", "How", "Which", "Where", "Who", "Whether"}


def test_the_picture_of_the_bot_has_each_room_and_points_to_who_knows_it() -> None:
    page = (ROOT / "docs/architecture.md").read_text(encoding="utf-8")
    picture = page.partition("```mermaid")[2].partition("```")[0]
    arrows = re.findall(r"^ *(\w+)(?:\[.*?\])? --> (\w+)", picture, re.MULTILINE)
    order = at_the_door("boostmon.bot")

    assert set(order) == {room for arrow in arrows for room in arrow}
    assert [] == [(low, high) for low, high in arrows if order.index(low) > order.index(high)]

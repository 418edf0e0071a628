"""The layers: a module imports only what stands to its left, judged over the source."""

import ast
import graphlib
from collections.abc import Iterator
from functools import cache

import pytest

from tests.support.places import ROOT

LAYERS = [
    "errors",
    "config",
    "finding",
    "machine",
    "database",
    "events",
    "projections",
    "commands",
    "bot",
    "cli",
]
PURE = ["boostmon.events.timer", "boostmon.commands.decider"]
PURE_MAY = {"collections.abc", "functools", "typing", "msgspec"}
DRIVER_PLACES = {"database", "events", "projections", "commands"}
TIME = {"time.time", "time.time_ns", "datetime.now", "datetime.utcnow", "datetime.today"}
READS_TIME = {"boostmon.machine": "it is the clock"}


@cache
def modules() -> dict[str, ast.Module]:
    """Parse every module of the package, by its name."""
    found = {}
    for path in sorted((ROOT / "boostmon").rglob("*.py")):
        parts = path.relative_to(ROOT).with_suffix("").parts
        name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
        found[name] = ast.parse(path.read_text(encoding="utf-8"))
    return found


def imports(name: str) -> Iterator[str]:
    """Name everything that module *name* imports, wherever in its code."""
    for node in ast.walk(modules()[name]):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{name} imports relatively"
            for alias in node.names:
                whole = f"{node.module}.{alias.name}"
                yield whole if whole in modules() else str(node.module)


def layer(name: str) -> str:
    """Name the first part of a module's place: `bot` of `boostmon.bot.slash.cog`."""
    return name.split(".")[1] if "." in name else ""


def ours() -> Iterator[tuple[str, str]]:
    """Pair each module with each of our modules that it imports."""
    for name in modules():
        for imported in imports(name):
            if imported.split(".")[0] == "boostmon":
                yield name, imported


def importers(package: str) -> set[str]:
    """Name the modules that import *package* or a part of it."""
    return {
        name
        for name in modules()
        if any(what == package or what.startswith(f"{package}.") for what in imports(name))
    }


def test_every_package_has_its_place_in_the_order() -> None:
    places = {layer(name) for name in modules()} - {"", "__main__", "sandbox"}

    assert set(LAYERS) == places


def test_a_module_imports_only_from_its_left() -> None:
    wrong = [
        f"{name} imports {imported}"
        for name, imported in ours()
        if layer(name) in LAYERS
        and layer(imported) in LAYERS
        and LAYERS.index(layer(imported)) > LAYERS.index(layer(name))
    ]

    assert [] == wrong


def test_the_sandbox_stands_apart() -> None:
    known = {name for name, imported in ours() if layer(imported) == "sandbox"}
    of_sandbox = {
        imported for name, imported in ours() if layer(name) == "sandbox" != layer(imported)
    }

    assert set() == of_sandbox
    assert {"cli", "sandbox"} == {layer(name) for name in known}


@pytest.mark.parametrize("name", PURE)
def test_the_pure_core_imports_nothing_of_weight(name: str) -> None:
    allowed = PURE_MAY | {"boostmon.errors", "boostmon.events.timer"}

    assert set(imports(name)) <= allowed


def test_the_driver_stays_in_the_four_lower_layers() -> None:
    assert {layer(name) for name in importers("asyncpg")} <= DRIVER_PLACES


def test_disnake_stays_in_the_bot() -> None:
    assert {"bot"} == {layer(name) for name in importers("disnake")}


def test_metrics_are_counted_at_the_rim_and_defined_in_one_module() -> None:
    assert {"boostmon.bot.records.metrics", "boostmon.bot.health.endpoints"} == importers(
        "prometheus_client"
    )


def test_no_import_goes_round_in_a_circle() -> None:
    graph: dict[str, set[str]] = {name: set() for name in modules()}
    for name, imported in ours():
        graph[name].add(imported)

    graphlib.TopologicalSorter(graph).prepare()  # raises CycleError, with the circle


def test_time_is_read_in_one_place() -> None:
    reading = {
        name
        for name, tree in modules().items()
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute) and ast.unparse(node) in TIME
    }

    assert set(READS_TIME) == {name for name in reading if layer(name) != "sandbox"}


def test_no_module_hides_the_reading_of_time_behind_another_name() -> None:
    from_time = {
        f"{name}: {alias.name}"
        for name, tree in modules().items()
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and node.module == "time"
        for alias in node.names
        if alias.name in ("time", "time_ns") and layer(name) != "sandbox"
    }

    assert set() == from_time


def test_no_module_waits_in_a_way_that_loses_a_cancellation() -> None:
    """Python 3.11's `asyncio.wait_for` forgets one that comes with the result."""
    guilty = [
        str(path) for path in (ROOT / "boostmon").rglob("*.py") if "wait_for(" in path.read_text()
    ]
    assert guilty == []

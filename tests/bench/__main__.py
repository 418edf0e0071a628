"""Measures, and prints figures beside limits.

`python -m tests.bench [NAME …] [--json FILE] [--markdown FILE]`; the names are those of `MEASURES`.

`BIG=1` in the environment adds the sizes that take minutes.
"""

import argparse
import asyncio
import os
import tempfile
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path

from boostmon.database.embedded.binaries import account_for, find
from boostmon.database.embedded.postgres import EmbeddedPostgres
from tests.bench import report
from tests.bench.runner import Measure, Place, Row

# One module of this folder each, in the order in which they are run.
MEASURES = ("append", "commands", "sweep", "table", "importing", "replay", "growth")


async def run(names: Sequence[str], *, big: bool) -> tuple[dict[str, str], list[Row]]:
    """Measure *names* on a server of their own; return the machine and the rows."""
    with tempfile.TemporaryDirectory(prefix="boostmon-bench-") as name:
        folder = Path(name)
        folder.chmod(0o711)
        async with EmbeddedPostgres(folder / "database") as server:
            place = Place(
                owner_url=server.owner_url,
                bot_url=server.url,
                superuser_url=server.superuser_url,
                binaries=find(account_for(folder / "database")).bin,
                folder=folder,
                big=big,
            )
            machine = await report.machine(place)
            report.heading(machine)
            rows: list[Row] = []
            for measure in names:
                found = await _measure(measure)(place)
                report.table(measure, found)
                rows += found
            return machine, rows


def _measure(name: str) -> Measure:
    measure: Measure = import_module(f"tests.bench.{name}").measure
    return measure


def main() -> None:
    """Read the arguments and measure."""
    parser = argparse.ArgumentParser(description="Measure BoostMon beside its limits.")
    parser.add_argument("names", nargs="*", choices=[[], *MEASURES], default=[], metavar="NAME")
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write the rows there")
    parser.add_argument("--markdown", type=Path, metavar="FILE", help="also write the table there")
    given = parser.parse_args()
    machine, rows = asyncio.run(run(given.names or MEASURES, big=os.environ.get("BIG") == "1"))
    if given.json:
        report.write(given.json, machine, rows)
    if given.markdown:
        given.markdown.write_text(report.markdown(rows), encoding="utf-8")


if __name__ == "__main__":
    main()

"""The wheel carries all that a checkout has beside its code."""

import subprocess
import sys
from pathlib import Path
from zipfile import ZipFile

from boostmon import __version__

ROOT = Path(__file__).parents[1]
BUILD = "import hatchling.build, sys; print(hatchling.build.build_wheel(sys.argv[1]))"


def test_the_wheel_carries_the_migrations_the_statements_and_the_types(tmp_path: Path) -> None:
    built = subprocess.run(  # noqa: S603 - our own words
        [sys.executable, "-c", BUILD, tmp_path],
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    )
    wheel = tmp_path / built.stdout.strip().splitlines()[-1]
    with ZipFile(wheel) as archive:
        files = set(archive.namelist())
        entry_points = next(name for name in files if name.endswith("entry_points.txt"))
        commands = archive.read(entry_points).decode()
        expected = {path.name: path.read_bytes() for path in (ROOT / "db/migrations").iterdir()}
        shipped = {
            Path(name).name: archive.read(name)
            for name in files
            if name.startswith("boostmon/database/migrations/")
        }

    in_tree = {
        str(path.relative_to(ROOT))
        for path in (ROOT / "boostmon").rglob("*")
        if path.suffix in (".py", ".sql", ".typed", ".html", ".js", ".css", ".svg")
    }
    assert wheel.name == f"boostmon-{__version__}-py3-none-any.whl"
    assert expected == shipped
    assert in_tree <= files
    assert "boostmon = boostmon.cli:main" in commands
    assert not [name for name in files if name.startswith(("tests/", "db/", "docs/"))]

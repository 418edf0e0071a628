"""`make dist`: what the wheel and the sdist carry, and that the wheel works by itself."""

import asyncio
import os
import subprocess
import sys
import sysconfig
import tarfile
from collections.abc import Iterator
from pathlib import Path
from zipfile import ZipFile

import pytest

from boostmon import __version__
from tests.support.databases import Schema, world_folder
from tests.support.places import ROOT

LONGEST = 120  # seconds, on a busy machine
QUIETLY = ["--quiet", "--disable-pip-version-check"]
INSTALL = ["-m", "pip", "install", *QUIETLY, "--no-index", "--no-deps"]

pytestmark = pytest.mark.xdist_group("demo")  # one at a time is work enough


def run(*words: str | Path, cwd: Path) -> str:
    done = subprocess.run(words, cwd=cwd, check=False, capture_output=True, text=True)  # noqa: S603 - our own words
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def dist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Say where `make dist` has put what it built."""
    folder = tmp_path_factory.mktemp("made") / "dist"
    tools = Path(sys.executable).parent
    run(*["make", "--old-file=.venv/.ready", "dist", f"BIN={tools}", f"DIST={folder}"], cwd=ROOT)
    return folder


@pytest.fixture(scope="module")
def empty() -> Iterator[Path]:
    """Lend a folder with nothing in it, which whoever runs PostgreSQL may enter."""
    with world_folder() as folder:
        yield folder


@pytest.fixture(scope="module")
def program(dist: Path, empty: Path) -> Path:
    """Install the wheel into an environment of its own; return its `boostmon`.

    What BoostMon depends on is taken from this environment; the link that leads from it to the
    checkout is itself a .pth file, and those are followed one step only.
    """
    home = empty / "environment"
    (wheel,) = dist.glob("*.whl")
    run(sys.executable, "-m", "venv", home, cwd=empty)
    run(home / "bin" / "python", *INSTALL, wheel, cwd=empty)
    (site,) = home.glob("lib/python*/site-packages")
    (site / "dependencies.pth").write_text(sysconfig.get_path("purelib"), encoding="utf-8")
    return home / "bin" / "boostmon"


async def call(program: Path, *arguments: str, **environ: str) -> str:
    """Run the installed program in an empty folder; return what it printed."""
    folder = program.parents[2] / "elsewhere"
    folder.mkdir(exist_ok=True)
    process = await asyncio.create_subprocess_exec(
        program,
        *arguments,
        cwd=folder,
        env=os.environ | environ,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    async with asyncio.timeout(LONGEST):
        out, err = await process.communicate()
    assert process.returncode == 0, out.decode() + err.decode()
    return out.decode()


def test_the_wheel_carries_the_migrations_the_statements_and_the_types(dist: Path) -> None:
    (wheel,) = dist.glob("*.whl")
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
    assert "boostmon = boostmon.__main__:main" in commands
    assert not [name for name in files if name.startswith(("tests/", "db/", "docs/"))]


def test_the_sdist_makes_the_same_wheel(dist: Path, tmp_path: Path) -> None:
    (sdist,) = dist.glob("*.tar.gz")
    with tarfile.open(sdist) as archive:
        archive.extractall(tmp_path, filter="data")
    source = tmp_path / f"boostmon-{__version__}"
    run(Path(sys.executable).with_name("hatchling"), "build", "--target", "wheel", cwd=source)
    (wheel,), (again,) = dist.glob("*.whl"), source.glob("dist/*.whl")

    with ZipFile(wheel) as one, ZipFile(again) as other:
        assert {i.filename: i.CRC for i in one.infolist()} == {
            i.filename: i.CRC for i in other.infolist()
        }
    assert sdist.name == f"boostmon-{__version__}.tar.gz"


def test_the_sdist_carries_no_secret_and_nothing_that_was_built(dist: Path) -> None:
    (sdist,) = dist.glob("*.tar.gz")
    with tarfile.open(sdist) as archive:
        tops = {Path(name).parts[1] for name in archive.getnames()}

    assert {"boostmon", "db", "docs", "tests", "LICENSE", "README.md"} <= tops
    assert set() == tops & {".env", ".git", ".venv", ".venv-bench", ".venv-clients", "dist"}


def test_the_version_stands_in_one_place() -> None:
    places = [
        path.name
        for path in (*ROOT.glob("boostmon/**/*.py"), ROOT / "pyproject.toml", ROOT / "Dockerfile")
        if f'"{__version__}"' in path.read_text(encoding="utf-8")
    ]

    assert ["__init__.py"] == places


async def test_the_installed_wheel_is_used_and_not_the_checkout(program: Path) -> None:
    python = program.with_name("python")
    places = "import boostmon, asyncpg, sys; print(boostmon.__file__, sys.path)"
    told = run(python, "-c", places, cwd=program.parent)

    assert told.startswith(str(program.parents[1]))
    assert f"'{ROOT}'" not in told
    assert f"boostmon, version {__version__}\n" == await call(program, "--version")


async def test_the_installed_wheel_migrates(program: Path, empty_schema: Schema) -> None:
    given = {"DATABASE_URL": empty_schema.owner_url}

    assert "applied 0001_role_timers\n" in await call(program, "migrate", **given)
    assert "0 of 0 rows differ" in await call(program, "replay", "--check", **given)


async def test_the_installed_wheel_gives_the_demonstration(program: Path) -> None:
    folder = program.parents[2] / "temporary"
    folder.mkdir()
    folder.chmod(0o755)
    told = await call(program, "demo", "--speed", "3600", "--no-browser", TMPDIR=str(folder))

    assert "replay --check: 0 of 2 rows differ" in told
    assert [] == list(folder.iterdir())

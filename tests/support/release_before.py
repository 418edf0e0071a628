"""The release before, 0.1.0, as a tree that can be run: out of the history of this repository.

No tag tells which commit it is. 2093e2b is the newest one whose CHANGELOG has all of 0.1.0 and
nothing above it: the next one that touches the CHANGELOG (53e6ed0) puts the first lines under
"Unreleased". It was made on the day that the CHANGELOG gives, has the migrations 0001 to 0004,
which are today's to the byte, and calls the SQL function `append`.
"""

import asyncio
import io
import os
import subprocess
import sys
import tarfile
from asyncio.subprocess import Process
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

from msgspec import Struct

from tests.support.places import ROOT

VERSION = "0.1.0"
COMMIT = "2093e2bc620d134b4f9023e612f091f1d3bb1b6b"
NEEDED = ("boostmon", "db", "tests/__init__.py", "tests/timers.py")
GIT = ("git", "-c", "safe.directory=*")  # the checkout of a build may be another account's
# It refuses to start over a database that a newer release has migrated. Started like this it goes
# on as one that was started before.
AS_BEFORE = """
from boostmon.cli import main, running

async def bring_up_to_date(*_, **__):
    return []

running.bring_up_to_date = bring_up_to_date
main()
"""


class Release(Struct, frozen=True):
    """A release in a folder of its own, run with the libraries of this one."""

    tree: Path

    @property
    def migrations(self) -> Path:
        """Where its migrations are."""
        return self.tree / "db" / "migrations"

    def statement(self, name: str) -> str:
        """Return what its relay, lease or observer says to PostgreSQL."""
        place = self.tree / "boostmon" / "projections" / "sql" / f"{name}.sql"
        return place.read_text(encoding="utf-8")

    @asynccontextmanager
    async def running(self, *arguments: str, **environ: str) -> AsyncIterator[Process]:
        """Lend a process of it that would go on and on."""
        process = await asyncio.create_subprocess_exec(
            *[*self.command, *arguments],
            cwd=self.tree,
            env=os.environ | self.environ | environ,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.DEVNULL,
        )
        try:
            yield process
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()

    async def carry_out(self, *arguments: str, **environ: str) -> tuple[int, str]:
        """Run Python with its modules; return the exit code, and all that was said."""
        process = await asyncio.create_subprocess_exec(
            *[sys.executable, *arguments],
            cwd=self.tree,
            env=os.environ | self.environ | environ,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        said, _ = await process.communicate()
        return process.returncode or 0, said.decode()

    @property
    def command(self) -> list[str]:
        """What is called in the place of `boostmon`."""
        return [sys.executable, "-m", "boostmon"]

    @property
    def command_as_before(self) -> list[str]:
        """The same, over a database that a newer release has migrated meanwhile."""
        return [sys.executable, "-c", AS_BEFORE]

    @property
    def environ(self) -> dict[str, str]:
        """What it needs beside its settings, so that none of this release's modules is found."""
        return {"PYTHONPATH": str(self.tree)}


def release_before(folder: Path) -> Release:
    """Unpack the release before into *folder*, or raise `LookupError` with the remedy."""
    try:
        packed = _archive()
    except FileNotFoundError as error:
        raise LookupError("The release before is taken out of git; install git.") from error
    folder.mkdir(parents=True, exist_ok=True)
    with tarfile.open(fileobj=io.BytesIO(packed)) as archive:
        archive.extractall(folder, filter="data")
    return Release(folder)


def _archive() -> bytes:
    done = subprocess.run(  # noqa: S603 - no shell, and our own words
        [*GIT, "archive", "--format=tar", COMMIT, *NEEDED],
        cwd=ROOT,
        env=_outside_of_hooks(os.environ),
        check=False,
        capture_output=True,
    )
    if done.returncode:
        raise LookupError(
            f"The release before, {VERSION}, is the commit {COMMIT} of this repository, which is "
            f"not here ({done.stderr.decode().strip()}). Fetch the whole history with "
            "`git fetch --unshallow`, or clone without --depth."
        )
    return done.stdout


def _outside_of_hooks(environ: Mapping[str, str]) -> dict[str, str]:
    """Leave out where git looks for a repository when it calls a hook."""
    return {name: value for name, value in environ.items() if not name.startswith("GIT_")}

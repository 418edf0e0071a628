"""The clock of the database's machine, which is set while its servers run.

A library that is loaded into them shifts the time of day; it is compiled from `step.c`, and where
there is no compiler the clock stands right.
"""

import mmap
import shutil
import struct
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Self

from boostmon.database.embedded.binaries import ENVIRONMENT

SOURCE = Path(__file__).with_name("step.c")
MICROS = struct.Struct("q")
A_SECOND = 1_000_000


class SteppedClock:
    """The time of day that the servers of the database see."""

    def __init__(self, folder: Path) -> None:
        """Keep the shift in *folder*, and compile what applies it."""
        self.steps: list[tuple[float, float]] = [(0.0, 0.0)]  # since when it is how far ahead
        self._place, self._library = folder / "ahead", folder / "step.so"
        self._place.write_bytes(bytes(mmap.PAGESIZE))
        self.can_step = _compiled(self._library)

    @contextmanager
    def installed(self) -> Iterator[Self]:
        """Have each server that is started see this clock."""
        if not self.can_step:
            yield self
            return
        ours = {"LD_PRELOAD": str(self._library), "CHAOS_CLOCK": str(self._place)}
        ENVIRONMENT.update(ours)
        try:
            yield self
        finally:
            for name in ours:
                del ENVIRONMENT[name]

    @property
    def is_ahead(self) -> bool:
        """Whether it differs from this machine's."""
        return self.steps[-1][1] != 0

    def set(self, ahead: float) -> None:
        """Set the clock to be so many seconds *ahead* of this machine's."""
        with self._place.open("r+b") as file:
            file.write(MICROS.pack(round(ahead * A_SECOND)))
        self.steps.append((time.time(), ahead))

    def meant(self, moment: float) -> list[float]:
        """Return when a *moment* told by a server may have been, by our own clock."""
        ends = [since for since, _ in self.steps[1:]] + [float("inf")]
        return [
            moment - ahead
            for (since, ahead), end in zip(self.steps, ends, strict=True)
            if since - 1 <= moment - ahead <= end + 1  # a transaction may have begun before
        ] or [moment]

    def told_at(self, moment: float) -> float:
        """Return when a *moment* told by a server was, at the earliest, by our own clock."""
        return min(self.meant(moment))


def _compiled(library: Path) -> bool:
    compiler = shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")
    if compiler is None:
        return False
    command = [compiler, "-shared", "-fPIC", "-O1", "-o", str(library), str(SOURCE)]
    done = subprocess.run(command, check=False, capture_output=True)  # noqa: S603 - no shell, and our own words
    return done.returncode == 0

"""Keeps in a file what comes through a pipe, so that it can be read more than once."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from boostmon.commands.imports.data_json import LARGEST
from boostmon.commands.imports.exported import LONGEST_LINE, is_line
from boostmon.errors import ImportRefusedError


@contextmanager
def spooled(file: Path) -> Iterator[Path]:
    """Lend *file*, or a temporary copy of what comes out of it when it is a pipe or device.

    Raise `ImportRefusedError` when it cannot be copied.
    """
    name = str(file)
    if not os.path.exists(name) or os.path.isfile(name) or os.path.isdir(name):  # noqa: PTH110, PTH112, PTH113 - which never raise
        yield file
        return
    try:
        copy = tempfile.NamedTemporaryFile(prefix="boostmon-import-")  # noqa: SIM115 - closed below
    except OSError as error:
        raise ImportRefusedError(
            f"{name}: there is no room to keep it while it is judged ({error.strerror}); name a "
            "file. Nothing was written."
        ) from error
    with copy:
        try:
            with file.open("rb") as source:
                _copy(source, copy)
        except OSError as error:
            raise ImportRefusedError(f"{name}: {error.strerror}; nothing was written.") from error
        yield Path(copy.name)


def _copy(source: IO[bytes], copy: IO[bytes]) -> None:
    """Copy an export whole; of anything else no more than what is refused for its length."""
    first = source.readline(LONGEST_LINE)
    copy.write(first)
    if is_line(first):
        shutil.copyfileobj(source, copy)
    else:
        copy.write(source.read(LARGEST + 1))
    copy.flush()

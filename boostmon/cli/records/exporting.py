"""`boostmon export`."""

import asyncio
import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import click
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from boostmon.cli.terminal.places import found_database, refuse_outdated
from boostmon.errors import ExportRefusedError
from boostmon.events.export import Exported, export_log


@click.command()
@click.argument("file", required=False, type=click.Path(path_type=Path, allow_dash=True))
@click.option(
    "--after",
    type=click.IntRange(min=0),
    default=0,
    metavar="POSITION",
    help="Write only the events later than this position.",
)
def export(*, file: Path | None, after: int) -> None:
    """Write every event as one JSON object a line, to FILE or to stdout."""
    if file is None or str(file) == "-" or _is_stdout(file):
        _to_stdout(after)
        return
    if after and file.is_file():
        raise ExportRefusedError(
            f"{file} exists, and would be replaced by its own continuation; name another file, "
            "and join the two with `cat`."
        )
    try:
        with _whole(file) as out:
            exported = asyncio.run(_export(out, after))
    except OSError as error:
        raise _unwritable(str(file), error) from error
    except _UnwritableError as error:
        raise _unwritable(str(file), error.__cause__) from error
    click.echo(f"{exported.events} events exported to {file}, head {exported.head}")


def _is_stdout(file: Path) -> bool:
    """Tell whether *file*, such as /dev/stdout, is where the sentence at the end would go."""
    try:
        return os.path.samestat(file.stat(), os.fstat(sys.stdout.fileno()))
    except OSError:  # not there, or no stdout
        return False


def _to_stdout(after: int) -> None:
    try:
        asyncio.run(_export(sys.stdout.buffer, after))
    except _UnwritableError as error:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        if not isinstance(error.__cause__, BrokenPipeError):  # whoever reads has seen enough
            raise _unwritable("The output", error.__cause__) from error


def _unwritable(what: str, why: BaseException | None) -> ExportRefusedError:
    reason = getattr(why, "strerror", None) or why
    return ExportRefusedError(f"{what} cannot be written ({reason}); make room, or name another.")


class _UnwritableError(Exception):
    """The cause is what the system said; an error of the database is another matter."""


async def _export(out: IO[bytes], after: int) -> Exported:
    def write(piece: bytes) -> None:
        try:
            out.write(piece)
            out.flush()
        except OSError as error:
            raise _UnwritableError from error

    async with found_database(os.environ) as place:
        await refuse_outdated(place)
        async with place.owner() as owner:
            with counter() as progress:
                task = progress.add_task("exporting events", total=None)
                return await export_log(
                    owner,
                    write,
                    after=after,
                    progress=lambda done, total: progress.update(task, completed=done, total=total),
                )


def counter() -> Progress:
    """Return a bar that counts on a terminal and is silent elsewhere."""
    console = Console(stderr=True)
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.completed:,.0f}"),
        TimeRemainingColumn(),
        console=console,
        transient=True,
        disable=not console.is_terminal,
    )


@contextmanager
def _whole(file: Path) -> Iterator[IO[bytes]]:
    """Lend a file that takes the place of *file* when it is whole, and never before.

    What is no ordinary file, such as a pipe, is written to as it is.
    """
    if file.exists() and not file.is_file():
        with file.open("wb") as out:  # not resolved: what /proc calls a pipe is no path
            yield out
        return
    target = file.resolve()
    number, name = tempfile.mkstemp(dir=target.parent, prefix=f"{target.name}.", suffix=".part")
    part = Path(name)
    try:
        with os.fdopen(number, "wb") as out:
            yield out
            out.flush()
            os.fsync(out.fileno())
        part.replace(target)
    finally:
        part.unlink(missing_ok=True)

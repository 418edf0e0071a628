"""Stdout, told apart from every other file when it cannot be written."""

import errno
import os
import sys
from io import BufferedWriter, FileIO, TextIOWrapper
from typing import Any


class UnwritableOutputError(OSError):
    """Stdout is full or closed."""

    @property
    def sentence(self) -> str:
        """What is wrong, with the remedy."""
        why = "it is closed" if self.errno == errno.EBADF else self.strerror
        return (
            f"The output cannot be written ({why}); make room or send it elsewhere, "
            "and run it again."
        )


class ReaderGoneError(Exception):
    """Whoever reads stdout has seen enough.

    No `OSError`: click and rich would make an exit code of their own of it.
    """


class _Stdout(FileIO):
    def write(self, piece: Any, /) -> int:
        try:
            return super().write(piece)
        except BrokenPipeError as error:
            raise ReaderGoneError from error
        except OSError as error:
            raise UnwritableOutputError(error.errno, error.strerror) from error


def guard_stdout() -> None:
    """Let every later write to stdout that fails raise one of the errors above.

    Python has no stdout where it was closed, and loses what is printed; here each write fails.
    """
    plain = sys.stdout
    number = os.open(os.devnull, os.O_RDONLY) if plain is None else plain.fileno()
    sys.stdout = TextIOWrapper(
        BufferedWriter(_Stdout(number, "wb", closefd=False)),
        encoding=plain.encoding if plain else "utf-8",
        errors=plain.errors if plain else "strict",
        line_buffering=plain.line_buffering if isinstance(plain, TextIOWrapper) else False,
    )


def discard_output() -> None:
    """Throw away what is not yet written, which Python would try again when it ends."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())

"""Stdout, told apart from other files when it cannot be written; and stderr, which may fail."""

import codecs
import errno
import os
import select
import sys
from io import BufferedWriter, FileIO, TextIOWrapper
from typing import Any

PIECE = 4096  # bytes that a pipe takes at once if it takes any
PATIENCE = 500.0  # milliseconds for whoever reads stderr; only once while nobody does
SPELT = "boostmon spelt"  # a way to encode: what an encoding lacks is spelt, and that is noted


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
        errors=_errors(plain.encoding if plain else "utf-8", plain.errors if plain else None),
        line_buffering=plain.line_buffering if isinstance(plain, TextIOWrapper) else False,
    )


class _Stderr(FileIO):
    """Never raises and never waits for long: who reads the log must not hold up the bot.

    What was lost is counted, and told when somebody reads again.
    """

    _lost = 0

    def write(self, piece: Any, /) -> int:
        told = f"{self._lost} lines of the log were lost, since nobody took them.\n"
        if self._lost and self._put(f"boostmon: {told}".encode()):
            self._lost = 0
        if self._lost or not self._put(bytes(piece)):
            self._lost += 1
        return len(piece)

    def _put(self, text: bytes) -> bool:
        try:
            poll = select.poll()
            poll.register(self.fileno(), select.POLLOUT)
            for start in range(0, len(text), PIECE):
                if not poll.poll(0 if self._lost else PATIENCE):
                    return False
                super().write(text[start : start + PIECE])
        except OSError:  # full, or nobody is there any more
            return False
        return True


def guard_stderr() -> None:
    """Let no write to stderr raise or wait; where it was closed, nothing else gets its number."""
    plain = sys.stderr
    number = os.open(os.devnull, os.O_WRONLY) if plain is None else plain.fileno()
    sys.stderr = TextIOWrapper(
        _Stderr(number, "wb", closefd=False),  # as Python itself does for -u
        encoding=plain.encoding if plain else "utf-8",
        errors="backslashreplace",
        line_buffering=True,
        write_through=True,
    )


class _Spelling:
    """Spells what an encoding lacks; *happened*: there was something."""

    happened = False

    def __call__(self, error: UnicodeError) -> tuple[str | bytes, int]:
        self.happened = True
        return codecs.backslashreplace_errors(error)


_spelling = _Spelling()


def _errors(encoding: str, errors: str | None) -> str | None:
    """Say what becomes of a letter that *encoding* lacks: one in a name must not end a command."""
    if codecs.lookup(encoding).name.startswith("utf"):
        return errors
    codecs.register_error(SPELT, _spelling)
    return SPELT


def spelt() -> str:
    """Say in a sentence that letters were spelt; nothing where none was."""
    if not _spelling.happened:
        return ""
    return (
        f"Some letters cannot be written in {sys.stdout.encoding} and were spelt; set "
        "PYTHONIOENCODING=utf-8 if the terminal can show them."
    )


def discard_output() -> None:
    """Throw away what is not yet written, which Python would try again when it ends."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())

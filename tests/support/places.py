"""The places of the repository that tests read."""

from pathlib import Path

TESTS = Path(__file__).parents[1]
ROOT = TESTS.parent


def named(file: str) -> Path:
    """Return the one test file of that name, whichever room it is in."""
    (path,) = TESTS.rglob(file)
    return path

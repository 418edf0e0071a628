"""`make`: with which Python it works."""

import os
import platform
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.places import ROOT

NAMED = f"PYTHON={sys.executable}"
THIS, ANOTHER = f"Python {platform.python_version()}\n", "Python 3.9.1\n"


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """Lend a folder that looks like a checkout whose .venv was made."""
    (tmp_path / ".venv").mkdir()
    for name in ("Makefile", "requirements-dev.txt", "pyproject.toml"):
        shutil.copy(ROOT / name, tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    ("words", "of", "is_made"),
    [
        ([], ANOTHER, False),
        ([NAMED], THIS, False),
        ([NAMED], ANOTHER, True),
        ([NAMED], "", True),
    ],
    ids=["not named", "the same", "another", "unknown"],
)
@pytest.mark.parametrize("target", ["test", "check"])
def test_a_python_that_is_named_is_the_one_that_runs_the_tests(
    checkout: Path, target: str, words: list[str], of: str, is_made: bool
) -> None:
    (checkout / ".venv" / ".ready").write_text(of)
    done = subprocess.run(  # noqa: S603 - our own words
        [str(shutil.which("make")), "--dry-run", target, *words],
        cwd=checkout,
        check=True,
        capture_output=True,
        text=True,
        env={name: value for name, value in os.environ.items() if not name.startswith("MAKE")},
    )

    assert is_made == ("-r requirements-dev.txt" in done.stdout or "uv venv" in done.stdout)
    assert is_made == ("python --version > .venv/.ready" in done.stdout)
    assert ".venv/bin/pytest" in done.stdout

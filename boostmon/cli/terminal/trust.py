"""Judges by who can have written it whether a file of settings may be believed."""

import os
import stat
from collections.abc import Iterator
from pathlib import Path

from boostmon.errors import ConfigurationError

OTHERS_WRITE = stat.S_IWGRP | stat.S_IWOTH
ROOT = 0


def read_trusted(path: Path) -> bytes:
    """Return what is in the file at *path*, or raise `ConfigurationError`.

    Neither the file nor its folder may belong to, or be writable for, anybody but this account and
    root; where it is a link, both ends count. Raise `OSError` when there is none to be read.
    """
    _judge(path, path.stat())  # before it is opened: a pipe of somebody else would keep us waiting
    for place in _links(path.absolute()):
        _judge(path, place.lstat())
        _judge_folder(path, place.parent)
    with path.open("rb") as file:
        _judge(path, os.fstat(file.fileno()))  # this is the one that is read
        return file.read()


def _links(path: Path) -> Iterator[Path]:
    """Give *path* and, while it is a link, what it leads to."""
    yield path
    while path.is_symlink():
        path = path.parent / path.readlink()
        yield path


def _judge(path: Path, found: os.stat_result) -> None:
    if not _is_trusted(found.st_uid):
        raise ConfigurationError(
            f"{path.name} belongs to another account; "
            "make it your own with `chown`, or take it away."
        )
    if not stat.S_ISLNK(found.st_mode) and found.st_mode & OTHERS_WRITE:
        raise ConfigurationError(
            f"{path.name} can be changed by other accounts; run `chmod 600 {path.name}`."
        )


def _judge_folder(path: Path, folder: Path) -> None:
    found = folder.stat()
    if not _is_trusted(found.st_uid):
        raise ConfigurationError(
            f"{path.name} is in {folder}, which belongs to another account; "
            "keep it in a folder of yours, and start BoostMon there."
        )
    # From a folder such as /tmp nobody can take away what is another's.
    if found.st_mode & OTHERS_WRITE and not found.st_mode & stat.S_ISVTX:
        raise ConfigurationError(
            f"{path.name} is in {folder}, where other accounts may write; "
            f"run `chmod go-w {folder}`, or start BoostMon in another folder."
        )


def _is_trusted(owner: int) -> bool:
    return owner in (os.geteuid(), ROOT)

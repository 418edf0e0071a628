"""A PostgreSQL server as a child process that never outlives us."""

import asyncio
import ctypes
import errno
import math
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from msgspec import Struct

from boostmon import machine
from boostmon.database.embedded.binaries import ENVIRONMENT, Account, Binaries
from boostmon.errors import DatabaseError

PORT = 5432
LOCALE = "C" if sys.platform == "darwin" else "C.UTF-8"
PR_SET_PDEATHSIG = 1
POLL = 0.02
STARTING = 120.0  # seconds; recovery after a crash takes its time
STOPPING = 15.0
AT_ONCE = 0.3  # seconds
LONGEST_LOG = 10_000_000
NO_ROOM = os.strerror(errno.ENOSPC)  # which PostgreSQL says in the locale that we give it
LEAST_ROOM = 1_000_000  # bytes, with fewer of which nothing starts, and no log says why
RISKY = ("fsync=off", "synchronous_commit=off", "full_page_writes=off")


class Server(Struct, frozen=True):
    """What it takes to run PostgreSQL over one data folder."""

    binaries: Binaries
    account: Account | None
    data: Path
    socket: Path
    log: Path
    durable: bool

    async def initialize(self, folder: Path) -> None:
        """Make a new cluster in the empty *folder*; cancelled, leave what was made so far.

        Call it from the main thread, for its death is what ends it.
        """
        options = ["-U", "postgres", "-A", "trust", "-E", "UTF8", f"--locale={LOCALE}"]
        options += ["--no-instructions"] if self.durable else ["--no-instructions", "--no-sync"]
        making = subprocess.Popen(  # noqa: ASYNC220, S603 - no shell, our own words, and no wait
            [self.binaries.bin / "initdb", *options, "-D", folder],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=ENVIRONMENT,
            cwd="/",
            preexec_fn=_end_with(os.getpid()),  # noqa: PLW1509 - one system call
            **(self.account.options if self.account else {}),
        )
        with making:
            try:
                await _wait_until(lambda: making.poll() is not None, math.inf)
            except asyncio.CancelledError:
                making.kill()
                raise
            out, err = making.communicate()
        if making.returncode:
            self._refuse_full(err)
            lines = (err.strip() or out.strip()).splitlines()
            [*reasons] = [line for line in lines if "error:" in line or "FATAL" in line] or lines
            reason = "".join(reasons[-1:]).rstrip(".")
            raise DatabaseError(f"No database could be made in {self.data}: {reason}.")

    def spawn(self) -> subprocess.Popen[bytes]:
        """Start the server; call it from the main thread, for its death is what ends it."""
        settings = [f"unix_socket_directories={self.socket}", "listen_addresses=", "timezone=UTC"]
        if sys.platform.startswith("linux"):  # a statement whose client is gone holds no locks
            settings.append("client_connection_check_interval=1s")
        settings += [] if self.durable else RISKY
        options = [part for setting in settings for part in ("-c", setting)]
        if self.log.exists() and self.log.stat().st_size > LONGEST_LOG:
            self.log.replace(self.log.with_suffix(".log.1"))
        with self.log.open("ab") as log:
            return subprocess.Popen(  # noqa: S603 - no shell, and our own words
                [self.binaries.bin / "postgres", "-D", self.data, "-p", str(PORT), *options],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=ENVIRONMENT,
                cwd="/",
                start_new_session=True,  # Ctrl-C must not end it before the pool is closed
                preexec_fn=_end_with(os.getpid()),  # noqa: PLW1509 - one system call
                **(self.account.options if self.account else {}),
            )

    async def ready(self, process: subprocess.Popen[bytes]) -> None:
        """Wait until *process* takes connections."""
        end = machine.monotonic() + STARTING
        while read_pidfile(self.data) != (process.pid, "ready"):
            if process.poll() is not None:
                words = self._last_words()
                self._refuse_full(words)
                raise DatabaseError(f"PostgreSQL did not start: {words}")
            if machine.monotonic() > end:
                raise DatabaseError(f"PostgreSQL does not get ready; see {self.log}.")
            await asyncio.sleep(POLL)

    async def end_orphan(self) -> None:
        """Wait for the server of an owner who was killed, and end it if it does not end."""
        pid, _ = read_pidfile(self.data)
        if pid is None or not _is_alive(pid):
            return
        if not self._is_ours(pid):
            (self.data / "postmaster.pid").unlink(missing_ok=True)
            return
        for number, patience in ((None, 2.0), (signal.SIGINT, STOPPING), (signal.SIGQUIT, 5.0)):
            if number is not None and self._is_ours(pid):
                os.kill(pid, number)
            if await _wait_until(lambda: not _is_alive(pid), patience):
                return
        raise DatabaseError(
            f"Another PostgreSQL (process {pid}) runs on {self.data} and does not end; stop it."
        )

    def _is_ours(self, pid: int) -> bool:
        """Tell whether *pid* serves our folder: after a reboot it may be anybody's."""
        if not _is_alive(pid):
            return False
        try:
            return Path(f"/proc/{pid}/cwd").readlink() == self.data.resolve()
        except FileNotFoundError:  # a zombie, or a system without /proc: it counts until reaped
            return _is_alive(pid)
        except PermissionError:
            return False

    def _refuse_full(self, words: str) -> None:
        """Raise `DatabaseError` where no room is why PostgreSQL failed, with *words* or without."""
        folder = self.data.parent
        if NO_ROOM in words or shutil.disk_usage(folder).free < LEAST_ROOM:
            raise DatabaseError(
                f"The disk of {folder} is full; make room there, 100 MB at least, or set "
                "BOOSTMON_DATA_DIR to a folder on another one."
            )

    def _last_words(self) -> str:
        with self.log.open("rb") as log:
            log.seek(max(0, self.log.stat().st_size - 4000))
            lines = log.read().decode(errors="replace").splitlines()
        fatal = [line for line in lines if "FATAL" in line or "PANIC" in line]
        return f"{(fatal or lines or ['it said nothing'])[-1]}; see {self.log}."


async def stop(process: subprocess.Popen[bytes]) -> None:
    """End the server: politely first, then at once; cancelled, at once.

    What it has confirmed stands in its log, which the next start reads.
    """
    process.send_signal(signal.SIGINT)
    try:
        await _wait_until(lambda: process.poll() is not None, STOPPING)
    finally:
        if process.poll() is None:
            _end_at_once(process)


def _end_at_once(process: subprocess.Popen[bytes]) -> None:
    """End the server; by force, with its children, where they are frozen and hear nothing else."""
    process.send_signal(signal.SIGQUIT)
    try:
        process.wait(AT_ONCE)
    except subprocess.TimeoutExpired:
        for child in _children_of(process.pid):
            with suppress(ProcessLookupError):
                os.kill(child, signal.SIGKILL)
        process.kill()
        process.wait()


def _children_of(pid: int) -> list[int]:
    """Return the ids of a process's children; none on a system that does not tell."""
    try:
        told = Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii")
    except FileNotFoundError:
        return []
    return [int(child) for child in told.split()]


def read_pidfile(data: Path) -> tuple[int | None, str]:
    """Read from the server's own file its process id and how far it has come."""
    try:
        lines = (data / "postmaster.pid").read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:
        return None, ""
    pid = int(lines[0]) if lines and lines[0].isdecimal() else None
    return pid, lines[7].strip() if len(lines) > 7 else ""  # noqa: PLR2004 - its eighth line


async def _wait_until(done: Callable[[], bool], seconds: float) -> bool:
    end = machine.monotonic() + seconds
    while not done():
        if machine.monotonic() > end:
            return False
        await asyncio.sleep(POLL)
    return True


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _end_with(parent: int) -> Callable[[], None] | None:
    """Make what runs in the child before it becomes PostgreSQL: it ends when *parent* does."""
    if not sys.platform.startswith("linux"):
        return None  # an orphan is then ended by the next owner
    prctl = ctypes.CDLL(None).prctl

    def tie() -> None:
        prctl(PR_SET_PDEATHSIG, signal.SIGINT)
        if os.getppid() != parent:
            os._exit(1)  # it was too late: the parent has gone already

    return tie

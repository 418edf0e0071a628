"""A PostgreSQL of our own: started with the first process that needs it, gone with the last."""

import asyncio
import fcntl
import os
import shutil
import stat
import subprocess
import tempfile
from pathlib import Path
from typing import Self
from urllib.parse import quote

import asyncpg
import structlog

from boostmon import machine
from boostmon.database.connections.connection import LOST
from boostmon.database.embedded.binaries import Account, account_for, find
from boostmon.database.embedded.provision import BOT, NAME, provision, server_version
from boostmon.database.embedded.server import PORT, Server, read_pidfile, stop
from boostmon.errors import DatabaseError, DatabaseUnavailableError

LONGEST_SOCKET = 103  # bytes of a path; macOS allows this many, Linux 107
JOINING = 60.0  # seconds for another process to get its server ready
ANSWER = 5.0  # seconds that a server has to answer
SILENCES = 2  # so many times in a row it was frozen, if it was ready before
WATCH = 0.1
MENDING = 1.0

log = structlog.get_logger()


class EmbeddedPostgres:
    """Serves the database in *data_dir*: owns the server, or attaches to the one who does.

    Whoever is attached takes the server over when its owner ends, cleanly or not; pools then
    reconnect. Use it on the event loop of the main thread. Only tests may do without *durable*.
    """

    def __init__(self, data_dir: Path, *, durable: bool = True) -> None:
        self._dir = data_dir.absolute()
        self._durable = durable
        self._lock: int | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self._watch: asyncio.Task[None] | None = None
        self.description = ""

    @property
    def url(self) -> str:
        """Where the bot connects, as a role that owns nothing."""
        return self._url(BOT, NAME)

    @property
    def owner_url(self) -> str:
        """Where the owner of the tables connects."""
        return self._url(NAME, NAME)

    @property
    def superuser_url(self) -> str:
        """Where the superuser connects."""
        return self._url("postgres", NAME)

    @property
    def is_owner(self) -> bool:
        """Whether the server is a child of this process."""
        return self._process is not None

    async def __aenter__(self) -> Self:
        try:
            self._make_dir()
            await self._own_or_attach()
        except BaseException:
            await self._leave()
            raise
        self._watch = asyncio.create_task(self._keep())
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._watch is not None:
            self._watch.cancel()
            await asyncio.wait([self._watch])
        await self._leave()

    async def _leave(self) -> None:
        if self._process is not None:
            await stop(self._process)
            self._process = None
            if self._socket.parent != self._dir:
                shutil.rmtree(self._socket)
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    async def _own_or_attach(self) -> None:
        end = machine.monotonic() + JOINING
        silences = 0
        while True:
            if self._take_lock():
                return await self._serve()
            try:
                version = await server_version(self.owner_url, patience=ANSWER)
            except (*LOST, asyncpg.PostgresError) as error:
                silences += isinstance(error, TimeoutError)
                pid, state = read_pidfile(self._dir / "data")
                if silences == SILENCES and state == "ready":
                    raise DatabaseUnavailableError(
                        f"The PostgreSQL in {self._dir} (process {pid}) is frozen or overloaded, "
                        f"and does not answer; let it go on (`kill -CONT {pid}`), or end it."
                    ) from error
                if machine.monotonic() > end:
                    raise DatabaseUnavailableError(
                        f"Another process holds the database in {self._dir}, and it does not "
                        f"answer; end that process."
                    ) from error
                await asyncio.sleep(WATCH)
            else:
                self.description = f"PostgreSQL {version} in {self._dir}, run by another process"
                return None

    async def _keep(self) -> None:
        """Take over when the owner ends, and start again what has died."""
        while True:
            await asyncio.sleep(WATCH)
            if self._process is not None and self._process.poll() is None:
                continue
            if not self._take_lock():
                continue
            log.warning("starting the embedded database again", folder=str(self._dir))
            try:
                await self._serve()
            except (DatabaseError, *LOST, asyncpg.PostgresError) as error:
                log.error("the embedded database does not start", error=str(error))
                await asyncio.sleep(MENDING)

    def _take_lock(self) -> bool:
        """Become the owner, unless another process is; the kernel frees a killed one's lock."""
        if self._lock is not None:
            return True
        lock = os.open(self._dir / "data.lock", os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(lock)
            return False
        self._lock = lock
        return True

    async def _serve(self) -> None:
        if self._process is not None and self._process.poll() is None:
            await stop(self._process)  # it started but could not be provisioned
        server = self._server()
        await server.end_orphan()
        for left in self._dir.glob("new-*"):  # by one who was killed; its initdb may still be
            shutil.rmtree(left, ignore_errors=True)  # tidying up, so the next start looks again
        if not server.data.exists():
            await self._initialize(server)
        self._make_socket_dir(server.account)
        self._process = server.spawn()
        await server.ready(self._process)
        await provision(self._url("postgres", "postgres"))
        chosen = server.binaries
        self.description = f"PostgreSQL {chosen.version} of {chosen.origin} in {self._dir}"

    def _server(self) -> Server:
        data = self._dir / "data"
        account = account_for(data)
        if account and not _may_enter(account, self._dir):
            raise DatabaseError(
                f"PostgreSQL runs as {account.name} here, who may not enter {self._dir}; set "
                "BOOSTMON_DATA_DIR to a folder that all may enter, such as /var/lib/boostmon."
            )
        version = data / "PG_VERSION"
        major = int(version.read_text(encoding="utf-8")) if version.exists() else None
        return Server(
            binaries=find(account, major=major),
            account=account,
            data=data,
            socket=self._socket,
            log=self._dir / "server.log",
            durable=self._durable,
        )

    async def _initialize(self, server: Server) -> None:
        """Make the cluster beside its place and move it there: half a one is never found."""
        folder = Path(tempfile.mkdtemp(prefix="new-", dir=self._dir))
        _give(folder, server.account)
        try:
            await server.initialize(folder)
            folder.rename(server.data)
        except BaseException:
            shutil.rmtree(folder, ignore_errors=True)  # whoever makes it may still be at it
            raise

    def _make_dir(self) -> None:
        try:
            made = [path for path in (self._dir, *self._dir.parents) if not path.exists()]
            self._dir.mkdir(parents=True, exist_ok=True)
            for path in made:
                path.chmod(0o755 if os.geteuid() == 0 else 0o700)  # root has another run the server
            with tempfile.TemporaryFile(dir=self._dir):
                pass
        except OSError as error:
            find(None)  # without a PostgreSQL, as in the image, no other folder would help
            raise DatabaseError(
                f"The data folder {self._dir} cannot be written ({error.strerror}); set "
                "BOOSTMON_DATA_DIR to one that can, or DATABASE_URL to a PostgreSQL server."
            ) from error

    @property
    def _socket(self) -> Path:
        """Where the socket is: in /tmp when its path would be too long, or unfit for a URL."""
        path = self._dir / "socket"
        fits = len(os.fsencode(path / f".s.PGSQL.{PORT}.lock")) <= LONGEST_SOCKET
        if fits and "," not in str(path):
            return path
        folder = self._dir.stat()
        return Path(f"/tmp/boostmon-{folder.st_dev:x}-{folder.st_ino:x}")  # noqa: S108 - `_make_socket_dir` looks at whose it is

    def _make_socket_dir(self, account: Account | None) -> None:
        place = self._socket
        if not place.exists():
            place.mkdir(mode=0o700)
            _give(place, account)
        found = place.lstat()
        owner = account.uid if account else os.geteuid()
        if not stat.S_ISDIR(found.st_mode) or found.st_uid != owner or found.st_mode & 0o077:
            raise DatabaseError(f"The folder {place} belongs to somebody else; remove it.")

    def _url(self, role: str, database: str) -> str:
        return f"postgresql://{role}@/{database}?host={quote(str(self._socket))}&port={PORT}"


def holds_database(data_dir: Path) -> bool:
    """Tell whether a database was made in *data_dir*; yes where that cannot be looked at."""
    try:
        return (data_dir / "data").exists()
    except OSError:
        return True


def _give(folder: Path, account: Account | None) -> None:
    if account is not None:
        os.chown(folder, account.uid, account.gid)


def _may_enter(account: Account, folder: Path) -> bool:
    for path in (folder, *folder.parents):
        found = path.stat()
        own, group = found.st_uid == account.uid, found.st_gid == account.gid
        needed = stat.S_IXUSR if own else stat.S_IXGRP if group else stat.S_IXOTH
        if not found.st_mode & needed:
            return False
    return True

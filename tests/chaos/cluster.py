"""The databases that are hurt: one server, or a pair of which the other takes over."""

import asyncio
import os
import shutil
import signal
import socket
import subprocess
from contextlib import suppress
from pathlib import Path
from typing import Any, Protocol, Self

import asyncpg

from boostmon.database.embedded.binaries import ENVIRONMENT, account_for, find
from boostmon.database.embedded.postgres import EmbeddedPostgres
from boostmon.database.embedded.provision import BOT, NAME, provision
from tests.chaos.processes import DatabaseServer

HOST = "127.0.0.1"
SYNCHRONOUS = "SELECT EXISTS (SELECT FROM pg_stat_replication WHERE sync_state = 'sync')"
READY = 60.0
LOOK = 0.1
MISSING = (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError)


class Database(Protocol):
    """What a run needs of its database."""

    @property
    def url(self) -> str:
        """Where the bot connects."""

    @property
    def owner_url(self) -> str:
        """Where the owner of the tables connects."""

    @property
    def superuser_url(self) -> str:
        """Where the superuser connects."""

    async def kill(self) -> None:
        """End the server without a warning."""

    async def restart(self) -> None:
        """Restart the server as an administrator does."""

    async def freeze(self, seconds: float) -> None:
        """Stop every process of the server for some time."""


class Alone(EmbeddedPostgres):
    """One server, which is started again when it has ended."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self._hurt = DatabaseServer(folder / "data")

    async def kill(self) -> None:
        """End the server without a warning."""
        self._hurt.signal(signal.SIGKILL)

    async def restart(self) -> None:
        """Restart the server as an administrator does."""
        self._hurt.signal(signal.SIGINT)

    async def freeze(self, seconds: float) -> None:
        """Stop every process of the server for some time."""
        self._hurt.signal_all(signal.SIGSTOP)
        try:
            await asyncio.sleep(seconds)
        finally:
            self._hurt.signal_all(signal.SIGCONT)


class Node:
    """One of the two servers."""

    def __init__(self, folder: Path, name: str) -> None:
        self.name = name
        self.data = folder / name
        self.port = _free_port()
        self.hurt = DatabaseServer(self.data)
        self._log = folder / f"{name}.log"
        self._account = account_for(folder)
        self._bin = find(self._account).bin
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def superuser_url(self) -> str:
        """Where the superuser connects."""
        return f"postgresql://postgres@{HOST}:{self.port}/{NAME}"

    def initialize(self) -> None:
        """Make a new cluster."""
        self._run("initdb", "-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C.UTF-8")

    def copy(self, other: "Node") -> None:
        """Become a standby of *other*, beginning with a copy of it."""
        shutil.rmtree(self.data, ignore_errors=True)
        source = f"host={HOST} port={other.port} user=postgres application_name={self.name}"
        self._run("pg_basebackup", "-R", "-c", "fast", "-d", source)

    def spawn(self) -> None:
        """Start the server."""
        settings = [f"port={self.port}", f"listen_addresses={HOST}", "unix_socket_directories="]
        settings += ["timezone=UTC", "client_connection_check_interval=1s"]
        options = [part for setting in settings for part in ("-c", setting)]
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(  # noqa: S603 - no shell, and our own words
                [self._bin / "postgres", "-D", self.data, *options],
                stdout=log,
                stderr=log,
                **self._surroundings,
            )

    async def ask(self, statement: str, database: str = NAME) -> Any:
        """Put one question to it as the superuser."""
        url = f"postgresql://postgres@{HOST}:{self.port}/{database}"
        connection = await asyncpg.connect(url, timeout=5)
        try:
            return await connection.fetchval(statement)
        finally:
            connection.terminate()

    async def until(self, statement: str) -> None:
        """Wait until the answer to *statement* is yes."""
        async with asyncio.timeout(READY):
            while True:
                with suppress(*MISSING):
                    if await self.ask(statement, "postgres"):
                        return
                await asyncio.sleep(LOOK)

    def end(self, number: int = signal.SIGKILL) -> None:
        """End the server, and wait for that."""
        if self._process is not None and self._process.poll() is None:
            if number == signal.SIGKILL:
                self.hurt.signal_all(number)  # the frozen ones would not notice that it is gone
            self._process.send_signal(number)
            self._process.wait()

    @property
    def _surroundings(self) -> dict[str, Any]:
        options = self._account.options if self._account else {}
        return {"cwd": "/", "env": ENVIRONMENT, "start_new_session": True, **options}

    def _run(self, program: str, *options: str) -> None:
        command = [str(self._bin / program), *options, "-D", str(self.data)]
        done = subprocess.run(  # noqa: S603 - no shell, and our own words
            command, check=False, capture_output=True, text=True, **self._surroundings
        )
        if done.returncode:
            raise OSError(f"{program}: {done.stderr}")


class Pair:
    """A primary and its standby; what was acknowledged is on both."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir()
        if account := account_for(folder):
            os.chown(folder, account.uid, account.gid)
        self.primary, self.standby = Node(folder, "a"), Node(folder, "b")
        self._hosts = f"{HOST}:{self.primary.port},{HOST}:{self.standby.port}"

    @property
    def url(self) -> str:
        """Where the bot connects."""
        return f"postgresql://{BOT}@{self._hosts}/{NAME}"

    @property
    def owner_url(self) -> str:
        """Where the owner of the tables connects."""
        return f"postgresql://{NAME}@{self._hosts}/{NAME}"

    @property
    def superuser_url(self) -> str:
        """Where the superuser connects, on the primary of the moment."""
        return self.primary.superuser_url

    async def kill(self) -> None:
        """End the primary without a warning; the standby takes over."""
        self.primary.end()
        await self._fail_over()

    async def freeze(self, _: float) -> None:
        """Freeze the primary; the standby takes over, and only then the primary is ended."""
        self.primary.hurt.signal_all(signal.SIGSTOP)
        await self._fail_over()

    async def _fail_over(self) -> None:
        dead, alive = self.primary, self.standby
        await alive.ask("SELECT pg_promote(true, 60)", "postgres")
        await alive.ask("ALTER SYSTEM SET synchronous_standby_names = ''", "postgres")
        await alive.ask("SELECT pg_reload_conf()", "postgres")
        self.primary, self.standby = alive, dead
        dead.end()
        await self._attach()

    async def restart(self) -> None:
        """Restart the primary in place."""
        self.primary.end(signal.SIGINT)
        self.primary.spawn()
        await self.primary.until("SELECT true")

    async def __aenter__(self) -> Self:
        await asyncio.to_thread(self.primary.initialize)
        self.primary.spawn()
        await self.primary.until("SELECT true")
        await provision(f"postgresql://postgres@{HOST}:{self.primary.port}/postgres")
        await self._attach()
        return self

    async def __aexit__(self, *_: object) -> None:
        for node in (self.standby, self.primary):
            node.end(signal.SIGQUIT)

    async def _attach(self) -> None:
        """Make the other server a synchronous standby."""
        name = self.standby.name
        await asyncio.to_thread(self.standby.copy, self.primary)
        self.standby.spawn()
        await self.primary.until("SELECT EXISTS (SELECT FROM pg_stat_replication)")
        await self.primary.ask(f"ALTER SYSTEM SET synchronous_standby_names = '{name}'", "postgres")
        await self.primary.ask("SELECT pg_reload_conf()", "postgres")
        await self.primary.until(SYNCHRONOUS)


def _free_port() -> int:
    with socket.socket() as found:
        found.bind((HOST, 0))
        port: int = found.getsockname()[1]
        return port

"""A primary and its synchronous standby, both real, for tests that hurt them."""

import asyncio
import os
import shutil
import signal
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any
from urllib.parse import quote

from msgspec import structs

from boostmon.database.connections.connection import session
from boostmon.database.embedded.binaries import account_for, find
from boostmon.database.embedded.provision import BOT, NAME, provision
from boostmon.database.embedded.server import PORT, Server, stop
from tests.support.databases import world_folder

STANDBY = """
primary_conninfo = 'host={socket} port={port} user=postgres application_name=standby'
wal_retrieve_retry_interval = 100ms
"""
COPIED = "SELECT count(*) = 1 FROM pg_stat_replication WHERE sync_state = 'sync'"
PATIENCE = 20.0


class Node:
    """One server, which can be stopped, killed and frozen."""

    def __init__(self, folder: Path) -> None:
        self.socket = folder / "socket"
        account = account_for(folder)
        for made in (folder, self.socket):
            made.mkdir()
            if account:
                os.chown(made, account.uid, account.gid)
        self._server = Server(
            binaries=find(account),
            account=account,
            data=folder / "data",
            socket=self.socket,
            log=folder / "server.log",
            durable=True,  # without, a commit would not wait for the standby
        )
        self._process: subprocess.Popen[bytes] | None = None

    def url(self, role: str, database: str = NAME) -> str:
        """Where *role* connects to this server alone."""
        return f"postgresql://{role}@/{database}?host={quote(str(self.socket))}&port={PORT}"

    async def initialize(self) -> None:
        """Make a new cluster."""
        await structs.replace(self._server, durable=False).initialize(self._server.data)

    def follow(self, other: "Node") -> None:
        """Become a standby of *other*, which has not been started yet."""
        shutil.copytree(other._server.data, self._server.data)  # noqa: SLF001 - it is one of us
        self._recover("standby", STANDBY.format(socket=other.socket, port=PORT))

    def go_back(self, base: Path, settings: str) -> None:
        """Put a base backup into the place of what is there, to be recovered from."""
        shutil.rmtree(self._server.data)
        shutil.copytree(base, self._server.data)
        self._recover("recovery", settings)

    def configure(self, settings: str) -> None:
        """Add *settings* for the next start."""
        with (self._server.data / "postgresql.conf").open("a", encoding="utf-8") as file:
            file.write(settings)

    def trust_nobody(self) -> None:
        """Ask for passwords from the next reload on, but of the superuser."""
        rules = "local all postgres trust\nlocal all all scram-sha-256\n"
        (self._server.data / "pg_hba.conf").write_text(rules, encoding="utf-8")

    async def start(self) -> None:
        """Start the server, and wait until it takes connections."""
        self._process = self._server.spawn()
        await self._server.ready(self._process)

    async def stop(self) -> None:
        """Stop the server as an administrator does."""
        await stop(self._running)

    def kill(self) -> None:
        """End every process of the server at once, as when the machine loses power."""
        self._signal(signal.SIGKILL)
        self._running.wait()

    def freeze(self) -> None:
        """Let nothing of the server run any more; its connections stay open."""
        self._signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Let the server go on."""
        self._signal(signal.SIGCONT)

    def end(self) -> None:
        """End the server, whatever has become of it."""
        if self._process is not None and self._process.poll() is None:
            self.kill()

    async def ask(self, question: str, *, database: str = NAME) -> Any:
        """Put *question* to this server as the superuser."""
        async with session(self.url("postgres", database)) as connection:
            return await connection.fetchval(question)

    async def until(self, question: str, *, database: str = NAME) -> None:
        """Wait until the answer to *question* is yes."""
        async with asyncio.timeout(PATIENCE), session(self.url("postgres", database)) as connection:
            while not await connection.fetchval(question):  # noqa: ASYNC110 - a server raises no event
                await asyncio.sleep(0.02)

    def own(self, *paths: Path) -> None:
        """Give files to whoever runs the server."""
        if account := self._server.account:
            for path in paths:
                os.chown(path, account.uid, account.gid)

    def _recover(self, how: str, settings: str) -> None:
        data = self._server.data
        (data / f"{how}.signal").touch()
        self.configure(settings)
        self.own(data, *data.rglob("*"))

    @property
    def _running(self) -> subprocess.Popen[bytes]:
        assert self._process is not None
        return self._process

    def _signal(self, number: int) -> None:
        leader = self._running.pid
        os.kill(leader, number)  # first: it must not replace the others
        children = Path(f"/proc/{leader}/task/{leader}/children")
        for pid in children.read_text(encoding="ascii").split() if children.exists() else ():
            with suppress(ProcessLookupError):
                os.kill(int(pid), number)


class Pair:
    """Two servers at one URL; the second copies the first, and every commit waits for it."""

    def __init__(self, first: Node, second: Node) -> None:
        self.first, self.second = first, second

    @property
    def bot_url(self) -> str:
        """Where the bot connects."""
        return self._url(BOT)

    @property
    def owner_url(self) -> str:
        """Where the owner of the tables connects."""
        return self._url(NAME)

    async def promote(self) -> None:
        """Have the second server take over."""
        assert await self.second.ask("SELECT pg_promote()", database="postgres")

    def _url(self, role: str) -> str:
        hosts = ",".join(quote(str(node.socket)) for node in (self.first, self.second))
        return f"postgresql://{role}@/{NAME}?host={hosts}&port={PORT},{PORT}"


@asynccontextmanager
async def single() -> AsyncIterator[Node]:
    """Lend one server with the two roles and an empty database."""
    with world_folder() as folder:
        node = Node(folder / "only")
        await node.initialize()
        try:
            await node.start()
            await provision(node.url("postgres", "postgres"))
            yield node
        finally:
            node.end()


@asynccontextmanager
async def pair() -> AsyncIterator[Pair]:
    """Lend a primary and its synchronous standby, with the two roles and an empty database."""
    with world_folder() as folder:
        first, second = Node(folder / "first"), Node(folder / "second")
        await first.initialize()
        second.follow(first)
        first.configure("synchronous_standby_names = 'standby'\n")
        try:
            await first.start()
            await second.start()
            await first.until(COPIED, database="postgres")
            await provision(first.url("postgres", "postgres"))
            yield Pair(first, second)
        finally:
            first.end()
            second.end()

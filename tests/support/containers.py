"""A PostgreSQL in a container for the tests, which is gone when they are, however they ended."""

import asyncio
import fcntl
import gc
import os
import platform
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any
from warnings import catch_warnings

import asyncpg

IMAGE = "postgres:18-alpine"
SETTINGS = ["-c", "fsync=off", "-c", "synchronous_commit=off", "-c", "full_page_writes=off"]
LABEL = "boostmon.tests"
SOCKET = Path("/var/run/docker.sock")
PATIENCE = 60.0  # seconds for its PostgreSQL to answer
GIVES_UP = 3  # seconds for the engine to answer a question
AGAIN = 0.2


class NoContainerError(Exception):
    """There is no container to be had, and this says why."""


@contextmanager
def postgres() -> Iterator[str]:
    """Lend the URL of a PostgreSQL in a container, or raise `NoContainerError` with the reason."""
    engine = os.environ.get("DOCKER_HOST") or (str(SOCKET) if SOCKET.exists() else "")
    if not engine:
        raise NoContainerError("no container engine")
    with ExitStack() as stack:
        why, url = "", ""
        try:
            _prepare()
            url = _started(stack)
        except NoContainerError as error:
            why = str(error)
        except Exception as error:  # noqa: BLE001 - whatever it is, the tests go without, and say it
            why = f"the container engine at {engine} fails: {_root(error)}"
        if why:
            with catch_warnings(action="ignore", category=ResourceWarning):
                gc.collect()  # the libraries leave sockets open, which would fail a test later on
            raise NoContainerError(why)
        yield url


def _prepare() -> None:
    """Have the image, and remove what earlier runs left behind."""
    import docker  # noqa: PLC0415 - a second that most runs need not spend
    from docker.errors import ImageNotFound  # noqa: PLC0415 - the same

    client = docker.from_env(timeout=GIVES_UP)
    try:
        client.ping()
        for left in client.containers.list(all=True, filters={"label": LABEL}):
            if _is_orphan(left.labels[LABEL]):
                with suppress(docker.errors.APIError):  # another run was quicker
                    left.remove(force=True, v=True)
        try:
            client.images.get(IMAGE)
        except ImageNotFound:
            client.images.pull(IMAGE)
    finally:
        client.close()


def _started(stack: ExitStack) -> str:
    # Its reaper is an image of its own, which may be out of reach where ours is at hand.
    os.environ.setdefault("TESTCONTAINERS_RYUK_DISABLED", "true")
    from testcontainers.core.container import DockerContainer  # noqa: PLC0415 - it reads the line above when it is imported

    label = stack.enter_context(owned())
    container: Any = DockerContainer(IMAGE, ports=[5432], labels={LABEL: label})
    container.with_command(SETTINGS)
    container.with_envs(POSTGRES_USER="boostmon", POSTGRES_PASSWORD="test")  # noqa: S106 - nobody's
    container.with_tmpfs_mount("/var/lib/postgresql")
    stack.callback(_remove, container)
    container.start()
    _refuse_ended(container)
    place = f"{container.get_container_host_ip()}:{container.get_exposed_port(5432)}"
    url = f"postgresql://boostmon:test@{place}/boostmon"
    asyncio.run(_ready(container, url))
    return url


async def _ready(container: Any, url: str) -> None:
    end = time.monotonic() + PATIENCE
    while True:
        try:
            await (await asyncpg.connect(url, timeout=GIVES_UP)).close()
        except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
            _refuse_ended(container)
            if time.monotonic() > end:
                raise NoContainerError(f"its container is out of reach: {_root(error)}") from error
            await asyncio.sleep(AGAIN)
        else:
            return


def _refuse_ended(container: Any) -> None:
    container.reload()
    if container.status != "running":
        said = b"".join(container.get_logs()).decode(errors="replace").strip().rpartition("\n")[2]
        raise NoContainerError(f"a container of {IMAGE} does not run: {said or container.status}")


def _remove(container: Any) -> None:
    from docker.errors import DockerException  # noqa: PLC0415 - a second that most runs need not spend

    # An engine that is gone by now removes nothing; the next run on it does.
    with suppress(OSError, DockerException):
        container.stop()


@contextmanager
def owned() -> Iterator[str]:
    """Lend a label that holds a container ours for as long as this process lives."""
    descriptor, name = tempfile.mkstemp(prefix="boostmon-tests-", suffix=".lock")
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield label_of(Path(name))
    finally:
        Path(name).unlink(missing_ok=True)
        os.close(descriptor)


def label_of(lock: Path) -> str:
    """Say where the lock is: on which machine, in which folder."""
    folder = lock.parent.stat()
    return f"{platform.node()}:{folder.st_dev}:{folder.st_ino}:{lock.name}"


def _is_orphan(label: str) -> bool:
    """Tell whether *label* is of this machine and folder, and whoever made it is dead."""
    lock = Path(tempfile.gettempdir()) / label.rpartition(":")[2]
    if label != label_of(lock):
        return False
    try:
        with lock.open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            lock.unlink()
    except FileNotFoundError:
        return True
    except BlockingIOError:
        return False
    return True


def _root(error: BaseException) -> str:
    """Give the words of what *error* came from, in one line."""
    words = str(getattr(error, "explanation", None) or "")  # what the engine itself has said
    while not words and (cause := error.__cause__ or error.__context__):
        error = cause
    words = words or getattr(error, "strerror", None) or str(error) or type(error).__name__
    return words.partition("\n")[0]

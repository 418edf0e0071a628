"""Where the tests get no container: an embedded server with the true reason, and nothing left."""

import asyncio
import json
import os
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from socketserver import ThreadingUnixStreamServer
from typing import Any
from urllib.parse import unquote

import pytest

from tests.support import containers
from tests.support.containers import LABEL, NoContainerError, label_of, owned, postgres
from tests.support.databases import world_folder
from tests.support.places import ROOT
from tests.support.process import free_port

ID = "c0ffee"


class Engine(ThreadingUnixStreamServer):
    """As much of a container engine as the tests ask; *state* is what becomes of a container."""

    daemon_threads = True

    def __init__(self, path: Path, state: str = "running") -> None:
        super().__init__(str(path), Answer)
        self.state = state
        self.has_image = True
        self.refuses = ""
        self.said = ""
        self.port = free_port()
        self.made: dict[str, dict[str, str]] = {}
        self.path = path


class Answer(BaseHTTPRequestHandler):
    """Answers the one question that a connection brings."""

    server: Engine

    def address_string(self) -> str:
        return "socket"

    def log_message(self, *_: object) -> None:
        pass

    def do_GET(self) -> None:
        engine, place = self.server, unquote(self.path.partition("?")[0])
        if place.endswith("/version"):
            self._say({"ApiVersion": "1.41", "Version": "20.10.24"})
        elif place.endswith("/containers/json"):
            self._say([{"Id": each, "Labels": label} for each, label in engine.made.items()])
        elif place.endswith("/networks"):
            self._say([])
        elif "/images/" in place and not engine.has_image:
            self._say({"message": "No such image"}, status=404)
        elif place.endswith("/logs"):
            said = engine.said.encode()
            self._send(b"\2\0\0\0" + len(said).to_bytes(4, "big") + said)
        elif "/containers/" in place:
            self._say(self._container(place.rsplit("/", 2)[-2]))
        else:
            self._say({"Id": "sha256:1", "Config": {}, "RepoTags": []})

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers.get("Content-Length") or 0)) or b"{}")
        if self.path.endswith("/start") and self.server.refuses:
            self._say({"message": self.server.refuses}, status=400)
        elif "/images/create" in self.path:
            self._say({"message": "pull access denied"}, status=404)
        elif "/containers/create" in self.path:
            self.server.made[ID] = body["Labels"]
            self._say({"Id": ID, "Warnings": []}, status=201)
        else:
            self._send(b"", status=204)

    def do_DELETE(self) -> None:
        self.server.made.pop(self.path.partition("?")[0].rpartition("/")[2])
        self._send(b"", status=204)

    def _container(self, name: str) -> dict[str, Any]:
        binding = [{"HostIp": "127.0.0.1", "HostPort": str(self.server.port)}]
        return {
            "Id": name,
            "Name": "/box",
            "Config": {"Tty": False, "Labels": self.server.made.get(name, {})},
            "State": {"Status": self.server.state},
            "NetworkSettings": {"Ports": {"5432/tcp": binding}, "Networks": {}},
            "HostConfig": {"LogConfig": {"Type": "json-file"}},
        }

    def _say(self, answer: object, *, status: int = 200) -> None:
        self._send(json.dumps(answer).encode(), status=status)

    def _send(self, content: bytes, *, status: int = 200) -> None:
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)


@pytest.fixture
def socket(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Say where an engine would be."""
    path = tmp_path / "engine.sock"
    monkeypatch.setenv("DOCKER_HOST", f"unix://{path}")
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    monkeypatch.setattr(containers, "PATIENCE", 0.0)
    monkeypatch.setenv("TESTCONTAINERS_RYUK_DISABLED", "true")  # before it is imported
    outside = "testcontainers.core.docker_client.utils.inside_container"
    monkeypatch.setattr(outside, lambda: False)  # whatever runs these tests
    return path


@pytest.fixture
def engine(socket: Path) -> Iterator[Engine]:
    """Lend an engine."""
    with Engine(socket) as made:
        thread = threading.Thread(target=made.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield made
        made.shutdown()
        thread.join()


def reason() -> str:
    """Return why there is no container."""
    with pytest.raises(NoContainerError) as none, postgres():
        pass
    return str(none.value)


def locks(socket: Path) -> list[Path]:
    return list(socket.parent.glob("boostmon-tests-*"))


def test_a_socket_that_is_gone_is_told_and_leaves_nothing_open(socket: Path) -> None:
    told = reason()

    assert f"the container engine at unix://{socket} fails: No such file or directory" == told
    assert [] == locks(socket)


def test_an_engine_that_refuses_connections_is_told(
    socket: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DOCKER_HOST", place := f"tcp://127.0.0.1:{free_port()}")

    assert f"the container engine at {place} fails: Connection refused" == reason()
    assert [] == locks(socket)


def test_a_place_that_is_none_is_told(socket: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCKER_HOST", "bogus")

    assert reason().startswith("the container engine at bogus fails: Invalid bind address format")
    assert [] == locks(socket)


def test_without_any_engine_nothing_is_asked(socket: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DOCKER_HOST")
    monkeypatch.setattr(containers, "SOCKET", socket)

    assert "no container engine" == reason()


def test_an_image_that_cannot_be_pulled_is_told(engine: Engine) -> None:
    engine.has_image = False

    assert reason().endswith("fails: pull access denied")
    assert {} == engine.made


def test_a_container_that_cannot_be_started_is_told_and_removed(engine: Engine) -> None:
    engine.refuses = 'exec: "postgres": executable file not found'

    assert reason().endswith('fails: exec: "postgres": executable file not found')
    assert ({}, []) == (engine.made, locks(engine.path))


def test_a_container_that_ends_is_told_by_its_last_words_and_removed(engine: Engine) -> None:
    engine.state, engine.said = "exited", "starting\ninitdb: error: no space left\n"

    told = f"a container of {containers.IMAGE} does not run: initdb: error: no space left"
    assert told == reason()
    assert ({}, []) == (engine.made, locks(engine.path))


def test_a_container_that_is_out_of_reach_is_told_and_removed(engine: Engine) -> None:
    told = reason()

    assert told.startswith("its container is out of reach: ")
    assert str(engine.port) in told
    assert ({}, []) == (engine.made, locks(engine.path))


def test_what_a_dead_run_left_is_removed_and_nobody_elses(engine: Engine) -> None:
    folder = engine.path.parent
    (folder / "boostmon-tests-dead.lock").touch()
    engine.made = {
        "of-the-dead": {LABEL: label_of(folder / "boostmon-tests-dead.lock")},
        "of-the-gone": {LABEL: label_of(folder / "boostmon-tests-gone.lock")},
        "of-another-machine": {LABEL: "elsewhere:1:2:boostmon-tests-gone.lock"},
        "of-another-folder": {LABEL: label_of(Path("/boostmon-tests-gone.lock"))},
    }
    with owned() as label:
        engine.made["of-the-living"] = {LABEL: label}
        reason()
        kept = set(engine.made)

    assert {"of-another-machine", "of-another-folder", "of-the-living"} == kept
    assert [] == locks(engine.path)


@pytest.mark.parametrize("host", ["unix:///no/such.sock", "tcp://127.0.0.1:1"])
async def test_a_run_without_a_container_is_green_over_an_embedded_server(host: str) -> None:
    with world_folder() as folder:
        code, said = await run(folder, "", DOCKER_HOST=host)

        assert 0 == code, said
        assert f"database: embedded (the container engine at {host} fails: " in said


@pytest.mark.parametrize("name", ["SIGTERM", "SIGHUP"])
async def test_a_run_that_is_asked_to_end_leaves_nothing(name: str) -> None:
    kill = f"import os, signal; os.kill(os.getpid(), signal.{name})"
    with world_folder() as folder:
        code, said = await run(folder, kill, DOCKER_HOST="unix:///no/such.sock")

        assert pytest.ExitCode.INTERRUPTED == code, said
        assert ["test_alone.py"] == [path.name for path in folder.iterdir()]


async def test_a_run_that_is_asked_to_end_while_it_ends_leaves_nothing() -> None:
    late = "shutil.rmtree = lambda *a: (os.kill(os.getpid(), signal.SIGTERM), remove(*a))"
    body = f"import os, shutil, signal; remove = shutil.rmtree; {late}"
    with world_folder() as folder:
        code, said = await run(folder, body, DOCKER_HOST="unix:///no/such.sock")

        assert pytest.ExitCode.OK == code, said
        assert ["test_alone.py"] == [path.name for path in folder.iterdir()]


async def run(folder: Path, body: str, **environ: str) -> tuple[int | None, str]:
    """Run a test of its own with *body*, all in *folder*; return its code and what was said."""
    test = folder / "test_alone.py"
    test.write_text(f"import gc\ndef test_it(server):\n    {body}\n    gc.collect()\n")
    settings = [
        f"--config-file={ROOT / 'pyproject.toml'}",
        "-p",
        "no:cacheprovider",
        "-p",
        "no:xdist",
    ]
    process = await asyncio.create_subprocess_exec(
        *[sys.executable, "-m", "pytest", *settings, "-p", "tests.conftest", str(test)],
        cwd=ROOT,
        env=os.environ | {"TMPDIR": str(folder), "PYTHONDONTWRITEBYTECODE": "1"} | environ,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    out, _ = await process.communicate()
    return process.returncode, out.decode()

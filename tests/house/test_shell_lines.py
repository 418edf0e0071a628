"""Every shell line of the pages is typed, in the order of its block, against real processes."""

import asyncio
import json
import re
import shlex
import shutil
import signal
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, nullcontext
from pathlib import Path
from typing import NamedTuple

import pytest

from boostmon.sandbox import Sandbox
from tests.cli.test_cli import QUIET, boostmon, discord, ended, running
from tests.house.test_docs import Block, blocks
from tests.support.databases import Schema, TestServer, schema, world_folder
from tests.support.javascript_bot import their_database
from tests.support.places import ROOT

USER, ROLE, GUILD = "1100000000000000205", "1100000000000000301", "1100000000000000001"
VARIABLE = re.compile(r"([A-Z_]+)=(\S+)")
FILE = re.compile(r"[\w-]+\.(json|jsonl)")
HEAD = re.compile(r"\d+:[0-9a-f]{64}")
NOT_TYPED = {  # how they begin, and why nobody types them here
    "git clone URL": "the address is that of whoever reads",
    "cd ": "into the clone",
    "createdb ": "a database is the whole server's; test_migrate.py makes its own roles",
    "export ": "names the roles of that database",
    "pg_dump ": "test_backup.py runs it, with a bot at work",
    "pg_basebackup ": "test_backup.py runs it, and goes back to a moment",
    "python3 -m venv /opt": "a server's own folders; test_wheel.py installs",
    "/opt/boostmon/bin/pip ": "as above",
    "useradd ": "an account of the machine",
    "install -m ": "into the machine's own folders; test_deploying.py reads the files",
    "systemctl ": "needs systemd at work; test_deploying.py verifies the unit",
    "cp .env.example ": "test_env_file.py reads the file",
    "chmod 600 .env": "as above",
    "docker ": "needs an engine; docs/deploying.md says what was seen on one",
}
RESTORES = "pg_restore "  # test_backup.py runs such a block whole, into an empty database
GOES_ON = {  # what is said once it is at work
    "run": "connected to Discord",
    "demo": "The page is at",
    "sandbox": "http://127.0.0.1:",
}
CODES = {"doctor": {0, 1}}  # one says what is wrong, and here no bot runs
WITH_A_BOT = {"erase"}  # which waits until the roles are taken
ALONE = {"erase": ["--yes"], "adopt-database": ["--yes"]}  # here is no terminal to be asked on


class Shell(NamedTuple):
    """Where lines are typed."""

    folder: Path
    environ: dict[str, str]
    ids: dict[str, str]
    empty_url: str
    javascript_url: str


@pytest.fixture
def folder() -> Iterator[Path]:
    """Lend a folder that whoever runs PostgreSQL may enter."""
    with world_folder() as made:
        yield made


@pytest.fixture
async def shell(migrated: Schema, server: TestServer, folder: Path) -> AsyncIterator[Shell]:
    """Lend a shell over a database with a timer, beside a Discord on loopback."""
    async with Sandbox() as sandbox, schema(server) as empty, their_database(server) as theirs:
        real = sandbox.state()["ids"]
        ids = {USER: real["users"]["max"], ROLE: real["roles"]["VIP"], GUILD: real["guild"]}
        file = folder / "data.json"
        tomorrow = int(time.time() + 86_400) * 1000
        file.write_text(json.dumps({ids[USER]: {"roles": {ids[ROLE]: {"expiresAt": tomorrow}}}}))
        environ = {"DATABASE_URL": migrated.owner_url} | discord(sandbox)
        done = await boostmon("import", str(file), "--guild", ids[GUILD], **environ | QUIET)
        assert 0 == done.code, done
        yield Shell(folder, environ, ids, empty.owner_url, theirs.owner_url)


def lines(block: Block) -> list[str]:
    """Return what is typed, without comments and what is printed."""
    typed = block.text.splitlines()
    if block.language == "console":
        typed = [line.removeprefix("$ ") for line in typed if line.startswith("$ ")]
    return [line for line in (re.sub(r"\s+#.*", "", line).strip() for line in typed) if line]


def why_not(line: str) -> str | None:
    return next((why for start, why in NOT_TYPED.items() if line.startswith(start)), None)


DEMO = pytest.mark.xdist_group("demo")
SHOWN = [block for block in blocks("sh", "console") if RESTORES not in block.text]


@pytest.mark.parametrize(
    "block",
    [
        pytest.param(block, marks=[DEMO] if "boostmon demo" in block.text else [])
        for block in SHOWN
        if not all(map(why_not, lines(block)))
    ],
    ids=lambda block: f"{block.page} {lines(block)[0]}".replace("…", ""),
)
async def test_every_line_of_a_block_does_what_it_is_shown_for(block: Block, shell: Shell) -> None:
    for line in lines(block):
        if why_not(line) is None:
            await type_in(line, shell)


async def type_in(line: str, shell: Shell) -> None:
    given = dict(VARIABLE.findall(line.partition("boostmon")[0]))
    program, *words = [word for word in shlex.split(line) if not VARIABLE.fullmatch(word)]
    if program == "make":
        await dry_run(words)
        return
    assert program in ("boostmon", ".venv/bin/boostmon"), line
    environ = shell.environ | {name: told(name, value, shell) for name, value in given.items()}
    arguments = [await put_in(word, words, shell) for word in words]
    beside = arguments if words[0] in GOES_ON else ["run"] if words[0] in WITH_A_BOT else None
    async with at_work(beside, environ) if beside else nullcontext():
        if words[0] not in GOES_ON:
            outcome = await boostmon(*arguments, *ALONE.get(words[0], []), **environ | QUIET)
            assert outcome.code in CODES.get(words[0], {0}), outcome


def told(name: str, value: str, shell: Shell) -> str:
    """Return what a variable that is put before a command is here."""
    is_new = name == "DATABASE_URL" and "@standby" not in value  # which has what the bot wrote
    return shell.empty_url if is_new else shell.environ[name]


async def put_in(word: str, words: list[str], shell: Shell) -> str:
    """Return what stands here in the place of *word*: an id, a file, a head, a number, a URL."""
    before = words[words.index(word) - 1]
    if FILE.fullmatch(word):
        return str(shell.folder / word)
    if HEAD.fullmatch(word):
        check = await boostmon("replay", "--check", **shell.environ | QUIET)
        return check.out.split()[-1]
    if word.startswith("postgresql://"):
        return shell.javascript_url
    return {"--port": "0", "--after": "1"}.get(before, shell.ids.get(word, word))


@asynccontextmanager
async def at_work(arguments: list[str], environ: dict[str, str]) -> AsyncIterator[None]:
    """Lend a command that goes on and on, once it is at work; then stop it."""
    said = GOES_ON[arguments[0]]
    async with running(*arguments, **environ) as process:
        stream = process.stderr if arguments[0] == "run" else process.stdout
        assert stream
        async with asyncio.timeout(60):
            while said not in (heard := (await stream.readline()).decode()):
                assert heard, arguments
        yield
        process.send_signal(signal.SIGTERM)
        assert 0 == (await ended(process)).code


async def dry_run(targets: list[str]) -> None:
    """Have make say what it would do."""
    make = shutil.which("make")
    assert make
    process = await asyncio.create_subprocess_exec(
        *[make, "--dry-run", *targets], cwd=ROOT, stdout=asyncio.subprocess.DEVNULL
    )
    assert 0 == await process.wait()


def test_what_is_not_typed_stands_on_a_page() -> None:
    typed = [line for block in SHOWN for line in lines(block)]
    unused = [start for start in NOT_TYPED if not any(line.startswith(start) for line in typed)]

    assert [] == unused
    assert len([line for line in typed if why_not(line) is None]) > 30

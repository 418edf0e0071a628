"""Whatever stands in the environment: a command ends with a sentence, never with a traceback."""

import io
import logging
import os
import socket
import sys
from collections.abc import Iterator
from contextlib import redirect_stderr, redirect_stdout
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from boostmon import cli
from boostmon.cli.service import running

SECRET = "hunter2hunter2"  # noqa: S105 - must never be seen
WORDS = st.text(
    st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=12
) | st.sampled_from(["\udcff", "'", '"quoted"', "::", "[::]", "[", "~", "~nobody/x", "-1", "٣"])
NUMBERS = st.sampled_from(
    [
        "0",
        "1",
        "-1",
        "65535",
        "65536",
        "99999",
        "1e400",
        "nan",
        "inf",
        "1_0",
        "٣",
        "0x10",
        "1.5",
        "",
    ]
)
PLACES = ["127.0.0.1", "[::1]", "localhost", "/nowhere", "%2Fnowhere", "", "a,127.0.0.1", "[::1"]
PARAMETERS = [
    "sslmode=require",
    "sslmode=maybe",
    "sslrootcert=/nowhere",
    "sslrootcert=system",
    "sslcert=/nowhere",
    "connect_timeout=1",
    "connect_timeout=soon",
    "target_session_attrs=read-write",
    "target_session_attrs=nobody",
    "host=/nowhere",
    "host=127.0.0.1,[::1]",
    "port=99999",
    "port=1,2,3",
    "options=-cstatement_timeout%3D1ms",
    "pgbouncer=true",
    "channel_binding=require",
    "service=nowhere",
    "passfile=/nowhere",
    "krbsrvname=x",
    "sslnegotiation=direct",
    "ssl_min_protocol_version=TLSv9",
    f"password={SECRET}",
    "%",
    "&&",
    "=",
]


@st.composite
def urls(draw: st.DrawFn) -> str:
    """Make what is nearly a URL of a database here."""
    scheme = draw(
        st.sampled_from(["postgresql://", "postgres://", "postgresql:", "mysql://", "'p"])
    )
    login = draw(st.sampled_from(["", "me@", f"me:{SECRET}@", f"me:{SECRET}/@#@", f":{SECRET}@"]))
    place = draw(st.sampled_from(PLACES))
    port = draw(st.sampled_from(["", ":1", ":0", ":65536", ":x", ":1,2", ":"]))
    path = draw(st.sampled_from(["", "/", "/db", "/%zz", "/a/b"]))
    query = "&".join(draw(st.lists(st.sampled_from(PARAMETERS), max_size=3)))
    return f"{scheme}{login}{place}{port}{path}{'?' if query else ''}{query}"


APIS = st.sampled_from(
    [
        "http://127.0.0.1:1/api/v10",
        "http://127.0.0.1:99999/v1",
        "https://[::1]:1/v1",
        "http://[::/v1",
    ]
)
PROXIES = st.sampled_from(
    ["http://127.0.0.1:1", "socks5://x:1", "x", "http://[", f"http://a:{SECRET}@x:y"]
)
VARIABLES: dict[str, st.SearchStrategy[str]] = {
    "BOOSTMON_OWNER_DATABASE_URL": urls(),
    "BOOSTMON_DATA_DIR": WORDS,
    "BOOSTMON_POOL_MIN": NUMBERS,
    "BOOSTMON_POOL_MAX": NUMBERS,
    "BOOSTMON_COMMAND_TIMEOUT": NUMBERS,
    "DISCORD_TOKEN": WORDS | st.just(SECRET),
    "DISCORD_GUILD_ID": NUMBERS,
    "BOOSTMON_DISCORD_API": APIS | WORDS,
    "BOOSTMON_WARNING_MINUTES": NUMBERS | WORDS,
    "BOOSTMON_SWEEP_INTERVAL": NUMBERS,
    "BOOSTMON_ROLE_TAKEN": st.sampled_from(["end", "RESTORE", "both"]),
    "BOOSTMON_CLOCK": WORDS,
    "BOOSTMON_HTTP_HOST": st.sampled_from(["::", "[::]", "127.0.0.1", "a" * 70, ".", "٣", "x y"]),
    "PORT": NUMBERS,
    "BOOSTMON_LOG_FORMAT": st.sampled_from(["json", "TEXT", "xml"]),
    "BOOSTMON_LOG_LEVEL": st.sampled_from(["debug", "error", "loud"]),
    "HTTPS_PROXY": PROXIES,
    "HTTP_PROXY": PROXIES,
    "NO_PROXY": WORDS,
    "PGPORT": NUMBERS,
    "PGHOST": st.sampled_from(PLACES),
    "PGSSLMODE": st.sampled_from(["require", "maybe"]),
    "PGPASSWORD": st.just(SECRET),
    "PGSSLROOTCERT": st.just("/nowhere"),
    "PGTARGETSESSIONATTRS": st.sampled_from(["any", "nobody"]),
    "PGSERVICE": st.just("nowhere"),
}
READING = [["stats"], ["doctor"], ["doctor", "--json"], ["replay"], ["adopt-database", "--yes"]]
MAKING = [["run"], ["invite"], ["migrate"], ["import", "--from-database", "postgresql://[::1]:1/x"]]
COMMANDS = st.sampled_from([*READING, *MAKING])


@pytest.fixture(autouse=True)
def nobody_else(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Let nobody be reached, and nothing that is set stay."""
    find = socket.getaddrinfo

    def found(host: Any, *rest: Any, **options: Any) -> Any:
        if host in (None, "127.0.0.1", "::1", "localhost", "::", "0.0.0.0"):  # noqa: S104 - here
            return find(host, *rest, **options)
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", found)
    monkeypatch.setattr(running, "START_WAIT", 0.0)
    for guard in ("guard_stdout", "guard_stderr", "discard_output"):
        monkeypatch.setattr(cli, guard, lambda: None)
    root = logging.getLogger()
    kept = root.handlers, root.level
    yield
    root.handlers = kept[0]
    root.setLevel(kept[1])
    logging.captureWarnings(capture=False)


def called(arguments: list[str], environ: dict[str, str]) -> tuple[int, str, str]:
    """Call the command line; return its exit code, and what it printed and said."""
    out, err = (
        io.TextIOWrapper(io.BytesIO(), "utf-8", errors, write_through=True)
        for errors in ("strict", "backslashreplace")
    )
    with pytest.MonkeyPatch.context() as patch, redirect_stdout(out), redirect_stderr(err):
        for name in set(os.environ) & VARIABLES.keys():
            patch.delenv(name)
        for name, value in environ.items():
            patch.setenv(name, value)
        patch.setattr(sys, "argv", ["boostmon", *arguments])
        try:
            cli.main()
            code = 0
        except SystemExit as end:
            code = end.code if isinstance(end.code, int) else int(end.code is not None)
    return code, *(each.buffer.getvalue().decode() for each in (out, err))  # type: ignore[return-value]


@settings(
    max_examples=int(os.environ.get("FUZZ_EXAMPLES", "60")),
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
    derandomize="FUZZ_EXAMPLES" not in os.environ,
)
@given(
    arguments=COMMANDS,
    url=urls(),
    environ=st.dictionaries(st.sampled_from(sorted(VARIABLES)), st.none(), max_size=5).flatmap(
        lambda names: st.fixed_dictionaries({name: VARIABLES[name] for name in names})
    ),
)
@example(
    ["run"],
    "postgresql://127.0.0.1:1/x",
    {"DISCORD_TOKEN": "t", "PORT": "1", "BOOSTMON_HTTP_HOST": "a" * 70},
)
@example(
    ["doctor"],
    "postgresql://127.0.0.1:1/x",
    {"DISCORD_TOKEN": "t", "BOOSTMON_DISCORD_API": "http://127.0.0.1:99999/v1"},
)
@example(["stats"], "mysql://", {"BOOSTMON_DATA_DIR": "~nobody-at-all/x"})
@example(["doctor"], "mysql://", {"BOOSTMON_DATA_DIR": "x" * 5000})
@example(["doctor", "--json"], "mysql://", {"BOOSTMON_DATA_DIR": "\udcff"})
@example(["stats"], "mysql://", {"BOOSTMON_DATA_DIR": "\udcff"})
@example(["stats"], "postgresql://[::1/x", {})
def test_whatever_is_set_a_command_ends_with_a_sentence(
    arguments: list[str], url: str, environ: dict[str, str]
) -> None:
    if arguments in READING and url.startswith("mysql"):
        url = ""  # an embedded one, which is not there
        environ = {"BOOSTMON_DATA_DIR": "nowhere"} | environ
    code, out, err = called(arguments, {"DATABASE_URL": url} | environ)

    assert "Traceback" not in out + err
    assert "should not have happened" not in out + err, err
    assert SECRET not in out + err
    assert code in {0, 1, 2}
    if code == 1 and arguments[0] != "doctor":
        last = err.splitlines()[-1]
        assert last.startswith("boostmon: ")
        assert last.endswith(".")
    if arguments[0] == "doctor":
        assert "Report it" not in out

"""Connection strings as hosts and other programs hand them out."""

import asyncio
import ssl
from contextlib import suppress
from pathlib import Path
from urllib.parse import quote

import pytest
from structlog.testing import capture_logs

from boostmon.database.clocks.agreed_clock import is_here
from boostmon.database.connections.connection import Connector, session
from boostmon.database.connections.pool import connect
from boostmon.database.connections.url import Address, Host, hosts_of, understood
from boostmon.database.embedded.provision import NAME
from boostmon.errors import DatabaseError
from tests.support.cluster import single
from tests.support.databases import Gate
from tests.support.places import ROOT, TESTS

PASSWORD = "p@ss/w#rd"  # noqa: S105 - must never be seen
URL = "postgresql://me@host/db"
TLS = TESTS / "data" / "tls"


def refusal(url: str) -> str:
    with pytest.raises(DatabaseError) as caught:
        understood(url, variable="DATABASE_URL")
    assert PASSWORD not in str(caught.value)
    assert "w#rd" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize(
    ("query", "left", "left_out"),
    [
        ("sslmode=require&channel_binding=require", "sslmode=require", ["channel_binding"]),
        ("keepalives=1&keepalives_idle=30", "", ["keepalives", "keepalives_idle"]),
        ("gssencmode=disable", "", ["gssencmode"]),
        ("client_encoding=LATIN1", "", ["client_encoding"]),
        ("options=-csearch_path%3Dours", "options=-csearch_path%3Dours", []),
        ("options=endpoint%3Dx&%67ssencmode=x", "options=endpoint%3Dx", ["gssencmode"]),
        ("application_name=mine", "application_name=mine", []),
    ],
)
def test_what_libpq_alone_knows_is_left_out(query: str, left: str, left_out: list[str]) -> None:
    address = understood(f"{URL}?{query}", variable="DATABASE_URL")

    assert Address(f"{URL}?{left}" if left else URL, tuple(left_out)) == address


def test_what_has_no_effect_is_told_once() -> None:
    url = f"{URL}?tcp_user_timeout=7&requirepeer=me"
    with capture_logs() as told:
        Connector(url)
        Connector(url)

    [line] = told
    assert ("warning", "tcp_user_timeout, requirepeer") == (line["log_level"], line["parameters"])


@pytest.mark.parametrize(("told", "seconds"), [("15", 15.0), ("1", 2.0), ("0", None), ("-1", None)])
def test_the_time_to_connect_is_the_one_that_the_url_gives(
    told: str, seconds: float | None
) -> None:
    address = understood(f"{URL}?connect_timeout={told}", variable="DATABASE_URL")

    assert Address(URL, timeout=seconds) == address


@pytest.mark.parametrize(
    ("parameter", "driver", "remedy"),
    [
        ("pgbouncer=true", "Prisma", "BOOSTMON_OWNER_DATABASE_URL"),
        ("ssl=true", "JDBC", "sslmode=require"),
        ("currentSchema=ours", "JDBC", "options=-csearch_path%3DNAME"),
        ("pool_max_conns=10", "pgx", "leave it out"),
        ("conn_max_age=60", "Django", "leave it out"),
        ("uselibpqcompat=true", "node-postgres", "leave it out"),
    ],
)
def test_what_belongs_to_another_driver_is_refused_by_its_name(
    parameter: str, driver: str, remedy: str
) -> None:
    sentence = refusal(f"postgresql://me:{'x'}@host/db?{parameter}")

    assert f"has the parameter {parameter.partition('=')[0]}, which belongs to {driver}" in sentence
    assert remedy in sentence


@pytest.mark.parametrize(
    "url",
    [
        f"postgresql://me:{PASSWORD}@host/db",
        "postgresql://me:p@ss@host/db",
        "postgresql://me:pa/ss@host/db",
        "postgresql://me:pa#ss@host/db",
        "postgresql://me:pa ss@host/db",
        "postgresql://me:x@host/db?sslmode",
    ],
)
def test_a_password_that_is_not_encoded_is_refused_with_the_way_out(url: str) -> None:
    sentence = refusal(url)

    assert "percent-encoded" in sentence
    assert "PGPASSWORD" in sentence


@pytest.mark.parametrize("name", ["sslrootcert", "sslcert", "sslkey", "sslcrl", "passfile"])
def test_a_file_that_cannot_be_read_is_named(name: str, tmp_path: Path) -> None:
    missing, folder = tmp_path / "missing.pem", tmp_path

    assert f"names {missing} as {name}" in refusal(f"{URL}?{name}={missing}")
    assert "Is a directory" in refusal(f"{URL}?{name}={folder}")


def test_a_connect_timeout_that_is_no_number_is_refused() -> None:
    assert "connect_timeout that is no whole number" in refusal(f"{URL}?connect_timeout=soon")


@pytest.mark.parametrize("port", ["0", "65536", "99999"])
def test_a_port_that_there_is_not_is_named(port: str) -> None:
    with pytest.raises(DatabaseError, match=f"names the port {port}; a port is a number from 1"):
        hosts_of(f"postgresql://me@host:{port}/db")


@pytest.mark.parametrize(
    ("url", "environ", "expected"),
    [
        ("postgresql://", {"PGHOST": "a,b", "PGPORT": "1,2"}, [Host("a", 1), Host("b", 2)]),
        ("postgresql:///db", {"PGHOST": "/run", "PGPORT": "7"}, [Host("/run", 7)]),
        ("postgresql://mine/db", {"PGHOST": "a", "PGPORT": "7"}, [Host("mine", 7)]),
        ("postgresql://[2001:db8::1]:7,[::1]/db", {}, [Host("2001:db8::1", 7), Host("::1", 5432)]),
    ],
)
def test_the_hosts_that_the_environment_names_are_found(
    url: str, environ: dict[str, str], expected: list[Host]
) -> None:
    assert expected == hosts_of(url, environ=environ)


def test_a_server_that_the_environment_names_elsewhere_is_not_taken_to_be_here(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert is_here("postgresql:///db")
    monkeypatch.setenv("PGSERVICE", "ours")
    assert not is_here("postgresql:///db")
    monkeypatch.setenv("PGHOST", "db.example")
    assert not is_here("postgresql://")


async def test_a_password_of_any_kind_goes_through_the_environment_or_encoded(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    password = "".join(chr(code) for code in range(32, 127))
    async with single() as node:
        async with session(node.url("postgres")) as superuser:
            quoted = await superuser.fetchval("SELECT quote_literal($1::text)", password)
            await superuser.execute(f"CREATE ROLE spoken_for LOGIN PASSWORD {quoted}")
            await superuser.execute(f"GRANT CONNECT ON DATABASE {NAME} TO spoken_for")
        node.trust_nobody()
        await node.ask("SELECT pg_reload_conf()")
        with pytest.raises(DatabaseError, match="refused the user or the password"):
            async with session(node.url("spoken_for:wrong")):
                pass

        for login, given in (
            ("spoken_for", password),
            (f"spoken_for:{quote(password, safe='')}", ""),
        ):
            monkeypatch.setenv("PGPASSWORD", given)
            async with session(node.url(login)) as own:
                assert "spoken_for" == await own.fetchval("SELECT current_user")


# Ways to a real server.


class GateOfIPv6(Gate):
    """A gate on the other loopback."""

    async def open(self) -> None:
        """Take visitors."""
        self._server = await asyncio.start_server(self._visit, "::1", 0)
        self.port = self._server.sockets[0].getsockname()[1]


WAYS: dict[str, tuple[str, dict[str, str]]] = {
    "several hosts": ("postgresql://boostmon@127.0.0.1:1,127.0.0.1:{port}/boostmon", {}),
    "an IPv6 address": ("postgresql://boostmon@[::1]:{port_of_ipv6}/boostmon", {}),
    "several of both": ("postgresql://boostmon@[::1]:1,127.0.0.1:{port}/boostmon", {}),
    "a socket": ("postgresql://boostmon@/boostmon?host={socket}", {}),
    "a socket of the environment": ("postgresql://boostmon@/boostmon", {"PGHOST": "{socket}"}),
    "nothing but the environment": (
        "postgresql://",
        {
            "PGHOST": "127.0.0.1",
            "PGPORT": "{port}",
            "PGUSER": "boostmon",
            "PGDATABASE": "boostmon",
        },
    ),
    "a service": ("postgresql://?service=ours", {"PGSERVICEFILE": "{services}"}),
    "a service of the environment": (
        "postgresql://",
        {"PGSERVICEFILE": "{services}", "PGSERVICE": "ours"},
    ),
    "a pass file": ("postgresql://spoken_for@/boostmon?host={socket}&passfile={passwords}", {}),
    "a pass file of the environment": (
        "postgresql://spoken_for@/boostmon?host={socket}",
        {"PGPASSFILE": "{passwords}"},
    ),
    "any host": ("postgresql://boostmon@127.0.0.1:{port}/boostmon?target_session_attrs=any", {}),
    "what libpq alone knows": (
        "postgresql://boostmon@127.0.0.1:{port}/boostmon?sslmode=prefer&channel_binding=prefer&keepalives=1",
        {},
    ),
}


@pytest.mark.parametrize("way", WAYS)
async def test_each_way_leads_to_the_server(
    way: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    url, environ = WAYS[way]
    files = {"services": tmp_path / "services", "passwords": tmp_path / "passwords"}
    async with (
        single() as node,
        Gate(node.url(NAME)) as gate,
        GateOfIPv6(node.url(NAME)) as gate_of_ipv6,
    ):
        await node.ask("CREATE ROLE spoken_for LOGIN PASSWORD 'right'", database="postgres")
        await node.ask("GRANT CONNECT ON DATABASE boostmon TO spoken_for", database="postgres")
        if "pass file" in way:
            node.trust_nobody()
            await node.ask("SELECT pg_reload_conf()")
        files["services"].write_text(
            f"[ours]\nhost=127.0.0.1\nport={gate.port}\nuser=boostmon\ndbname=boostmon\n"
        )
        files["passwords"].write_text("*:*:boostmon:spoken_for:right\n")
        files["passwords"].chmod(0o600)
        places = {"port": gate.port, "port_of_ipv6": gate_of_ipv6.port, "socket": node.socket}
        for name, value in environ.items():
            monkeypatch.setenv(name, value.format(**places, **files))
        async with session(url.format(**places, **files)) as own:
            assert "boostmon" == await own.fetchval("SELECT current_database()")


@pytest.mark.parametrize(
    ("query", "setting", "expected"),
    [
        ("work_mem=64kB", "work_mem", "64kB"),
        ("options=-cwork_mem%3D128kB", "work_mem", "128kB"),
        ("application_name=mine", "application_name", "boostmon"),  # as the log names it
        ("statement_timeout=1", "statement_timeout", "0"),  # a command takes what it takes
        ("options=-cstatement_timeout%3D1", "statement_timeout", "0"),
    ],
)
async def test_a_setting_in_the_url_is_one_of_the_session(
    query: str, setting: str, expected: str, owner_url: str
) -> None:
    bare = owner_url.partition("&options=")[0]
    async with session(f"{bare}&{query}") as own:
        assert expected == await own.fetchval(f"SHOW {setting}")


@pytest.mark.parametrize("text", ["", "[other]\nhost=x\n", "host=x\n", None])
def test_a_service_that_there_is_not_is_named(
    text: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "services"
    if text is not None:
        file.write_text(text, encoding="utf-8")
    monkeypatch.setenv("PGSERVICEFILE", str(file))

    assert f"names the service ours, which {file} does not have" in refusal(f"{URL}?service=ours")
    monkeypatch.setenv("PGSERVICE", "theirs")
    assert "names the service theirs, which" in refusal(URL)


async def test_a_setting_that_there_is_not_is_refused_by_the_server(owner_url: str) -> None:
    with pytest.raises(DatabaseError, match='unrecognized configuration parameter "nonsense"'):
        async with session(f"{owner_url}&nonsense=1"):
            pass


def test_each_row_of_the_page_has_a_test() -> None:
    page = (ROOT / "docs" / "configuration.md").read_text(encoding="utf-8")
    table = page.partition("| in the URL | what becomes of it |\n")[2].partition("\n\n")[0]
    tests = {
        "several hosts": test_each_way_leads_to_the_server,
        "`[2001:db8::1]:5432`": test_each_way_leads_to_the_server,
        "a password with": test_a_password_of_any_kind_goes_through_the_environment_or_encoded,
        "`sslmode`": test_a_certificate_is_accepted_or_named_as_what_is_wrong,
        "`passfile`": test_each_way_leads_to_the_server,
        "`connect_timeout`": test_the_time_to_connect_is_the_one_that_the_url_gives,
        "`channel_binding`": test_what_libpq_alone_knows_is_left_out,
        "`pgbouncer`": test_what_belongs_to_another_driver_is_refused_by_its_name,
        "anything else": test_a_setting_in_the_url_is_one_of_the_session,
    }

    rows = [row.removeprefix("| ") for row in table.splitlines()[1:]]

    assert len(tests) == len(rows)
    assert all(row.startswith(start) for row, start in zip(rows, tests, strict=True))


# TLS.


class TlsGate(Gate):
    """A gate that speaks TLS, as a server named `localhost` whose authority nobody knows."""

    async def _visit(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(TLS / "server.pem", TLS / "server.key")
        await reader.readexactly(8)  # "may we speak TLS?"
        writer.write(b"S")
        with suppress(ssl.SSLError, OSError):
            await writer.start_tls(context)
            await super()._visit(reader, writer)

    def named(self, host: str, query: str) -> str:
        """Return its URL with another name for the host, and *query* as well."""
        return f"{self.url.replace('127.0.0.1', host)}&{query}"


@pytest.mark.parametrize(
    ("host", "query", "expected"),
    [
        ("localhost", "sslmode=verify-full&sslrootcert={authority}", None),
        ("localhost", "sslmode=require", None),
        ("127.0.0.1", "sslmode=verify-ca&sslrootcert={authority}", None),
        ("localhost", "sslrootcert=system", "was not accepted (unable to get local issuer"),
        ("localhost", "sslmode=verify-ca&sslrootcert={other}", "sslrootcert=FILE"),
        (
            "127.0.0.1",
            "sslmode=verify-full&sslrootcert={authority}",
            "was not accepted (IP address",
        ),
        ("localhost", "sslmode=require&sslrootcert={none}", "No TLS connection to"),
    ],
)
async def test_a_certificate_is_accepted_or_named_as_what_is_wrong(
    owner_url: str, tmp_path: Path, host: str, query: str, expected: str | None
) -> None:
    (tmp_path / "none.pem").write_text("no certificate\n")
    paths = {"authority": TLS / "authority.pem", "other": TLS / "other.pem"}
    async with TlsGate(owner_url) as gate:
        url = gate.named(host, query.format(**paths, none=tmp_path / "none.pem"))
        if expected is None:
            async with session(url) as own:
                assert 1 == await own.fetchval("SELECT 1")
            return
        with pytest.raises(DatabaseError) as caught:
            async with session(url, wait=30):
                pass

    assert expected in str(caught.value)


async def test_a_server_without_tls_is_told_as_such(owner_url: str) -> None:
    async with Gate(owner_url) as gate:
        with pytest.raises(DatabaseError, match="takes no TLS connection; switch `ssl` on there"):
            await connect(f"{gate.url}&sslmode=require", wait=30)

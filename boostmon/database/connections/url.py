"""Reads a PostgreSQL URL, of which some is libpq's alone, and some another driver's.

The names are those of libpq (PostgreSQL 18, "Parameter Key Words") and of the drivers' own pages.
"""

import os
from collections.abc import Mapping
from configparser import ConfigParser
from configparser import Error as ParsingError
from pathlib import Path
from urllib.parse import parse_qs, unquote, urlsplit

from msgspec import Struct

from boostmon.errors import DatabaseError

# libpq knows them, and asyncpg does not: without them it connects all the same.
LIBPQ_ALONE = (
    "authtype channel_binding client_encoding fallback_application_name gssdelegation gssencmode "
    "hostaddr keepalives keepalives_count keepalives_idle keepalives_interval load_balance_hosts "
    "max_protocol_version min_protocol_version oauth_client_id oauth_client_secret oauth_issuer "
    "oauth_scope replication require_auth requirepeer requiressl scram_client_key "
    "scram_server_key servicefile sslcertmode sslcompression sslcrldir sslkeylogfile sslsni "
    "tcp_user_timeout tty"
)
OF_OTHERS = {
    "Prisma": "connection_limit pgbouncer pool_timeout schema socket_timeout sslaccept sslidentity "
    "statement_cache_size",
    "JDBC": "ApplicationName connectTimeout currentSchema loginTimeout prepareThreshold "
    "reWriteBatchedInserts socketTimeout ssl sslfactory stringtype targetServerType tcpKeepAlive",
    "node-postgres": "max uselibpqcompat idle_timeout",
    "SQLAlchemy": "async_fallback max_overflow pool_pre_ping pool_size "
    "prepared_statement_cache_size",
    "pgx": "default_query_exec_mode description_cache_capacity pool_health_check_period "
    "pool_max_conn_idle_time pool_max_conn_lifetime pool_max_conns pool_min_conns "
    "statement_cache_capacity",
    "lib/pq": "binary_parameters disable_prepared_binary_result",
    "Active Record": "adapter checkout_timeout encoding pool prepared_statements reaping_frequency",
    "Django": "conn_health_checks conn_max_age",
    "a host's own pooler": "supa workaround",
}
INSTEAD = {
    "ssl": "write sslmode=require instead",
    "schema": "write options=-csearch_path%3DNAME instead",
    "currentSchema": "write options=-csearch_path%3DNAME instead",
    "pgbouncer": "see BOOSTMON_OWNER_DATABASE_URL for the way through PgBouncer, and leave it out",
}
FILES = ("sslrootcert", "sslcert", "sslkey", "sslcrl", "passfile")
SYSTEM = "system"  # in the place of a file: the certificates that this machine trusts
LEAST_TIMEOUT = 2.0  # seconds, as libpq has it
LAST_PORT = 65535


class Address(Struct, frozen=True):
    """A URL as asyncpg takes it; *left_out* names what it would not understand.

    *timeout*: seconds to connect, if the URL says so; *system_roots*: the server's certificate is
    to be one that this machine trusts. *service*: what a service file has under that name holds.
    """

    url: str
    left_out: tuple[str, ...] = ()
    timeout: float | None = None
    system_roots: bool = False
    service: str | None = None


class Host(Struct, frozen=True):
    """One of the servers that a URL names."""

    name: str
    port: int


def understood(url: str, *, variable: str) -> Address:
    """Take from *url* what asyncpg does not understand, or raise `DatabaseError` with the remedy.

    The sentence names *variable* and parameters, and never what the URL holds of a secret.
    """
    _look_at_form(url, variable)
    try:
        query = parse_qs(urlsplit(url).query, keep_blank_values=True, strict_parsing="?" in url)
    except ValueError as error:
        raise malformed(variable) from error
    for name in query:
        _refuse_others(name, variable)
    given = {name: values[-1] for name, values in query.items()}
    for name in FILES:
        _look_at_file(name, given.get(name), variable)
    service = given.get("service") or os.environ.get("PGSERVICE")
    if service:
        _look_at_service(service, variable)
    from_system = given.get("sslrootcert") == SYSTEM
    dropped = {"connect_timeout", *({"sslrootcert", "sslmode"} if from_system else ())}
    left_out = tuple(name for name in given if name in LIBPQ_ALONE.split())
    return Address(
        url=_without(url, dropped.union(left_out)),
        left_out=left_out,
        timeout=_timeout(given.get("connect_timeout"), variable),
        system_roots=from_system,
        service=service,
    )


def hosts_of(
    url: str, *, variable: str = "DATABASE_URL", environ: Mapping[str, str] = os.environ
) -> list[Host]:
    """List the servers of *url*, or else of PGHOST, in order; none when the defaults are meant."""
    try:
        parts = urlsplit(url)
        query = parse_qs(parts.query)
        listed = unquote(parts.netloc.rpartition("@")[2]) or query.get("host", [""])[-1]
        names = [name for name in (listed or environ.get("PGHOST", "")).split(",") if name]
        told = query.get("port", [environ.get("PGPORT") or "5432"])[-1]
        ports = [int(port) for port in told.split(",")]
        if len(ports) != len(names):
            ports = ports[:1] * len(names)
        hosts = [_host(name, port) for name, port in zip(names, ports, strict=True)]
    except ValueError as error:
        raise malformed(variable) from error
    for host in hosts:
        if not 0 < host.port <= LAST_PORT:
            raise DatabaseError(
                f"{variable} names the port {host.port}; a port is a number from 1 to {LAST_PORT}."
            )
    return hosts


def role_of(url: str) -> str | None:
    """Name the role that *url* logs in as, if it says so."""
    parts = urlsplit(url)
    user = parts.netloc.rpartition("@")[0].partition(":")[0]
    return unquote(user) or parse_qs(parts.query).get("user", [""])[-1] or None


def is_service(url: str, *, environ: Mapping[str, str] = os.environ) -> bool:
    """Tell whether a service file says where the server is."""
    return "service" in parse_qs(urlsplit(url).query) or bool(environ.get("PGSERVICE"))


def malformed(variable: str) -> DatabaseError:
    """Say that the URL in *variable* cannot be read; never what it holds."""
    return DatabaseError(
        f"{variable} cannot be understood; write postgresql://user:password@host:5432/name, "
        "with special characters percent-encoded, or the password into PGPASSWORD."
    )


def _look_at_form(url: str, variable: str) -> None:
    """Refuse what a password leaves in a URL that was not encoded: it is taken apart there."""
    before_query = url.partition("?")[0]
    place, slash, path = before_query.partition("://")[2].partition("/")
    if not url.startswith(("postgresql://", "postgres://")):
        raise malformed(variable)
    if "#" in url or place.count("@") > 1 or (slash and "@" in path) or " " in url:
        raise malformed(variable)


def _refuse_others(name: str, variable: str) -> None:
    for driver, names in OF_OTHERS.items():
        if name in names.split():
            remedy = INSTEAD.get(name, "leave it out")
            raise DatabaseError(
                f"{variable} has the parameter {name}, which belongs to {driver} and means nothing "
                f"here; {remedy}."
            )


def _look_at_file(name: str, path: str | None, variable: str) -> None:
    if not path or path == SYSTEM:
        return
    try:
        with open(path, "rb"):  # noqa: PTH123 - as the library opens it
            pass
    except OSError as error:
        raise DatabaseError(
            f"{variable} names {path} as {name}, which cannot be read ({error.strerror}); "
            "correct the path, or let BoostMon read the file."
        ) from error


def _look_at_service(name: str, variable: str) -> None:
    """Refuse a service that there is not, of which asyncpg would say nothing."""
    file = os.environ.get("PGSERVICEFILE") or str(Path("~/.pg_service.conf").expanduser())
    services = ConfigParser(interpolation=None)
    try:
        services.read(file, encoding="utf-8")
        is_there = services.has_section(name)
    except (ParsingError, UnicodeDecodeError, OSError):
        is_there = False
    if not is_there:
        raise DatabaseError(
            f"{variable}, or PGSERVICE, names the service {name}, which {file} does not have; "
            "correct the name, or PGSERVICEFILE."
        )


def _timeout(told: str | None, variable: str) -> float | None:
    """Return how long to wait for a connection; libpq takes 0 and less as no limit."""
    if told is None:
        return None
    try:
        seconds = int(told)
    except ValueError as error:
        raise DatabaseError(
            f"{variable} has a connect_timeout that is no whole number of seconds; correct it."
        ) from error
    return max(float(seconds), LEAST_TIMEOUT) if seconds > 0 else None


def _without(url: str, names: set[str]) -> str:
    """Return *url* without the parameters *names*; the others stay as they are written."""
    place, mark, query = url.partition("?")
    kept = [part for part in query.split("&") if unquote(part.partition("=")[0]) not in names]
    return place + (mark if kept else "") + "&".join(kept)


def _host(text: str, port: int) -> Host:
    if text.startswith("/"):
        return Host(text, port)
    if text.startswith("["):
        name, closed, rest = text[1:].partition("]")
        if not closed or (rest and not rest.startswith(":")):
            raise ValueError(text)
        return Host(name, int(rest[1:] or port))
    name, _, own_port = text.partition(":")
    return Host(name, int(own_port or port))

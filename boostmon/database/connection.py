"""One connection to PostgreSQL, by whichever host of the URL takes writes."""

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import cache
from typing import Any
from urllib.parse import parse_qs, urlsplit

import asyncpg
import structlog
from asyncpg import Connection

from boostmon import machine
from boostmon.config import masked
from boostmon.database.url import Host, hosts_of, malformed, understood
from boostmon.errors import DatabaseError, DatabaseUnavailableError

OLDEST = 15
ONE_HOST = 10.0  # seconds to connect when there is nobody else to ask
EACH_HOST = 2.0  # with several, a silent one must not eat the others' time
PAUSE = 0.2
POOLER = "unsupported startup parameter"  # in these words PgBouncer refuses our settings
NO_TLS = "rejected SSL upgrade"  # as asyncpg words it
# What changes the meaning of SQL, or what a value looks like, whatever the server has set. A limit
# of time would end statements that we wait for; with row security on, rows would be missing.
SPOKEN = {"standard_conforming_strings": "on", "DateStyle": "ISO, MDY", "TimeZone": "UTC"}
MEANING = SPOKEN | {
    "IntervalStyle": "postgres",
    "bytea_output": "hex",
    "default_transaction_deferrable": "off",
    "default_transaction_isolation": "read committed",
    "extra_float_digits": "1",
    "lock_timeout": "0",
    "row_security": "off",
    "statement_timeout": "0",
    "transform_null_equals": "off",
}
# Each promotion begins a timeline; its number leads the name of the file that is written to.
TIMELINE = """
SELECT CASE WHEN NOT pg_is_in_recovery() THEN
    ('x' || left(pg_walfile_name(pg_current_wal_lsn()), 8))::bit(32)::int
END
"""

LOST: tuple[type[Exception], ...] = (
    OSError,
    TimeoutError,
    asyncpg.PostgresConnectionError,
    asyncpg.OperatorInterventionError,  # a shutdown, a start, a statement cancelled by hand
    asyncpg.InsufficientResourcesError,  # connections, memory, a full disk
    asyncpg.PostgresSystemError,
    asyncpg.TransactionRollbackError,
    asyncpg.IdleInTransactionSessionTimeoutError,
    asyncpg.ReadOnlySQLTransactionError,
    asyncpg.InterfaceError,
    # "cannot switch to state 12" after a server was killed; it also covers
    # TargetServerAttributeNotMatched, its subclass.
    asyncpg.InternalClientError,
)
UNTOLD = (asyncpg.InsufficientPrivilegeError, asyncpg.FeatureNotSupportedError)  # by some services
REFUSED: tuple[type[Exception], ...] = (DatabaseError, *LOST)  # not even a connection

log = structlog.get_logger()


class ReplacedError(ConnectionRefusedError):
    """A standby was promoted in the place of this server."""


class Connector:
    """Opens connections to the hosts of one URL, the last good one first."""

    def __init__(
        self,
        url: str,
        *,
        variable: str = "DATABASE_URL",
        oldest: int = OLDEST,
        may_be_pooler: bool = False,
        **options: Any,
    ) -> None:
        """Take the *options* of asyncpg.connect; errors speak of *variable*.

        A server of a major version before *oldest* is refused. What *may_be_pooler* is asked for no
        other settings than PgBouncer takes.
        """
        address = understood(url, variable=variable)
        _tell_left_out(variable, address.left_out)
        self._url = address.url
        self._one_host = address.timeout or ONE_HOST
        self._each_host = min(address.timeout or EACH_HOST, EACH_HOST)
        self._variable = variable
        self._oldest = oldest
        settings = SPOKEN if may_be_pooler else MEANING
        self._options = options | {"server_settings": settings | options.pop("server_settings", {})}
        if address.system_roots:
            self._options["ssl"] = ssl.create_default_context()
        self._hosts = hosts_of(url, variable=variable)
        self._timeline: int | None = None  # the newest that was seen
        self._is_good = False
        if len(self._hosts) > 1 and "target_session_attrs" not in parse_qs(urlsplit(url).query):
            self._options["target_session_attrs"] = "read-write"

    async def open(self, **options: Any) -> Connection:
        """Connect, or raise an error of `LOST`, or one that no repetition mends."""
        if len(self._hosts) < 2:  # noqa: PLR2004 - one is not several
            return await self._open(self._one_host, options)
        if self._timeline is None:
            await self._look_around(options)
        errors: list[Exception] = []
        for host in tuple(self._hosts):
            try:
                connection = await self._open_newest(host, options)
            except LOST as error:
                errors.append(error)
            else:
                self._hosts.remove(host)
                self._hosts.insert(0, host)
                self._is_good = True
                return connection
        raise errors[-1]

    def doubt(self) -> None:
        """Ask the last good host last the next time: it connects, and does not answer."""
        if self._is_good and self._hosts:
            self._hosts.append(self._hosts.pop(0))
        self._is_good = False

    async def is_outdated(self) -> bool:
        """Look at all hosts; tell whether a standby was promoted since one was connected to."""
        known = self._timeline
        if len(self._hosts) > 1:
            await self._look_around({})
        return self._timeline != known

    async def open_within(self, seconds: float) -> Connection:
        """Connect, and try again for *seconds* while nobody answers."""
        end = machine.monotonic() + seconds
        while True:
            try:
                return await self.open()
            except LOST as error:
                if machine.monotonic() + PAUSE > end:
                    raise self.unavailable(error) from error
            await asyncio.sleep(PAUSE)

    def unavailable(self, error: BaseException) -> DatabaseUnavailableError:
        """Put into a sentence that the database did not answer."""
        return DatabaseUnavailableError(
            f"The database at {masked(self._url)} does not answer ({_reason(error)}); "
            f"check that it runs and that {self._variable} is right."
        )

    async def _look_around(self, options: dict[str, Any]) -> None:
        """Learn the newest timeline: a primary that was replaced may take writes as well."""
        await asyncio.gather(*(self._look(host, options) for host in self._hosts))

    async def _look(self, host: Host, options: dict[str, Any]) -> None:
        try:
            (await self._open_newest(host, options)).terminate()
        except REFUSED:  # it is asked again, after the others
            self._hosts.remove(host)
            self._hosts.append(host)

    async def _open_newest(self, host: Host, options: dict[str, Any]) -> Connection:
        """Connect to *host*, unless a standby was seen that has been promoted since."""
        place = {"host": host.name, "port": host.port}
        connection = await self._open(self._each_host, options | place)
        try:
            timeline = await connection.fetchval(TIMELINE, timeout=self._each_host)
        except UNTOLD:
            return connection
        except BaseException:
            connection.terminate()
            raise
        if timeline is None:
            return connection
        self._timeline = max(timeline, self._timeline or 0)
        if timeline < self._timeline:
            connection.terminate()
            raise ReplacedError(f"{host.name}:{host.port} was replaced by a standby")
        return connection

    async def _open(self, seconds: float, options: dict[str, Any]) -> Connection:
        try:
            connection = await asyncpg.connect(
                self._url, timeout=seconds, **(self._options | options)
            )
        except (
            asyncpg.PostgresError,
            ValueError,
            asyncpg.InterfaceError,
            ssl.SSLError,
            ConnectionError,
        ) as error:
            final = self._final(error)
            if final is None:
                raise
            raise final from error
        version = connection.get_server_version()
        if version.major < self._oldest:
            connection.terminate()
            raise DatabaseError(
                f"The server at {masked(self._url)} is PostgreSQL {version.major}, and BoostMon "
                f"needs {self._oldest} or newer; upgrade it, or point {self._variable} elsewhere."
            )
        return connection

    def _final(self, error: Exception) -> DatabaseError | None:
        """Turn *error* into a sentence, unless trying again may mend it."""
        where, variable = masked(self._url), self._variable
        match error:
            case asyncpg.InvalidAuthorizationSpecificationError():
                return DatabaseError(
                    f"The database at {where} refused the user or the password; correct {variable}."
                )
            case asyncpg.InvalidCatalogNameError():
                return DatabaseError(
                    f"The server of {where} has no such database; create it with createdb, "
                    f"or correct {variable}."
                )
            case asyncpg.InsufficientPrivilegeError():
                return DatabaseError(
                    f"The user of {where} may not connect to that database; "
                    f"GRANT CONNECT to it, or correct {variable}."
                )
            case asyncpg.ProtocolViolationError() if POOLER in str(error):
                return DatabaseError(
                    f"The way to {where} leads through a pooler such as PgBouncer; give it a "
                    "direct one for what only the owner of the tables may do: set "
                    "BOOSTMON_OWNER_DATABASE_URL."
                )
            case ssl.SSLCertVerificationError():
                return DatabaseError(
                    f"The certificate of {where} was not accepted ({error.verify_message}); name "
                    f"the certificate of who issued it in {variable}, as sslrootcert=FILE."
                )
            case ssl.SSLError():
                return DatabaseError(
                    f"No TLS connection to {where} could be made ({error.reason or error}); look "
                    f"at the ssl parameters of {variable}, and at the server's certificate."
                )
            case ConnectionError() if NO_TLS in str(error):
                return DatabaseError(
                    f"The server of {where} takes no TLS connection; switch `ssl` on there, or "
                    f"write sslmode=prefer into {variable}."
                )
            case asyncpg.exceptions.ClientConfigurationError():
                return DatabaseError(f"{variable} cannot be used as it is: {error}.")
            case asyncpg.PostgresError() if not isinstance(error, LOST):
                return DatabaseError(f"The database at {where} refused: {error}; check {variable}.")
            case ValueError():
                return malformed(variable)
            case _:
                return None


@asynccontextmanager
async def session(
    url: str, *, wait: float = 0.0, variable: str = "DATABASE_URL", oldest: int = OLDEST
) -> AsyncIterator[Connection]:
    """Lend a connection of its own to *url*, without a limit on what a statement may take.

    *wait* is for how many seconds a server that does not answer is asked again; a server of a
    major version before *oldest* is refused.
    """
    settings = {"application_name": "boostmon"}
    connector = Connector(url, variable=variable, oldest=oldest, server_settings=settings)
    connection = await connector.open_within(wait)
    try:
        yield connection
    except LOST as error:
        if not connection.is_closed():
            raise
        raise connector.unavailable(error) from error
    finally:
        await _close(connection)


@cache
def _tell_left_out(variable: str, names: tuple[str, ...]) -> None:
    """Say once for each URL what of it has no effect."""
    if names:
        log.warning("parameters without effect", variable=variable, parameters=", ".join(names))


def _reason(error: BaseException) -> str:
    match error:
        case socket.gaierror():
            return "its host name is unknown"
        case TimeoutError():
            return "no reply in time"
        case ReplacedError():
            return str(error)
        case ConnectionRefusedError():
            return "connection refused"
        case asyncpg.TargetServerAttributeNotMatched():
            return "none of its hosts fits target_session_attrs, which is to take writes by default"
        case OSError(strerror=str(words)):
            return words
        case _:
            return str(error).partition("\n")[0]


async def _close(connection: Connection) -> None:
    try:
        await connection.close(timeout=2)
    except LOST:  # it is gone, which is what was wanted
        connection.terminate()

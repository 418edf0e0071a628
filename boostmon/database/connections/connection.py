"""One connection to PostgreSQL, by whichever host of the URL takes writes."""

import asyncio
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
from boostmon.database.connections.causes import NAMED, ReplacedError, refused, unavailable
from boostmon.database.connections.searching import search_ours_alone
from boostmon.database.connections.url import Host, hosts_of, understood
from boostmon.errors import DatabaseError, DatabaseUnavailableError

OLDEST = 15
ONE_HOST = 10.0  # seconds to connect when there is nobody else to ask
EACH_HOST = 2.0  # with several, a silent one must not eat the others' time
PAUSE = 0.2
# What changes the meaning of SQL, or what a value looks like, whatever the server has set. A limit
# of time would end statements that we wait for; with row security on, rows would be missing.
SPOKEN = {"standard_conforming_strings": "on", "DateStyle": "ISO, MDY", "TimeZone": "UTC"}
MEANING = SPOKEN | {
    "IntervalStyle": "postgres",
    "bytea_output": "hex",
    "default_transaction_deferrable": "off",
    "default_transaction_isolation": "read committed",
    "extra_float_digits": "1",
    "idle_in_transaction_session_timeout": "0",
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


class Connector:
    """Opens connections to the hosts of one URL, the last good one first."""

    def __init__(
        self,
        url: str,
        *,
        variable: str = "DATABASE_URL",
        oldest: int = OLDEST,
        may_be_pooler: bool = False,
        is_bots: bool = False,
        is_ours: bool = True,
        **options: Any,
    ) -> None:
        """Take the *options* of asyncpg.connect; errors speak of *variable*.

        A server of a major version before *oldest* is refused. What *may_be_pooler* is asked for no
        other settings than PgBouncer takes. *is_bots*: the tables are there already. Unless the
        database *is_ours*, its schemas are searched as it has them.
        """
        address = understood(url, variable=variable)
        _tell_left_out(variable, address.left_out)
        self._url = address.url
        self._one_host = address.timeout or ONE_HOST
        self._each_host = min(address.timeout or EACH_HOST, EACH_HOST)
        self._variable = variable
        self._oldest = oldest
        self._searches = {"has_tables": is_bots, "may_be_pooler": may_be_pooler}
        self._is_ours = is_ours
        settings = SPOKEN if may_be_pooler else MEANING
        self._options = options | {"server_settings": settings | options.pop("server_settings", {})}
        if address.service:
            self._options["service"] = address.service
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
        """Put into a sentence why the database did not do what it was asked."""
        return unavailable(error, where=masked(self._url), variable=self._variable)

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
            final = refused(
                error,
                where=masked(self._url),
                variable=self._variable,
                may_pass=isinstance(error, LOST),
            )
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
        if self._is_ours:
            try:
                await search_ours_alone(connection, seconds=seconds, **self._searches)
            except BaseException:
                connection.terminate()
                raise
        return connection


@asynccontextmanager
async def session(
    url: str,
    *,
    wait: float = 0.0,
    variable: str = "DATABASE_URL",
    oldest: int = OLDEST,
    is_ours: bool = True,
) -> AsyncIterator[Connection]:
    """Lend a connection of its own to *url*, without a limit on what a statement may take.

    *wait* is for how many seconds a server that does not answer is asked again; a server of a
    major version before *oldest* is refused. Unless the database *is_ours*, it searches whichever
    schemas it has.
    """
    settings = {"application_name": "boostmon"}
    connector = Connector(
        url, variable=variable, oldest=oldest, is_ours=is_ours, server_settings=settings
    )
    connection = await connector.open_within(wait)
    try:
        yield connection
    except LOST as error:
        if not connection.is_closed() and not isinstance(error, NAMED):
            raise
        raise connector.unavailable(error) from error
    except asyncpg.CharacterNotInRepertoireError as error:
        raise DatabaseError(
            f"The database at {masked(url)} has text that is not UTF-8 ({error}), which one "
            "of SQL_ASCII takes; find out who has written it, and correct it there."
        ) from error
    finally:
        await _close(connection)


@cache
def _tell_left_out(variable: str, names: tuple[str, ...]) -> None:
    """Say once for each URL what of it has no effect."""
    if names:
        log.warning("parameters without effect", variable=variable, parameters=", ".join(names))


async def _close(connection: Connection) -> None:
    try:
        await connection.close(timeout=2)
    except LOST:  # it is gone, which is what was wanted
        connection.terminate()

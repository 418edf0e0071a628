"""Why PostgreSQL refuses a connection or loses one, in sentences that name the remedy.

Its own words are in the language of the server, so what tells causes apart is their class and the
function of PostgreSQL that they come from.
"""

import socket
import ssl

import asyncpg

from boostmon.database.connections.url import malformed
from boostmon.errors import DatabaseError, DatabaseUnavailableError, ReadOnlyError

POOLER = "unsupported startup parameter"  # in these words PgBouncer refuses our settings
NO_TLS = "rejected SSL upgrade"  # as asyncpg words it
BY_ROLE, BY_DATABASE = "InitializeSessionUserId", "CheckMyDatabase"
BY_RULES = "ClientAuthentication"
NAMED: tuple[type[Exception], ...] = (  # they mean what is said here, even if the connection lives
    asyncpg.DiskFullError,
    asyncpg.QueryCanceledError,
    asyncpg.ReadOnlySQLTransactionError,
    asyncpg.TooManyConnectionsError,
)


class ReplacedError(ConnectionRefusedError):
    """A standby was promoted in the place of this server."""


def refused(error: Exception, *, where: str, variable: str, may_pass: bool) -> DatabaseError | None:
    """Turn *error* into a sentence; None where trying again may help.

    *where* is the URL without its password, *variable* what has told it. *may_pass*: errors of this
    class do so by themselves, unless one of them is known not to.
    """
    match error:
        case asyncpg.InvalidAuthorizationSpecificationError():
            return _not_let_in(error, where, variable)
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
        case asyncpg.ObjectNotInPrerequisiteStateError() if _by(error) == BY_DATABASE:
            return DatabaseError(
                f"The database at {where} lets nobody connect ({_words(error)}); "
                f"ALTER DATABASE … ALLOW_CONNECTIONS true, or correct {variable}."
            )
        case asyncpg.ProtocolViolationError() if POOLER in str(error):
            return DatabaseError(
                f"The way to {where} leads through a pooler such as PgBouncer; give it a "
                "direct one for what only the owner of the tables may do: set "
                "BOOSTMON_OWNER_DATABASE_URL."
            )
        case asyncpg.exceptions.ClientConfigurationError():
            return DatabaseError(f"{variable} cannot be used as it is: {error}.")
        case ssl.SSLError() | ConnectionError():
            return _not_secured(error, where, variable)
        case asyncpg.PostgresError() if not may_pass:
            return DatabaseError(f"The database at {where} refused: {error}; check {variable}.")
        case ValueError():
            return malformed(variable)
        case _:
            return None


def unavailable(error: BaseException, *, where: str, variable: str) -> DatabaseUnavailableError:
    """Put into a sentence why nothing could be done, though it may be possible later."""
    match error:
        case asyncpg.TooManyConnectionsError():
            return DatabaseUnavailableError(
                f"The database at {where} takes no more connections ({_words(error)}); raise "
                f"{_limit(error)} there, or lower BOOSTMON_POOL_MAX."
            )
        case asyncpg.DiskFullError():
            return DatabaseUnavailableError(
                f"The disk of the database at {where} is full ({_words(error)}); make room there."
            )
        case asyncpg.ReadOnlySQLTransactionError():
            return DatabaseUnavailableError(str(ReadOnlyError()))
        case asyncpg.CannotConnectNowError():
            return DatabaseUnavailableError(
                f"The database at {where} is starting or stopping ({_words(error)}); wait, and "
                "look at its log if it stays so."
            )
        case asyncpg.QueryCanceledError():
            return DatabaseUnavailableError(
                f"The database at {where} cancelled a statement ({_words(error)}); if that is a "
                "limit of time, lift it: ALTER ROLE … SET statement_timeout = 0."
            )
        case _:
            return DatabaseUnavailableError(
                f"The database at {where} does not answer ({_reason(error)}); "
                f"check that it runs and that {variable} is right."
            )


def _not_let_in(
    error: asyncpg.InvalidAuthorizationSpecificationError, where: str, variable: str
) -> DatabaseError:
    if isinstance(error, asyncpg.InvalidPasswordError):
        return DatabaseError(
            f"The database at {where} refused the user or the password; correct {variable}, or, "
            "if both are right, the role's VALID UNTIL."
        )
    if _by(error) == BY_RULES:
        return DatabaseError(
            f"The rules of {where} let nobody in on this way ({_words(error)}); add a line to "
            f"pg_hba.conf there, or correct {variable}."
        )
    if _by(error) == BY_ROLE:
        return DatabaseError(
            f"The role of {where} cannot log in ({_words(error)}); CREATE ROLE or ALTER ROLE … "
            f"LOGIN there, or correct {variable}."
        )
    return DatabaseError(
        f"The database at {where} refused this way to log in ({_words(error)}); correct "
        f"{variable}, or the line of pg_hba.conf that asks for it."
    )


def _not_secured(
    error: ssl.SSLError | ConnectionError, where: str, variable: str
) -> DatabaseError | None:
    match error:
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
        case _:
            return None


def _limit(error: asyncpg.PostgresError) -> str:
    """Name the limit that was reached."""
    if _by(error) == BY_ROLE:
        return "the role's CONNECTION LIMIT (ALTER ROLE)"
    if _by(error) == BY_DATABASE:
        return "the database's CONNECTION LIMIT (ALTER DATABASE)"
    return "max_connections"


def _by(error: asyncpg.PostgresError) -> str:
    """Name the function of PostgreSQL that *error* comes from; a pooler names none."""
    return getattr(error, "server_source_function", None) or ""


def _words(error: BaseException) -> str:
    return str(error).partition("\n")[0]


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
            return _words(error)

"""Settings from the environment; each function loads only those that it needs."""

import ipaddress
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar, get_args, get_type_hints
from urllib.parse import unquote, urlsplit

import msgspec
import platformdirs
from msgspec import Meta, Struct, structs

from boostmon.errors import ConfigurationError

Kind = TypeVar("Kind", bound=Struct)

DISCORD_API = "https://discord.com/api/v10"
QUOTES = "\"'`\u201c\u201d\u2018\u201e"  # as a page or an editor makes them, too
MOST_MINUTES = 5 * 365 * 24 * 60  # no timer is longer, so no warning can be earlier

DatabaseUrl = Annotated[
    str,
    Meta(
        pattern=r"^postgres(ql)?://",
        description="a PostgreSQL URL, such as postgresql://user:password@host:5432/name",
    ),
]
Seconds = Annotated[float, Meta(ge=0.1, le=3600, description="seconds, from 0.1 to 3600")]
PoolSize = Annotated[int, Meta(ge=1, le=1000, description="a whole number from 1 to 1000")]
Port = Annotated[int, Meta(ge=1, le=65535, description="a port, from 1 to 65535")]
Text = Annotated[str, Meta(min_length=1, description="set")]
Token = Annotated[
    str,
    Meta(
        pattern=r"^[A-Za-z0-9._~+/=-]+$",
        description="the bot's token, as the page Bot of your application at Discord shows it",
    ),
]
Snowflake = Annotated[str, Meta(pattern=r"^[0-9]{1,20}$", description="a server's id: digits only")]
DiscordApi = Annotated[
    str,
    Meta(
        pattern=r"^https?://([A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(:[0-9]+)?(/[A-Za-z0-9._~-]+)*/v[0-9]+/?$",
        description=f"an http or https URL that ends in a version, such as {DISCORD_API}",
    ),
]
Minutes = Annotated[
    tuple[Annotated[int, Meta(ge=1, le=MOST_MINUTES)], ...],
    Meta(description="whole minutes above 0 and at most 5 years, such as 60,10,1"),
]


class DatabaseConfig(Struct, frozen=True, kw_only=True, rename="upper"):
    """Where the events live."""

    database_url: DatabaseUrl | None = None
    boostmon_owner_database_url: DatabaseUrl | None = None
    boostmon_data_dir: Text | None = None

    def __post_init__(self) -> None:
        if self.boostmon_owner_database_url and not self.database_url:
            raise ConfigurationError(
                "BOOSTMON_OWNER_DATABASE_URL is set but DATABASE_URL is not; set both, or neither."
            )
        try:
            Path(self.boostmon_data_dir or "").expanduser()
        except RuntimeError as error:
            raise ConfigurationError(
                "BOOSTMON_DATA_DIR names the home of an account that is not there; write the whole "
                "path."
            ) from error

    def __repr__(self) -> str:
        return f"DatabaseConfig({masked(self.database_url or 'embedded')})"

    @property
    def data_dir(self) -> Path:
        """The folder of the embedded database."""
        if self.boostmon_data_dir:
            return Path(self.boostmon_data_dir).expanduser().absolute()
        return default_data_dir()

    @property
    def owner_url(self) -> str | None:
        """The URL for what only the owner of the tables may do."""
        return self.boostmon_owner_database_url or self.database_url

    @property
    def statement_cache(self) -> bool:
        """Whether prepared statements may be kept; beside an owner's URL there may be PgBouncer."""
        return self.boostmon_owner_database_url is None


class PoolConfig(Struct, frozen=True, kw_only=True, rename="upper"):
    """How many connections the bot keeps, and how long a statement may take."""

    boostmon_pool_min: PoolSize = 2
    boostmon_pool_max: PoolSize = 10
    boostmon_command_timeout: Seconds = 10.0

    def __post_init__(self) -> None:
        if self.boostmon_pool_min > self.boostmon_pool_max:
            raise ConfigurationError(
                f"BOOSTMON_POOL_MIN ({self.boostmon_pool_min}) must not be greater than "
                f"BOOSTMON_POOL_MAX ({self.boostmon_pool_max})."
            )


class DiscordConfig(Struct, frozen=True, kw_only=True, rename="upper"):
    """Which Discord to log in to, and as whom."""

    discord_token: Token
    discord_guild_id: Snowflake | None = None
    boostmon_discord_api: DiscordApi = DISCORD_API

    def __post_init__(self) -> None:
        if self.boostmon_discord_api.startswith("http:") and not is_loopback(
            self.boostmon_discord_api
        ):
            raise ConfigurationError(
                "BOOSTMON_DISCORD_API is http to another machine, where anybody on the way could "
                "read the token; make it https."
            )
        structs.force_setattr(self, "boostmon_discord_api", self.boostmon_discord_api.rstrip("/"))

    def __repr__(self) -> str:
        return f"DiscordConfig({self.boostmon_discord_api})"


class SweepConfig(Struct, frozen=True, kw_only=True, rename="upper"):
    """When members are warned, and what becomes of a role taken by hand."""

    boostmon_warning_minutes: Minutes = (60, 10, 1)
    boostmon_sweep_interval: Seconds = 30.0
    boostmon_role_taken: Annotated[
        Literal["end", "restore"], Meta(description="`end` or `restore`")
    ] = "end"

    def __post_init__(self) -> None:
        descending = tuple(sorted(set(self.boostmon_warning_minutes), reverse=True))
        structs.force_setattr(self, "boostmon_warning_minutes", descending)


class ClockConfig(Struct, frozen=True, kw_only=True, rename="upper"):
    """Where timer time comes from."""

    boostmon_clock: Text | None = None
    boostmon_discord_api: DiscordApi = DISCORD_API

    def __post_init__(self) -> None:
        if self.boostmon_clock and not is_loopback(self.boostmon_discord_api):
            raise ConfigurationError(
                "BOOSTMON_CLOCK is for development: it needs a BOOSTMON_DISCORD_API on this "
                "machine, such as http://127.0.0.1:8765/api/v10; unset it."
            )

    @property
    def clock_file(self) -> Path | None:
        """The file that sets timer time, if any."""
        return Path(self.boostmon_clock) if self.boostmon_clock else None


class HttpConfig(Struct, frozen=True, kw_only=True, rename="upper"):
    """Where health and metrics are served; without a port they are not."""

    boostmon_http_host: Text = "127.0.0.1"
    port: Port | None = None

    def __post_init__(self) -> None:
        structs.force_setattr(self, "boostmon_http_host", self.boostmon_http_host.strip("[]"))


class LogConfig(Struct, frozen=True, kw_only=True, rename="upper"):
    """How much is logged, and in which shape."""

    boostmon_log_format: Annotated[
        Literal["text", "json"], Meta(description="`text` or `json`")
    ] = "text"
    boostmon_log_level: Annotated[
        Literal["debug", "info", "warning", "error"],
        Meta(description="`debug`, `info`, `warning` or `error`"),
    ] = "info"


def load(kind: type[Kind], environ: Mapping[str, str]) -> Kind:
    """Read the settings of *kind* from *environ*; an empty variable counts as unset."""
    hints = get_type_hints(kind, include_extras=True)
    given: dict[str, object] = {}
    for field in structs.fields(kind):
        text = environ.get(field.encode_name, "").strip()
        if text:
            _refuse_habit(field.encode_name, text, hints[field.name])
            given[field.encode_name] = _prepared(hints[field.name], text)
        elif field.required:
            raise ConfigurationError(
                f"{field.encode_name} is not set; it must be {_description(hints[field.name])}."
            )
    try:
        return msgspec.convert(given, kind, strict=False)
    except msgspec.ValidationError as error:
        raise _explained(error, hints) from None  # its text may quote the value


def masked(url: str) -> str:
    """Return *url* without its password, fit for a log."""
    url = re.sub(r"(://[^:@/?]*):.*@", r"\1:***@", url, flags=re.DOTALL)
    # Without an @ what stands behind the colon is a port, or a password that lost its host.
    url = re.sub(r"(://[^:@/?\[]*):(?!\d+([,/?]|$)|\*)[^@/?]*", r"\1:***", url)
    return re.sub(r"([?&])([^=&]*)=([^&]*)", _masked_option, url)


def _masked_option(option: re.Match[str]) -> str:
    is_secret = unquote(option[2]) in ("password", "sslpassword")
    return f"{option[1]}{option[2]}=***" if is_secret else option[0]


def default_data_dir() -> Path:
    """Return the folder of the embedded database when none is set."""
    if hasattr(os, "geteuid") and os.geteuid() == 0:
        return Path("/var/lib/boostmon")
    return platformdirs.user_data_path("boostmon", appauthor=False)


def is_loopback(url: str) -> bool:
    """Tell whether *url* stays on this machine."""
    host = urlsplit(url).hostname or ""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _refuse_habit(name: str, text: str, hint: Any) -> None:
    """Refuse what was copied along with a value, and bytes that are no letters."""
    if not text.isascii() and any(0xD800 <= ord(letter) <= 0xDFFF for letter in text):  # noqa: PLR2004 - which stand for such bytes
        raise ConfigurationError(f"{name} holds bytes that are not UTF-8; write it in UTF-8.")
    if text[0] in QUOTES:
        raise ConfigurationError(
            f"{name} begins with a quotation mark; leave it out, for only a shell takes it away."
        )
    if hint == Token and text.lower().startswith("bot "):
        raise ConfigurationError(
            f"{name} has the word `Bot` before the token; leave it out, for BoostMon adds it."
        )


def _prepared(hint: Any, text: str) -> object:
    if hint is Minutes:
        return [part.strip() for part in text.split(",")]
    if any(getattr(kind, "__origin__", kind) is Literal for kind in get_args(hint)):
        return text.lower()
    return text


def _explained(error: msgspec.ValidationError, hints: dict[str, Any]) -> ConfigurationError:
    variable = re.search(r"\$\.(\w+)", str(error))
    if variable is None:
        return ConfigurationError("A setting is malformed.")
    name = variable[1]
    return ConfigurationError(f"{name} must be {_description(hints[name.lower()])}.")


def _description(hint: Any) -> str:
    for note in getattr(hint, "__metadata__", ()):
        if isinstance(note, Meta) and note.description:
            return note.description
    return "".join(_description(part) for part in get_args(hint))

"""Reads `.env`, strictly: only what every reader of such files takes in the same way."""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path

from msgspec import Struct

from boostmon.cli.terminal.trust import read_trusted
from boostmon.config import DISCORD_API
from boostmon.errors import ConfigurationError

NAME = ".env"
OURS = re.compile(r"(BOOSTMON|DISCORD)_\w+|DATABASE_URL|PORT", re.ASCII)
URLS = {"DATABASE_URL", "BOOSTMON_OWNER_DATABASE_URL"}
TOKEN, API = "DISCORD_TOKEN", "BOOSTMON_DISCORD_API"
LINE = re.compile(r"(?P<name>[A-Za-z_][A-Za-z0-9_]*)=(?P<value>.*)", re.DOTALL)
VALUE = re.compile(
    r"""'(?P<single>[^']*)'|"(?P<double>[^"$\\`]*)"|(?P<bare>[^\s'"$\\`#][^\s'"$\\`]*|)"""
)
ESCAPED = re.compile(r"'(\\'|[^'])*'")  # how Compose takes a password with a ' in it


class EnvFile(Struct, frozen=True):
    """Which variables `.env` has set, or why it could not be read."""

    names: frozenset[str] = frozenset()
    complaint: ConfigurationError | None = None


def read_env_file(path: Path, environ: Mapping[str, str]) -> dict[str, str]:
    """Return our variables of the file at *path* that are not set in *environ*, even to nothing.

    What is not ours belongs to somebody else, such as Compose. Without a file: none. The two URLs
    lead to one database, so they come from one place: when either is set, neither is taken. The
    token and where it is sent must come from one place, too. A file that somebody else can have
    written is refused.
    """
    try:
        text = read_trusted(path).decode("utf-8-sig")
    except FileNotFoundError:
        return {}
    except UnicodeDecodeError:
        raise ConfigurationError(f"{NAME} is not written in UTF-8; save it as such.") from None
    except OSError as error:
        raise ConfigurationError(
            f"{NAME} cannot be read ({error.strerror}); let BoostMon read it, or take it away."
        ) from error
    found: dict[str, str] = {}
    for number, name, value in _assignments(text):
        if name in found:
            raise _malformed(number, f"{name} is set a second time; leave one of them out")
        found[name] = value
    _refuse_two_places(found, environ)
    settled = {*environ, *(URLS if URLS & environ.keys() else ())}
    return {
        name: value for name, value in found.items() if OURS.fullmatch(name) and name not in settled
    }


def _refuse_two_places(found: Mapping[str, str], environ: Mapping[str, str]) -> None:
    """Raise `ConfigurationError` where a token from one place would be sent where another says."""
    token_is_set, api_is_set = TOKEN in environ, API in environ
    token, api = ((environ if name in environ else found).get(name, "") for name in (TOKEN, API))
    is_elsewhere = api.strip().rstrip("/") not in ("", DISCORD_API)
    if token.strip() and is_elsewhere and token_is_set != api_is_set:
        there, here = (TOKEN, API) if token_is_set else (API, TOKEN)
        raise ConfigurationError(
            f"{here} is set in {NAME} and {there} in the environment; set both in one place, "
            "so that the token goes nowhere by mistake."
        )


def _assignments(text: str) -> Iterator[tuple[int, str, str]]:
    """Give the number, the name and the value of each line; no refusal quotes a value."""
    for number, line in enumerate(text.split("\n"), start=1):
        stripped = line.strip()
        if not stripped or stripped.startswith("#"):
            continue
        parts = LINE.fullmatch(stripped)
        if parts is None:
            raise _malformed(number, "write NAME=value, and a comment on a line of its own")
        name, value = parts["name"], VALUE.fullmatch(parts["value"])
        if value is None and not OURS.fullmatch(name) and ESCAPED.fullmatch(parts["value"]):
            continue
        if value is None or not parts["value"].isprintable():
            raise _malformed(number, f"put the value of {name} into single quotes, on one line")
        yield number, name, value["single"] or value["double"] or value["bare"] or ""


def _malformed(number: int, remedy: str) -> ConfigurationError:
    return ConfigurationError(f"{NAME} is malformed in line {number}; {remedy}.")

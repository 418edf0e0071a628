"""Looks at the environment: each variable, where it comes from, and what is wrong with it."""

import difflib
import re
from collections.abc import Iterator, Mapping
from typing import get_type_hints

from msgspec import Struct, structs

from boostmon.cli.terminal.env_file import EnvFile
from boostmon.config import (
    ClockConfig,
    DatabaseConfig,
    DiscordConfig,
    HttpConfig,
    LogConfig,
    PoolConfig,
    SweepConfig,
    Token,
    load,
    masked,
)
from boostmon.errors import ConfigurationError
from boostmon.finding import Finding, green, red, yellow

KINDS: tuple[type[Struct], ...] = (
    *(DatabaseConfig, PoolConfig, DiscordConfig, SweepConfig, ClockConfig, HttpConfig, LogConfig),
)
WITHOUT = EnvFile()
UNSET = "not set"
OURS = ("BOOSTMON_", "DISCORD_")
STAND_IN = "unset"  # in the place of a token, so that the rest can be read without one
REMEDY = "Correct it, or unset it; docs/configuration.md has every variable."
COPY_IT = (
    "Copy the token from the page Bot of your application at Discord, and set DISCORD_TOKEN to it."
)


class Settings(Struct, frozen=True):
    """What of the environment can be used, the names of what cannot, and what was found out."""

    environ: Mapping[str, str]
    refused: set[str]
    findings: list[Finding]


def look_at_settings(environ: Mapping[str, str], env_file: EnvFile = WITHOUT) -> Settings:
    """Read every variable, each for itself; *env_file* has told *environ* some of them."""
    usable, refused, findings = dict(environ), set[str](), list[Finding]()
    if env_file.complaint is not None:
        sentence, _, remedy = str(env_file.complaint).partition("; ")
        findings.append(red("configuration", f"{sentence}.", f"{remedy[:1].upper()}{remedy[1:]}"))
    for kind in KINDS:
        findings += _look_at(kind, usable, refused, env_file)
    unique = {finding.found: finding for finding in findings}  # two kinds share a variable
    return Settings(usable, refused, [*unique.values(), *_misspelt(environ)])


def _look_at(
    kind: type[Struct], usable: dict[str, str], refused: set[str], env_file: EnvFile
) -> Iterator[Finding]:
    """Load *kind* again and again, each time without the variable that was refused."""
    stand_in: dict[str, str] = {}
    while True:
        try:
            config = load(kind, usable | stand_in)
        except ConfigurationError as error:
            # These sentences begin with the variable; when that is unset, another one is at fault.
            named = re.findall(r"\b[A-Z_]{4,}\b", str(error))
            name = next((one for one in named if usable.get(one, "").strip()), named[0])
            is_unset = not usable.pop(name, "").strip()
            yield red("configuration", _first_part(error), COPY_IT if is_unset else REMEDY)
            refused.add(name)
            if name == "DISCORD_TOKEN":
                stand_in = {name: STAND_IN}
        else:
            break
    hints = get_type_hints(kind, include_extras=True)
    for field in structs.fields(kind):
        name = field.encode_name
        if name not in refused:
            value = _shown(hints[field.name], getattr(config, field.name))
            source = _source(usable.get(name), value, is_from_file=name in env_file.names)
            yield green("configuration", f"{name}: {value}{source}")


def _first_part(error: ConfigurationError) -> str:
    sentence = str(error).partition("; ")[0]
    return sentence if sentence.endswith(".") else f"{sentence}."


def _source(given: str | None, value: str, *, is_from_file: bool) -> str:
    if (given or "").strip():
        return ", from .env" if is_from_file else ", from the environment"
    return ", by default" if value != UNSET else ""


def _shown(hint: object, value: object) -> str:
    if value is None:
        return UNSET
    if hint == Token:
        return "set, and kept secret"
    if isinstance(value, tuple):
        return ",".join(map(str, value))
    return masked(value) if isinstance(value, str) and "://" in value else str(value)


def _misspelt(environ: Mapping[str, str]) -> Iterator[Finding]:
    known = {field.encode_name for kind in KINDS for field in structs.fields(kind)}
    for name in sorted(environ):
        if name.startswith(OURS) and name not in known and not name.startswith("BOOSTMON_TEST_"):
            [*near] = difflib.get_close_matches(name, known, n=1)
            meant = f" {near[0]} is meant, perhaps." if near else ""
            remedy = f"Unset it; docs/configuration.md has every variable.{meant}"
            yield yellow("configuration", f"{name} is no variable of BoostMon.", remedy)

"""Settings: what is read, and in which words it is refused."""

import os
from pathlib import Path

import pytest
from msgspec import Struct

from boostmon.config import (
    ClockConfig,
    DatabaseConfig,
    DiscordConfig,
    HttpConfig,
    LogConfig,
    PoolConfig,
    SweepConfig,
    load,
    masked,
)
from boostmon.errors import ConfigurationError

SECRET = "hunter2"  # noqa: S105 - what must not leak


def refusal(kind: type[Struct], environ: dict[str, str]) -> str:
    with pytest.raises(ConfigurationError) as refused:
        load(kind, environ)
    return str(refused.value)


def test_without_any_variable_the_defaults_of_the_contract_hold() -> None:
    sweep, pool, http, log = (load(k, {}) for k in (SweepConfig, PoolConfig, HttpConfig, LogConfig))

    assert sweep == SweepConfig(
        boostmon_warning_minutes=(60, 10, 1), boostmon_sweep_interval=30, boostmon_role_taken="end"
    )
    assert pool == PoolConfig(
        boostmon_pool_min=2, boostmon_pool_max=10, boostmon_command_timeout=10
    )
    assert http == HttpConfig(boostmon_http_host="127.0.0.1", port=None)
    assert log == LogConfig(boostmon_log_format="text", boostmon_log_level="info")


def test_an_empty_variable_counts_as_unset() -> None:
    assert load(HttpConfig, {"PORT": "", "BOOSTMON_HTTP_HOST": "  "}) == HttpConfig()
    assert refusal(DiscordConfig, {"DISCORD_TOKEN": " "}).startswith("DISCORD_TOKEN is not set")


def test_a_variable_of_somebody_else_is_not_looked_at() -> None:
    assert load(HttpConfig, {"PORT": "80", "BOOSTMON_POOL_MIN": "many"}) == HttpConfig(port=80)


def test_warning_minutes_are_sorted_and_counted_once() -> None:
    loaded = load(SweepConfig, {"BOOSTMON_WARNING_MINUTES": "1, 60,10 ,60"})

    assert loaded.boostmon_warning_minutes == (60, 10, 1)


@pytest.mark.parametrize("text", ["0", "60,,1", "ten", "1.5", "-1", "60;10", "2628001", "٣"])
def test_warning_minutes_are_whole_and_above_zero(text: str) -> None:
    assert refusal(SweepConfig, {"BOOSTMON_WARNING_MINUTES": text}) == (
        "BOOSTMON_WARNING_MINUTES must be whole minutes above 0 and at most 5 years, "
        "such as 60,10,1."
    )


@pytest.mark.parametrize(
    ("kind", "variable", "text"),
    [
        (HttpConfig, "PORT", "0"),
        (HttpConfig, "PORT", "65536"),
        (HttpConfig, "PORT", "http"),
        (SweepConfig, "BOOSTMON_SWEEP_INTERVAL", "0"),
        (SweepConfig, "BOOSTMON_SWEEP_INTERVAL", "nan"),
        (SweepConfig, "BOOSTMON_ROLE_TAKEN", "ignore"),
        (PoolConfig, "BOOSTMON_POOL_MIN", "-1"),
        (PoolConfig, "BOOSTMON_POOL_MAX", "0"),
        (PoolConfig, "BOOSTMON_COMMAND_TIMEOUT", "soon"),
        (LogConfig, "BOOSTMON_LOG_LEVEL", "loud"),
        (LogConfig, "BOOSTMON_LOG_FORMAT", "xml"),
        (DatabaseConfig, "DATABASE_URL", f"mysql://root:{SECRET}@host/db"),
    ],
)
def test_a_value_out_of_range_is_refused_by_name_and_never_quoted(
    kind: type[Struct], variable: str, text: str
) -> None:
    message = refusal(kind, {variable: text})

    assert message.startswith(f"{variable} must be ")
    assert SECRET not in message


@pytest.mark.parametrize(
    "api",
    [
        *["ftp://localhost/v10", "http://localhost", "https:///v10", "v10"],
        *["https://me@discord.com/v10", "http://127.0.0.1:80@evil.example/v10"],
        *["https://evil.example\\@discord.com/v10", "https://discord.com/v10?x=/v10"],
        *["https://discord.com/v10#/v10", "https://discord.com:@evil.example/v10"],
    ],
)
def test_the_api_of_discord_is_a_url_with_a_version(api: str) -> None:
    message = refusal(DiscordConfig, {"DISCORD_TOKEN": "t", "BOOSTMON_DISCORD_API": api})

    assert message.startswith("BOOSTMON_DISCORD_API must be an http or https URL that ends in a v")


def test_the_api_of_discord_loses_its_last_slash() -> None:
    environ = {"DISCORD_TOKEN": "t", "BOOSTMON_DISCORD_API": "http://127.0.0.1:99/api/v10/"}

    assert load(DiscordConfig, environ).boostmon_discord_api == "http://127.0.0.1:99/api/v10"


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.8.8:1", "[::1]:80", "localhost:8765"])
def test_the_api_of_discord_may_be_http_on_this_machine(host: str) -> None:
    environ = {"DISCORD_TOKEN": "t", "BOOSTMON_DISCORD_API": f"http://{host}/api/v10"}

    assert host in load(DiscordConfig, environ).boostmon_discord_api


@pytest.mark.parametrize(
    "host",
    ["discord.com", "10.0.0.1", "127.0.0.1.evil.example", "localhost.evil", "0.0.0.0", "[::]"],  # noqa: S104
)
def test_the_api_of_discord_is_not_asked_over_http_elsewhere(host: str) -> None:
    environ = {"DISCORD_TOKEN": "t", "BOOSTMON_DISCORD_API": f"http://{host}/api/v10"}

    assert refusal(DiscordConfig, environ) == (
        "BOOSTMON_DISCORD_API is http to another machine, where anybody on the way could read the "
        "token; make it https."
    )


def test_a_token_is_never_shown() -> None:
    loaded = load(DiscordConfig, {"DISCORD_TOKEN": SECRET})

    assert SECRET not in f"{loaded!r} {loaded}"
    assert SECRET not in refusal(DiscordConfig, {"DISCORD_TOKEN": f"Bot {SECRET}"})


def test_a_guild_id_is_digits_only() -> None:
    message = refusal(DiscordConfig, {"DISCORD_TOKEN": "t", "DISCORD_GUILD_ID": "my server"})

    assert message == "DISCORD_GUILD_ID must be a server's id: digits only."


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.8.8:1", "[::1]:80", "localhost:8765"])
def test_a_clock_of_its_own_is_allowed_beside_a_discord_on_this_machine(host: str) -> None:
    environ = {"BOOSTMON_CLOCK": "/clock", "BOOSTMON_DISCORD_API": f"http://{host}/api/v10"}

    assert load(ClockConfig, environ).clock_file == Path("/clock")


@pytest.mark.parametrize("api", ["", "https://discord.com/api/v10", "http://localhost.evil/v10"])
def test_a_clock_of_its_own_is_refused_beside_any_other_discord(api: str) -> None:
    message = refusal(ClockConfig, {"BOOSTMON_CLOCK": "/clock", "BOOSTMON_DISCORD_API": api})

    assert message.startswith("BOOSTMON_CLOCK is for development")


def test_the_least_pool_is_not_greater_than_the_greatest() -> None:
    message = refusal(PoolConfig, {"BOOSTMON_POOL_MAX": "1"})

    assert message == "BOOSTMON_POOL_MIN (2) must not be greater than BOOSTMON_POOL_MAX (1)."


def test_an_owner_needs_a_database() -> None:
    message = refusal(DatabaseConfig, {"BOOSTMON_OWNER_DATABASE_URL": "postgresql://owner@host/db"})

    assert message.startswith("BOOSTMON_OWNER_DATABASE_URL is set but DATABASE_URL is not")


def test_statements_are_not_cached_beside_a_url_of_the_owner() -> None:
    one = load(DatabaseConfig, {"DATABASE_URL": "postgresql://bot@pooler/db"})
    two = load(
        DatabaseConfig,
        {
            "DATABASE_URL": "postgresql://bot@pooler/db",
            "BOOSTMON_OWNER_DATABASE_URL": "postgres://owner@host/db",
        },
    )

    assert (one.owner_url, one.statement_cache) == ("postgresql://bot@pooler/db", True)
    assert (two.owner_url, two.statement_cache) == ("postgres://owner@host/db", False)


def test_the_data_folder_of_root_is_not_in_its_home(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    assert load(DatabaseConfig, {}).data_dir == Path("/var/lib/boostmon")

    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    monkeypatch.setenv("XDG_DATA_HOME", "/home/me/data")
    assert load(DatabaseConfig, {}).data_dir == Path("/home/me/data/boostmon")


def test_the_data_folder_may_be_named_from_home(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/me")

    loaded = load(DatabaseConfig, {"BOOSTMON_DATA_DIR": "~/boost"})

    assert loaded.data_dir == Path("/home/me/boost")


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("postgresql://me:hunter2@host/db", "postgresql://me:***@host/db"),
        ("postgresql://me:hun/ter2@x@host/db", "postgresql://me:***@host/db"),
        ("postgresql://:hunter2@host", "postgresql://:***@host"),
        ("postgresql://me@host:5432/db", "postgresql://me@host:5432/db"),
        ("postgresql://host/db?password=hunter2&a=b", "postgresql://host/db?password=***&a=b"),
        ("postgresql://h1:1,h2:2/db", "postgresql://h1:1,h2:2/db"),
        ("postgresql://[::1]:5432/db", "postgresql://[::1]:5432/db"),
        ("postgresql://host:5432?a=b", "postgresql://host:5432?a=b"),
        ("postgresql://me:hunter2/db", "postgresql://me:***/db"),
        ("postgresql://me:hunter2", "postgresql://me:***"),
        ("postgresql://h/db?a=b&pass%77ord=hunter2", "postgresql://h/db?a=b&pass%77ord=***"),
        ("postgresql://h/db?sslpassword=hunter2", "postgresql://h/db?sslpassword=***"),
    ],
)
def test_a_masked_url_holds_no_password(url: str, expected: str) -> None:
    assert masked(url) == expected


@pytest.mark.parametrize(
    ("name", "kind"),
    [("DISCORD_TOKEN", DiscordConfig), ("DATABASE_URL", DatabaseConfig), ("PORT", HttpConfig)],
)
@pytest.mark.parametrize("mark", ['"', "'", "\u201c"])
def test_a_value_that_came_with_its_quotation_marks_is_refused_as_such(
    name: str, kind: type[Struct], mark: str
) -> None:
    sentence = refusal(kind, {name: f"{mark}{SECRET}{mark}"})

    assert sentence.startswith(f"{name} begins with a quotation mark; leave it out")
    assert SECRET not in sentence


@pytest.mark.parametrize(
    ("token", "expected"),
    [
        (f"Bot {SECRET}", "has the word `Bot` before the token; leave it out"),
        (f"bot  {SECRET}", "has the word `Bot` before the token; leave it out"),
        (f"{SECRET} {SECRET}", "must be the bot's token, as the page Bot"),
        (f"{SECRET}\n{SECRET}", "must be the bot's token, as the page Bot"),
        (f"<{SECRET}>", "must be the bot's token, as the page Bot"),
    ],
)
def test_what_is_copied_along_with_a_token_is_caught(token: str, expected: str) -> None:
    sentence = refusal(DiscordConfig, {"DISCORD_TOKEN": token})

    assert expected in sentence
    assert SECRET not in sentence


def test_blanks_around_a_value_do_no_harm() -> None:
    assert SECRET == load(DiscordConfig, {"DISCORD_TOKEN": f" {SECRET}\n"}).discord_token


def test_an_address_may_stand_in_brackets() -> None:
    hosts = {
        host: load(HttpConfig, {"BOOSTMON_HTTP_HOST": host}) for host in ("::", "[::]", "[::1]")
    }

    assert ["::", "::", "::1"] == [config.boostmon_http_host for config in hosts.values()]

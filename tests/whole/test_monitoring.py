"""Health and metrics of a real process, and the alert rules that are built on them."""

import asyncio
import re
import signal
import socket
from collections.abc import Iterator
from contextlib import closing
from typing import Any, TypeAlias

import promql_parser
import pytest
from promql_parser import MatchOp, VectorSelector

from boostmon.database.connections.pool import Database
from tests.cli.test_cli import READY_WITHIN, TOKEN, boostmon, running, stopped
from tests.support.databases import Gate
from tests.support.places import ROOT
from tests.support.process import Running, at_work, at_work_in, free_port

OPERATIONS = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")
GIVE = "/guilds/{guild_id}/members/{user_id}/roles/{role_id}"
ALL_WELL = {"gateway": True, "database": True, "clock": True, "sweep": True}

Series: TypeAlias = tuple[str, frozenset[tuple[str, str]]]


def alerts() -> dict[str, str]:
    """Return the expression of each alert rule in the documentation."""
    (rules,) = re.findall(r"^```yaml\n(groups:.*?)^```$", OPERATIONS, re.DOTALL | re.MULTILINE)
    _, *blocks = re.split(r"^      - alert: ", rules, flags=re.MULTILINE)
    found = {}
    for block in blocks:
        name, _, rest = block.partition("\n")
        (expression,) = re.findall(
            r"^        expr: (.*?)^        \w+:", rest, re.DOTALL | re.MULTILINE
        )
        found[name] = " ".join(expression.removeprefix(">-").split())
    return found


def selectors(node: Any) -> Iterator[VectorSelector]:
    """Find what a parsed expression reads."""
    if isinstance(node, VectorSelector):
        yield node
    else:
        parts = [getattr(node, name, None) for name in ("lhs", "rhs", "expr", "vector_selector")]
        for part in [*parts, *getattr(node, "args", [])]:
            if part is not None:
                yield from selectors(part)


def fitting(selector: VectorSelector, series: set[Series]) -> bool:
    """Whether there is a series of that name, with the labels that it asks for."""
    wanted = selector.matchers.matchers
    assert all(each.op in (MatchOp.Equal, MatchOp.NotEqual) for each in wanted)
    return any(
        selector.name == name
        and all(
            each.name in labels and (labels[each.name] == each.value) == (each.op == MatchOp.Equal)
            for each in wanted
        )
        for name, labels in ((name, dict(labels)) for name, labels in series)
    )


async def until_ready(bot: Running) -> None:
    async with asyncio.timeout(READY_WITHIN):
        while await bot.pages.ready() != ALL_WELL:  # noqa: ASYNC110 - another process tells nobody
            await asyncio.sleep(0.05)


async def until(bot: Running, part: str, *, well: bool) -> None:
    async with asyncio.timeout(READY_WITHIN):
        while (await bot.pages.ready())[part] is not well:  # noqa: ASYNC110 - the same
            await asyncio.sleep(0.05)


async def until_is(bot: Running, number: float, name: str, **labels: str) -> None:
    async with asyncio.timeout(READY_WITHIN):
        while await bot.pages.value(name, **labels) != number:  # noqa: ASYNC110 - the same
            await asyncio.sleep(0.1)


def test_there_are_six_alert_rules_and_each_reads_a_metric() -> None:
    read = [list(selectors(promql_parser.parse(rule))) for rule in alerts().values()]
    assert 6 == len(read)
    assert all(read)


@pytest.mark.parametrize(
    ("selector", "fits"),
    [
        ("a", True),
        ("b", False),
        ('a{kind="notice"}', True),
        ('a{kind="wish"}', False),
        ('a{kind!="notice"}', False),
        ('a{colour="red"}', False),
    ],
)
def test_a_selector_fits_a_series_of_its_name_and_labels(selector: str, *, fits: bool) -> None:
    (found,) = selectors(promql_parser.parse(f"sum by (kind) (increase({selector}[10m])) > 2"))
    assert fits is fitting(found, {("a", frozenset({("kind", "notice")}))})


async def test_every_series_of_an_alert_is_one_that_a_running_bot_serves(
    database: Database, owner_url: str
) -> None:
    async with at_work(database, owner_url) as bot:
        await until_ready(bot)
        served = set(await bot.pages.samples())

    read = [each for rule in alerts().values() for each in selectors(promql_parser.parse(rule))]
    assert [] == [str(each) for each in read if not fitting(each, served)]


async def test_what_people_do_is_seen_in_the_metrics(database: Database, owner_url: str) -> None:
    async with at_work(database, owner_url) as bot:
        await until_ready(bot)
        town = bot.town
        await town.say("olga", "settime", user="max", role="VIP", duration="1h")
        await town.say("olga", "settime", user="max", role="VIP", duration="soon")
        await town.say("olga", "timeleft")
        await town.client.sim(
            "fault", {"path": GIVE, "method": "PUT", "status": 403, "body": {"code": 50013}}
        )
        await town.say("olga", "settime", user="vera", role="VIP", duration="1h")
        too_many = {"message": "slow down", "retry_after": 0.1, "global": False}
        for trouble in ({"status": 429, "body": too_many}, {"reset": True}):
            await town.client.sim("fault", {"path": GIVE, "method": "PUT"} | trouble)
        await town.say("olga", "settime", user="carl", role="VIP", duration="1h")
        samples = await bot.pages.samples()

    def counted(name: str, **labels: str) -> float:
        return samples[name, frozenset(labels.items())]

    commands = "boostmon_commands_total"
    assert 3 == counted(commands, command="settime", outcome="recorded")
    assert 1 == counted(commands, command="settime", outcome="refused")
    assert 1 == counted(commands, command="timeleft", outcome="answered")
    assert 4 == counted("boostmon_command_duration_seconds_count", command="settime")
    assert 3 == counted("boostmon_appends_total", outcome="appended")
    assert 3 == counted("boostmon_append_duration_seconds_count")
    done = counted("boostmon_effects_total", kind="give_role", outcome="done")
    assert 2 <= done <= 3  # carl's lets go on what is stuck for the same role: vera's
    assert 3 <= counted("boostmon_effect_duration_seconds_count", kind="give_role")
    assert 1 == counted("boostmon_effects_total", kind="give_role", outcome="stuck")
    assert 1 <= counted("boostmon_sweep_duration_seconds_count")
    route = "/guilds/{id}/members/{id}/roles/{id}"
    requests = "boostmon_discord_requests_total"
    assert done <= counted(requests, method="PUT", route=route, status="204") <= 3
    assert 1 == counted(requests, method="PUT", route=route, status="403")
    assert 1 == counted(requests, method="PUT", route=route, status="429")
    assert 1 == counted(requests, method="PUT", route=route, status="none")
    scopes = ("user", "shared", "global", "unknown")
    assert 1 == sum(counted("boostmon_discord_429s_total", scope=scope) for scope in scopes)
    assert 2 == counted("boostmon_discord_invalid_requests")  # the 403 and the 429
    assert 1 == counted("boostmon_relay_leader")
    assert 1 == counted("boostmon_gateway_up")
    assert 1 == counted("boostmon_database_up")
    assert 10 == counted("boostmon_pool_limit")
    assert [] == [name for name, labels in samples if ("route", "other") in labels]


async def test_no_label_holds_an_id(database: Database, owner_url: str) -> None:
    async with at_work(database, owner_url) as bot:
        await until_ready(bot)
        await bot.town.say("olga", "settime", user="max", role="VIP", duration="1h")
        await bot.town.say("olga", "cleartime", user="max")
        samples = await bot.pages.samples()

    values = {value for _, labels in samples for label, value in labels if label != "le"}
    assert [] == [value for value in values if re.search(r"\d{5}", value)]


async def test_a_stuck_effect_is_counted_with_its_age(database: Database, owner_url: str) -> None:
    async with at_work(database, owner_url) as bot:
        await until_ready(bot)
        await bot.town.client.sim(
            "fault",
            {"path": GIVE, "method": "PUT", "status": 403, "body": {"code": 50013}, "times": None},
        )
        await bot.town.say("olga", "settime", user="max", role="VIP", duration="1h")
        stuck = {"kind": "give_role", "state": "stuck"}
        await until_is(bot, 1, "boostmon_effects_open", **stuck)
        assert (await bot.pages.value("boostmon_effects_oldest_seconds", **stuck) or 0) > 0


async def test_without_its_database_a_bot_is_alive_and_not_ready_and_serves_the_rest(
    database: Database, owner_url: str
) -> None:
    async with Gate(owner_url) as gate, at_work(database, gate.url) as bot:
        await until_ready(bot)
        before = await bot.pages.samples()

        gate.freeze()
        await until(bot, "database", well=False)
        assert (200, "alive\n") == await bot.pages.get("/healthz")
        samples = await bot.pages.samples()
        gate.thaw()
        await until(bot, "database", well=True)
        again = await bot.pages.samples()

    none = frozenset[tuple[str, str]]()
    assert "boostmon_effects_open" in {name for name, _ in before}
    assert 0 == samples["boostmon_database_up", none]
    assert "boostmon_effects_open" not in {name for name, _ in samples}
    assert 1 == samples["boostmon_gateway_up", none]
    assert 1 == again["boostmon_database_up", none]
    assert "boostmon_effects_open" in {name for name, _ in again}


async def test_a_scrape_of_a_silent_database_does_not_hold_up_the_stop(
    database: Database, owner_url: str
) -> None:
    async with Gate(owner_url) as gate, at_work(database, gate.url) as bot:
        await until_ready(bot)
        gate.freeze()
        await until(bot, "database", well=False)

        outcome = await stopped(bot.process, signal.SIGTERM)

    assert 0 == outcome.code


async def test_without_its_gateway_a_bot_is_not_ready_and_counts_the_reconnect(
    database: Database, owner_url: str
) -> None:
    async with at_work(database, owner_url) as bot:
        await until_ready(bot)
        await bot.town.client.sim("gateway", {"action": "invalidate", "resumable": False})
        await until(bot, "gateway", well=False)  # Discord wants some seconds to pass
        assert 0 == await bot.pages.value("boostmon_gateway_up")
        await until_ready(bot)
        await bot.town.client.sim("gateway", {"action": "close", "code": 4000})
        await until_is(bot, 1, "boostmon_gateway_reconnects_total", how="resumed")
        assert 1 == await bot.pages.value("boostmon_gateway_reconnects_total", how="identified")
        await until_ready(bot)


async def test_who_stands_by_is_ready_and_does_not_lead(database: Database, owner_url: str) -> None:
    async with at_work(database, owner_url) as bot:
        await until_ready(bot)
        await until_is(bot, 1, "boostmon_relay_leader")  # which is ready a moment before it leads
        async with at_work_in(bot.town.client, database, owner_url) as second:
            await until_ready(second)
            assert 0 == await second.pages.value("boostmon_relay_leader")


async def test_nothing_is_ready_before_the_database_is_there(owner_url: str) -> None:
    gate, port = Gate(owner_url), free_port()
    async with gate:
        pass  # now it has a port, and is closed
    environ = {"DATABASE_URL": gate.url, "DISCORD_TOKEN": TOKEN, "PORT": str(port)}
    async with running("run", **environ) as process:
        answer = await asked(port, b"GET /readyz HTTP/1.1\r\nHost: x\r\n\r\n")
        outcome = await stopped(process, signal.SIGTERM)

    assert answer.startswith(b"HTTP/1.1 503 ")
    assert b'{"gateway": false, "database": false, "clock": false, "sweep": false}' in answer
    assert 0 == outcome.code


async def asked(port: int, request: bytes) -> bytes:
    """Send a request as soon as somebody listens; return the answer's first piece."""
    async with asyncio.timeout(READY_WITHIN):
        while True:
            try:
                reader, writer = await asyncio.open_connection("127.0.0.1", port)
            except OSError:
                await asyncio.sleep(0.05)
                continue
            with closing(writer):
                writer.write(request)
                return await reader.read(4000)


async def test_a_slow_client_holds_up_neither_the_others_nor_the_stop(
    database: Database, owner_url: str
) -> None:
    async with at_work(database, owner_url) as bot:
        await until_ready(bot)
        port = bot.pages.port
        with closing(socket.create_connection(("127.0.0.1", port))) as silent:
            with closing(socket.create_connection(("127.0.0.1", port))) as half:
                half.sendall(b"GET /metrics HT")
                assert (200, "alive\n") == await bot.pages.get("/healthz")
                outcome = await stopped(bot.process, signal.SIGTERM)
            assert b"" == silent.recv(1)

    assert 0 == outcome.code
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port))


async def test_a_taken_port_is_a_sentence_with_the_remedy() -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as server:
        port = server.getsockname()[1]
        outcome = await boostmon("run", DISCORD_TOKEN=TOKEN, PORT=str(port))

    sentence = outcome.sentence
    assert 1 == len(outcome.err.splitlines())  # no database was started in vain
    assert sentence.startswith(f"Port {port} cannot be used (")
    assert sentence.endswith("; set PORT or BOOSTMON_HTTP_HOST to another one.")


async def test_an_address_of_another_machine_is_a_sentence_with_the_remedy() -> None:
    elsewhere = {"BOOSTMON_HTTP_HOST": "192.0.2.1", "PORT": str(free_port())}
    sentence = (await boostmon("run", DISCORD_TOKEN=TOKEN, **elsewhere)).sentence

    assert sentence.endswith("; set PORT or BOOSTMON_HTTP_HOST to another one.")


@pytest.mark.parametrize("port", ["http", "0", "70000"])
async def test_a_malformed_port_is_named(port: str) -> None:
    sentence = (await boostmon("run", DISCORD_TOKEN=TOKEN, PORT=port)).sentence

    assert sentence == "PORT must be a port, from 1 to 65535."

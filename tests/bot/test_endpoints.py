"""The three pages within one process: who is answered what, and who is hung up on."""

import asyncio
import errno
from collections.abc import AsyncIterator
from contextlib import suppress
from types import SimpleNamespace
from typing import Any, cast

import aiohttp
import pytest

from boostmon.bot.discord.pace import Limits, Pace
from boostmon.bot.health import endpoints, reading
from boostmon.bot.health.endpoints import Endpoints
from boostmon.bot.health.reading import Reading
from boostmon.bot.health.vitals import ALLOWANCE, Body, Vitals
from boostmon.commands.handler import CommandHandler
from boostmon.database.clocks.agreed_clock import AgreedClock
from boostmon.database.clocks.witnesses import NAMES, Offsets, judge
from boostmon.database.connections.load import Load
from boostmon.errors import DatabaseUnavailableError
from boostmon.projections.effects.kinds import OpenEffects
from tests.commands.test_handler import StillClock
from tests.support.process import Pages, free_port

OPEN = OpenEffects(kind="notice", state="owed", number=3, age=12.5)


class Told:
    """A database that says how many effects are open, or does not, and counts who asked."""

    def __init__(self) -> None:
        self.asked = 0
        self.answers: list[OpenEffects] | Exception = [OPEN]
        self.speaks = asyncio.Event()
        self.speaks.set()

    async def open_now(self) -> list[OpenEffects]:
        self.asked += 1
        await self.speaks.wait()
        if isinstance(self.answers, Exception):
            raise self.answers
        return self.answers


def body(told: Told, **others: Any) -> Body:
    """Make the parts of a bot in which all is well, but for *others*."""
    nothing: Any = None
    load = Load(busy=3, idle=1, most=9, waiting=2)
    parts: dict[str, Any] = {
        "clock": StillClock(),
        "database": SimpleNamespace(load=load, repeats=5),
        "gateway": SimpleNamespace(ready=True, latency=0.04),
        "handler": CommandHandler(nothing),
        "pace": Pace(Limits()),
        "reading": Reading(cast("Any", told)),
        "relay": SimpleNamespace(leads=True),
        "sweeper": SimpleNamespace(age=60.0 + ALLOWANCE, interval=30.0),
    }
    return Body(**(parts | others))


@pytest.fixture
def told() -> Told:
    """Lend what the database says."""
    return Told()


@pytest.fixture
def vitals() -> Vitals:
    """Lend the vitals of a bot that does not run yet."""
    return Vitals()


@pytest.fixture
async def pages(vitals: Vitals) -> AsyncIterator[Pages]:
    """Lend the pages that tell of *vitals*."""
    served, port = Endpoints(vitals), free_port()
    await served.open("127.0.0.1", port)
    async with aiohttp.ClientSession() as http:
        try:
            yield Pages(http, port)
        finally:
            await served.close()


async def test_before_the_bot_runs_it_is_alive_and_nothing_is_ready(pages: Pages) -> None:
    assert (200, "alive\n") == await pages.get("/healthz")
    assert {
        "gateway": False,
        "database": False,
        "clock": False,
        "sweep": False,
    } == await pages.ready()
    assert 0 == await pages.value("boostmon_database_up")
    assert 404 == (await pages.get("/"))[0]


async def test_when_all_is_well_it_is_ready(pages: Pages, vitals: Vitals, told: Told) -> None:
    with vitals.of(body(told)):
        assert {
            "gateway": True,
            "database": True,
            "clock": True,
            "sweep": True,
        } == await pages.ready()

    assert {
        "gateway": False,
        "database": False,
        "clock": False,
        "sweep": False,
    } == await pages.ready()


async def test_a_sweep_is_late_after_two_intervals_and_an_allowance(
    pages: Pages, vitals: Vitals, told: Told
) -> None:
    late = SimpleNamespace(age=60.1 + ALLOWANCE, interval=30.0)
    with vitals.of(body(told, sweeper=late)):
        assert {
            "gateway": True,
            "database": True,
            "clock": True,
            "sweep": False,
        } == await pages.ready()


HOUR_MS = 3_600_000.0


@pytest.mark.parametrize(
    ("database", "discord", "followed"),
    [(0.0, 500.0, "database"), (HOUR_MS, 500.0, "host"), (HOUR_MS, -HOUR_MS, None)],
)
async def test_who_is_followed_is_told_and_nobody_who_is_not_borne_out(
    pages: Pages,
    vitals: Vitals,
    told: Told,
    *,
    database: float,
    discord: float,
    followed: str | None,
) -> None:
    clock = AgreedClock(one_witness=False)
    offsets: Offsets = {"database": database, "host": 0.0, "discord": discord}
    clock._judgement = judge(offsets, one_witness=False, now=0.0)  # noqa: SLF001 - as if measured

    with vitals.of(body(told, clock=clock)):
        assert (followed is not None) is (await pages.ready())["clock"]
        assert float(followed is not None) == await pages.value("boostmon_clock_trusted")
        for name in NAMES:
            value = await pages.value("boostmon_clock_followed", clock=name)
            assert float(name == followed) == value
        ahead = (database - clock._judgement.offset) / 1000  # noqa: SLF001
        assert ahead == await pages.value("boostmon_clock_ahead_seconds", clock="database")


async def test_who_stands_by_is_ready(pages: Pages, vitals: Vitals, told: Told) -> None:
    with vitals.of(body(told, relay=SimpleNamespace(leads=False))):
        assert {
            "gateway": True,
            "database": True,
            "clock": True,
            "sweep": True,
        } == await pages.ready()
        assert 0 == await pages.value("boostmon_relay_leader")


async def test_what_is_read_is_what_the_parts_say(pages: Pages, vitals: Vitals, told: Told) -> None:
    made = body(told)
    made.handler.retries = 4
    made.pace.invalid(asyncio.get_running_loop().time())
    with vitals.of(made):
        assert 3 == await pages.value("boostmon_pool_connections", state="busy")
        assert 1 == await pages.value("boostmon_pool_connections", state="idle")
        assert 9 == await pages.value("boostmon_pool_limit")
        assert 2 == await pages.value("boostmon_pool_waiting")
        assert 5 == await pages.value("boostmon_database_repeats_total")
        assert 4 == await pages.value("boostmon_command_retries_total")
        assert 0.04 == await pages.value("boostmon_gateway_latency_seconds")
        assert 90.0 == await pages.value("boostmon_sweep_age_seconds")
        assert 30.0 == await pages.value("boostmon_sweep_interval_seconds")
        assert 1 == await pages.value("boostmon_discord_invalid_requests")
        assert 2000 == await pages.value("boostmon_discord_invalid_requests_limit")
        owed, stuck = ({"kind": "notice", "state": state} for state in ("owed", "stuck"))
        assert 3 == await pages.value("boostmon_effects_open", **owed)
        assert 12.5 == await pages.value("boostmon_effects_oldest_seconds", **owed)
        assert 0 == await pages.value("boostmon_effects_open", **stuck)


async def test_many_who_ask_at_once_are_one_question_to_the_database(
    pages: Pages, vitals: Vitals, told: Told
) -> None:
    with vitals.of(body(told)):
        await asyncio.gather(*(pages.samples() for _ in range(8)), pages.ready())

    assert 1 == told.asked


async def test_an_old_answer_is_asked_for_anew(
    pages: Pages, vitals: Vitals, told: Told, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reading, "KEPT", -1.0)
    with vitals.of(body(told)):
        await pages.samples()
        told.answers = []
        again = await pages.value("boostmon_effects_open", kind="notice", state="owed")

    assert 0 == again


@pytest.mark.parametrize("trouble", ["silent", "away", "broken"])
async def test_in_trouble_with_the_database_the_rest_is_served(
    pages: Pages, vitals: Vitals, told: Told, monkeypatch: pytest.MonkeyPatch, trouble: str
) -> None:
    monkeypatch.setattr(reading, "PATIENCE", 0.01)
    if trouble == "silent":
        told.speaks.clear()
    else:
        told.answers = DatabaseUnavailableError() if trouble == "away" else LookupError("no")
    with vitals.of(body(told)):
        samples = await pages.samples()
        assert {
            "gateway": True,
            "database": False,
            "clock": True,
            "sweep": True,
        } == await pages.ready()

    names = {name for name, _ in samples}
    assert 0 == samples["boostmon_database_up", frozenset()]
    assert 1 == samples["boostmon_gateway_up", frozenset()]
    assert "boostmon_effects_open" not in names


async def test_a_prometheus_of_today_gets_its_own_format(pages: Pages) -> None:
    accept = {"Accept": "application/openmetrics-text;version=1.0.0,text/plain;q=0.5"}
    async with aiohttp.ClientSession() as http:
        url = f"http://127.0.0.1:{pages.port}/metrics"
        async with http.get(url, headers=accept) as answer:
            assert answer.headers["Content-Type"].startswith("application/openmetrics-text")
            text = await answer.text()

    assert text.endswith("# EOF\n")
    assert 'boostmon_info{version="' in text


async def test_who_asks_slowly_is_hung_up_on(
    vitals: Vitals, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(endpoints, "PATIENCE", 0.05)
    served, port = Endpoints(vitals), free_port()
    await served.open("127.0.0.1", port)
    try:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"GET /metrics HT")
        async with asyncio.timeout(10):
            assert b"" == await reader.read()
    finally:
        writer.close()
        await served.close()


async def test_what_is_no_http_is_refused_without_a_word_in_the_logs(
    pages: Pages, caplog: pytest.LogCaptureFixture
) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", pages.port)
    writer.write(b"GET / HTTP/9.9\r\n\r\n")
    async with asyncio.timeout(10):
        answer = await reader.read(1000)
    writer.close()

    assert answer.startswith(b"HTTP/1.0 400 ")
    assert [] == [record.getMessage() for record in caplog.records if record.levelname == "ERROR"]


async def test_a_mistake_of_ours_is_told(
    pages: Pages, vitals: Vitals, told: Told, caplog: pytest.LogCaptureFixture
) -> None:
    with vitals.of(body(told, relay=None)):
        assert 500 == (await pages.get("/metrics"))[0]

    assert ["Error handling request from 127.0.0.1"] == [
        record.getMessage() for record in caplog.records if record.levelname == "ERROR"
    ]


@pytest.mark.parametrize(
    ("host", "answer"),
    [
        ("::", {"127.0.0.1", "[::1]"}),
        ("0.0.0.0", {"127.0.0.1"}),  # noqa: S104 - the one family that was asked for
        ("::1", {"[::1]"}),
    ],
)
async def test_both_families_are_served_where_all_addresses_are_asked_for(
    host: str, answer: set[str]
) -> None:
    port, pages = free_port(), Endpoints(Vitals())
    await pages.open(host, port)
    reached = set()
    async with aiohttp.ClientSession() as http:
        for address in ("127.0.0.1", "[::1]"):
            with suppress(aiohttp.ClientConnectionError):
                async with http.get(f"http://{address}:{port}/healthz") as response:
                    assert "alive\n" == await response.text()
                    reached.add(address)
    await pages.close()

    assert answer == reached


@pytest.mark.parametrize("lacks", ["::", "0.0.0.0"])  # noqa: S104 - one of the two
async def test_a_machine_with_one_family_is_served_on_that(
    lacks: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    loop, port, pages = asyncio.get_running_loop(), free_port(), Endpoints(Vitals())
    listen = loop.create_server

    async def without(factory: Any, host: str, *arguments: Any, **options: Any) -> Any:
        if host == lacks:
            raise OSError(errno.EADDRNOTAVAIL, "no such family")
        return await listen(factory, host, *arguments, **options)

    monkeypatch.setattr(loop, "create_server", without)
    await pages.open("::", port)
    await pages.close()


async def test_a_port_in_use_in_one_family_is_told() -> None:
    port = free_port()
    first, second = Endpoints(Vitals()), Endpoints(Vitals())
    await first.open("127.0.0.1", port)
    with pytest.raises(OSError, match="in use"):
        await second.open("::", port)
    await first.close()

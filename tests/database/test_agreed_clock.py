"""Timer time over three clocks that jump: the database is real, its answer is what it would say."""

import asyncio
import math
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from boostmon import machine
from boostmon.database.clocks import agreed_clock
from boostmon.database.clocks.agreed_clock import AgreedClock, is_here, open_agreed_clock
from boostmon.database.clocks.clock import FileClock, write_clock
from boostmon.database.clocks.witnesses import HOLD
from boostmon.database.connections.pool import Database, connect
from boostmon.errors import DatabaseError
from tests.support.databases import Gate

HOUR = 3600.0
ASK = "SELECT (extract(epoch FROM clock_timestamp()) * 1000)::float8 + {}"


class World:
    """Time as it is, and by how many seconds each clock is ahead of it."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self._patch = monkeypatch
        self._passed = self._database = self.host = 0.0
        self.discord: float | None = 0.0
        self.asked = 0
        monkeypatch.setattr(machine, "monotonic", lambda: time.monotonic() + self._passed)
        monkeypatch.setattr(machine, "wall", lambda: self.now + self.host)

    @property
    def now(self) -> float:
        """Seconds since 1970."""
        return time.time() + self._passed

    def set(self, **ahead: float | None) -> None:
        """Put clocks ahead of the time; None: Discord is silent."""
        self.host = ahead.get("host", self.host) or 0.0
        self.discord = ahead.get("discord", self.discord)
        self._database = ahead.get("database", self._database) or 0.0
        shift = (self._database + self._passed) * 1000
        self._patch.setattr("boostmon.database.clocks.clock.ASK", ASK.format(shift))

    def let_pass(self, seconds: float) -> None:
        """Let time pass for everybody."""
        self._passed += seconds
        self.set()

    def is_right(self, clock: AgreedClock) -> bool:
        """Tell whether *clock* is at most two seconds off."""
        return abs(clock.now() / 1000 - self.now) < 2.0

    async def answer(self, clock: AgreedClock) -> None:
        """Let Discord answer, unless it is silent."""
        self.asked += 1
        if self.discord is not None:
            at = machine.monotonic()
            clock.hear(math.floor(self.now + self.discord), sent=at, received=at)

    async def clock(self, database: Database, *, one_witness: bool = False) -> AgreedClock:
        """Make a clock that was measured, as before the first sweep."""
        made = AgreedClock(one_witness=one_witness)
        await made.measure(database)
        made.ask_through(lambda: self.answer(made))
        await made.measure(database)
        return made


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> World:
    """Lend a world whose clocks are right."""
    return World(monkeypatch)


@asynccontextmanager
async def kept(clock: AgreedClock, database: Database) -> AsyncIterator[None]:
    """Have *clock* look by itself."""
    keeper = asyncio.create_task(clock.keep(database))
    try:
        yield
    finally:
        keeper.cancel()
        await asyncio.wait([keeper])


def followed(clock: AgreedClock) -> str | None:
    """Name the clock whose time is followed."""
    assert clock.judgement is not None
    return clock.judgement.followed


@pytest.mark.parametrize("one_witness", [True, False])
async def test_clocks_that_agree_follow_the_database(
    world: World, database: Database, *, one_witness: bool
) -> None:
    clock = await world.clock(database, one_witness=one_witness)

    assert ("database", True) == (followed(clock), clock.trusted)
    assert world.is_right(clock)


@pytest.mark.parametrize("jump", [2 * HOUR, -6 * HOUR, 6.0])
@pytest.mark.parametrize("one_witness", [True, False])
async def test_a_database_that_jumps_alone_is_left(
    world: World, database: Database, jump: float, *, one_witness: bool
) -> None:
    clock = await world.clock(database, one_witness=one_witness)
    world.set(database=jump)
    await clock.measure(database)

    assert ("host", True) == (followed(clock), clock.trusted)
    assert world.is_right(clock)

    world.set(database=0.0)
    await clock.measure(database)
    assert ("database", True) == (followed(clock), world.is_right(clock))


@pytest.mark.parametrize("jump", [2 * HOUR, -6 * HOUR])
async def test_a_host_that_jumps_with_its_database_is_doubted_and_timer_time_goes_on(
    world: World, database: Database, jump: float
) -> None:
    clock = await world.clock(database, one_witness=True)
    world.set(host=jump, database=jump)
    await clock.measure(database)

    assert (None, False) == (followed(clock), clock.trusted)
    assert world.is_right(clock)

    world.let_pass(HOLD + 1)
    await clock.measure(database)
    assert ("discord", True) == (followed(clock), clock.trusted)
    assert world.is_right(clock)


async def test_one_that_jumps_with_its_host_is_found_to_be_on_the_same_machine(
    world: World, database: Database
) -> None:
    clock = await world.clock(database, one_witness=False)  # a container beside ours
    world.set(host=2 * HOUR, database=2 * HOUR)
    await clock.measure(database)

    assert not clock.trusted
    assert world.is_right(clock)


@pytest.mark.parametrize("wrong", [-6 * HOUR, 2 * HOUR])
async def test_a_clock_that_is_wrong_at_the_start_is_doubted_before_anything_is_done(
    world: World, database: Database, wrong: float
) -> None:
    world.set(host=wrong, database=wrong)
    clock = await world.clock(database, one_witness=True)
    assert not clock.trusted

    world.set(host=0.0, database=0.0)  # it is set right
    await clock.measure(database)
    assert ("database", True) == (followed(clock), world.is_right(clock))


async def test_a_wrong_database_elsewhere_is_left_at_the_start(
    world: World, database: Database
) -> None:
    world.set(database=-6 * HOUR)
    clock = await world.clock(database)

    assert ("host", True) == (followed(clock), world.is_right(clock))


@pytest.mark.parametrize("discord", [None, 3 * HOUR, -3 * HOUR])
async def test_a_wrong_date_or_none_is_survived_by_the_two_others(
    world: World, database: Database, discord: float | None
) -> None:
    world.set(discord=discord)
    clock = await world.clock(database)

    assert ("database", True) == (followed(clock), world.is_right(clock))


async def test_while_discord_is_silent_what_it_said_goes_on(
    world: World, database: Database
) -> None:
    clock = await world.clock(database, one_witness=True)
    world.set(discord=None)
    world.let_pass(5 * HOUR)
    world.set(host=2 * HOUR, database=2 * HOUR)
    await clock.measure(database)
    assert not clock.trusted

    world.let_pass(HOLD + 1)
    await clock.measure(database)
    assert ("discord", True) == (followed(clock), world.is_right(clock))


async def test_discord_is_asked_when_it_was_not_heard_for_long_and_in_doubt(
    world: World, database: Database
) -> None:
    clock = await world.clock(database)
    assert world.asked == 1
    for _ in range(9):
        world.let_pass(60)
        await clock.measure(database)
    assert world.asked == 1

    world.let_pass(61)
    await clock.measure(database)
    assert world.asked == 2

    world.let_pass(11)
    world.set(database=2 * HOUR)
    await clock.measure(database)
    assert world.asked == 3


async def test_a_jump_of_the_host_is_looked_at_within_moments(
    world: World, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(agreed_clock, "TICK", 0.01)
    clock = await world.clock(database, one_witness=True)
    async with kept(clock, database), asyncio.timeout(10):
        world.set(host=2 * HOUR, database=2 * HOUR)
        while clock.trusted:  # noqa: ASYNC110 - it tells nobody
            await asyncio.sleep(0.01)


@pytest.mark.parametrize("by_id", [True, False])
async def test_what_discord_says_of_another_time_is_looked_at_within_moments(
    world: World, database: Database, monkeypatch: pytest.MonkeyPatch, *, by_id: bool
) -> None:
    monkeypatch.setattr(agreed_clock, "TICK", 0.01)
    clock = await world.clock(database)
    asked = world.asked
    async with kept(clock, database), asyncio.timeout(10):
        ahead, at = world.now + HOUR, machine.monotonic()
        if by_id:
            clock.hear_id(round(ahead * 1000))
        else:
            clock.hear(round(ahead), sent=at, received=at)
        while world.asked == asked:  # noqa: ASYNC110 - it tells nobody
            await asyncio.sleep(0.01)


async def test_ids_tell_where_answers_have_no_date(world: World, database: Database) -> None:
    world.set(discord=None, host=-6 * HOUR, database=-6 * HOUR)
    clock = await world.clock(database, one_witness=True)
    assert clock.trusted  # nobody gainsays it yet

    clock.hear_id(round(world.now * 1000))
    await clock.measure(database)
    assert not clock.trusted
    world.let_pass(HOLD + 1)
    await clock.measure(database)
    assert ("discord", True) == (followed(clock), world.is_right(clock))


async def test_ids_alone_may_be_late_and_put_no_clock_back(
    world: World, database: Database
) -> None:
    clock = await world.clock(database)
    for late in (0.0, 60.0, HOUR):
        clock.hear_id(round((world.now - late) * 1000))
    await clock.measure(database)

    assert ("database", True) == (followed(clock), world.is_right(clock))


@pytest.mark.parametrize("suspended", [60.0, HOUR, 24 * HOUR])
async def test_after_a_suspend_the_time_is_right_at_once(
    world: World, database: Database, suspended: float
) -> None:
    clock = await world.clock(database)
    world.let_pass(suspended)

    assert world.is_right(clock)
    await clock.measure(database)
    assert ("database", True) == (followed(clock), world.is_right(clock))


async def test_a_wait_ends_when_it_should_have_ended_during_a_suspend(
    world: World, database: Database
) -> None:
    clock, wake = await world.clock(database), asyncio.Event()
    started = time.monotonic()
    waiting = asyncio.create_task(clock.wait_until(clock.now() + 500, at_most=0.5, wake=wake))
    await asyncio.sleep(0.05)
    world.let_pass(HOUR)

    await asyncio.wait_for(waiting, 5)
    assert time.monotonic() - started < 2.0  # its rest, as asyncio's timers know of no suspend


async def test_a_database_that_is_away_is_taken_to_go_on(
    world: World, bot_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(agreed_clock, "PATIENCE", 0.2)
    async with Gate(bot_url) as gate, await connect(gate.url) as database:
        clock = await world.clock(database)
        await gate.close()
        world.let_pass(60)
        await clock.measure(database)

        assert ("database", True) == (followed(clock), world.is_right(clock))
        world.set(host=HOUR)
        await clock.measure(database)
        assert ("database", True) == (followed(clock), world.is_right(clock))


async def test_the_log_says_whose_time_is_followed_each_time_that_it_changes(
    world: World, database: Database
) -> None:
    with capture_logs() as told:
        clock = await world.clock(database)
        await clock.measure(database)
        world.set(database=2 * HOUR, discord=-2 * HOUR)
        for _ in range(2):
            await clock.measure(database)
            await world.answer(clock)
        world.let_pass(HOLD)
        await world.answer(clock)
        await clock.measure(database)

    said = [(line["log_level"], line["event"], line.get("clock")) for line in told]
    assert [
        ("info", "timer time follows", "database"),
        ("info", "timer time follows", "host"),
        ("error", "the clocks disagree; nothing ends until two agree", None),
        ("error", "the clocks disagree; one is followed", "discord"),
    ] == [line for line in said if "clocks disagree" in line[1] or "follows" in line[1]]


async def test_a_clock_that_was_never_measured_tells_no_time(database: Database) -> None:
    clock = AgreedClock(one_witness=True)

    assert not clock.trusted
    with pytest.raises(DatabaseError, match="not measured"):
        clock.now()
    await database.close()
    with pytest.raises(DatabaseError):
        await clock.measure(database)


async def test_a_clock_that_a_file_sets_is_compared_with_nobody(
    database: Database, tmp_path: Path
) -> None:
    write_clock(tmp_path / "clock", now=0, speed=1)
    async with open_agreed_clock(database, tmp_path / "clock", one_witness=True) as clock:
        assert isinstance(clock, FileClock)
        assert clock.trusted


async def test_it_is_kept_right_while_it_is_lent(
    world: World, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(agreed_clock, "TICK", 0.01)
    async with open_agreed_clock(database, None, one_witness=False) as clock, asyncio.timeout(10):
        assert isinstance(clock, AgreedClock)
        world.set(host=HOUR)
        while clock.trusted:  # noqa: ASYNC110 - it tells nobody
            await asyncio.sleep(0.01)


@pytest.mark.parametrize(
    ("url", "here"),
    [
        ("postgresql://bot@/timers?host=/run/postgresql", True),
        ("postgresql://bot@%2Frun%2Fpostgresql/timers", True),
        ("postgresql://bot@localhost:5433/timers", True),
        ("postgresql://bot@127.0.0.2/timers", True),
        ("postgresql://bot@[::1]:5432/timers", True),
        ("postgresql:///timers", True),
        ("postgresql://bot@db.example.org,127.0.0.1/timers", True),
        ("postgresql://bot@db.example.org/timers", False),
        ("postgresql://bot@10.0.0.5:5432/timers", False),
    ],
)
def test_a_database_on_a_socket_or_loopback_is_on_this_machine(url: str, *, here: bool) -> None:
    assert here == is_here(url)

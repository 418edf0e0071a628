"""The lease: one holder at a time, whatever any clock says, and somebody soon after its death."""

from collections.abc import Callable

import asyncpg
import pytest

from boostmon import machine
from boostmon.bot.relay.loop import RENEW_EVERY
from boostmon.database.connections.pool import Database
from boostmon.projections.effects.lease import TERM, Lease, Sighting

JUMPS = ("-1 hour", "-1 second", "0 seconds", "1 second", "2 hours", "10 years")
AS_BEFORE = """
UPDATE lease SET holder = $1, expires_at = clock_timestamp() + interval '20 seconds'
WHERE name = 'relay' AND (holder = $1 OR expires_at < clock_timestamp()) RETURNING name
"""

Make = Callable[[str], Lease]


class Hands:
    """The monotonic clock of every process of a test."""

    def __init__(self) -> None:
        self.seconds = 1000.0

    def __call__(self) -> float:
        return self.seconds


@pytest.fixture
def hands() -> Hands:
    """Lend the hands of the clock."""
    return Hands()


@pytest.fixture
def process(database: Database, hands: Hands) -> Make:
    """Lend a way to make the lease of one more process."""
    return lambda holder: Lease(database, name="relay", holder=holder, monotonic=hands)


async def move(owner: asyncpg.Connection, jump: str) -> None:
    """Leave the row as if the database's clock had jumped since it was written."""
    await owner.execute("UPDATE lease SET expires_at = expires_at - $1::text::interval", jump)


async def beat(hands: Hands, *leases: Lease) -> list[bool]:
    """Let each process claim, as the relay does, and five seconds pass."""
    held = [await lease.claim() for lease in leases]
    hands.seconds += RENEW_EVERY
    return held


async def test_one_holds_it_and_renews_it(process: Make, hands: Hands) -> None:
    one, other = process("one"), process("other")

    for _ in range(12):
        assert [True, False] == await beat(hands, one, other)


@pytest.mark.parametrize("jump", JUMPS)
async def test_a_dead_holder_is_replaced_after_a_term_whatever_the_row_says_of_the_time(
    process: Make, hands: Hands, owner: asyncpg.Connection, jump: str
) -> None:
    one, other = process("one"), process("other")
    await one.claim()
    died = hands.seconds
    await move(owner, jump)

    while not (await beat(hands, other))[0]:
        assert hands.seconds - died <= TERM + RENEW_EVERY
    assert hands.seconds - RENEW_EVERY - died >= TERM
    assert not one.held


@pytest.mark.parametrize("jump", JUMPS)
async def test_a_holder_who_is_alive_keeps_it_whatever_the_row_says_of_the_time(
    process: Make, hands: Hands, owner: asyncpg.Connection, jump: str
) -> None:
    one, other = process("one"), process("other")
    await one.claim()

    for _ in range(12):
        assert not (await beat(hands, other))[0]
        await move(owner, jump)
        assert await one.claim()


async def test_a_writing_that_says_the_same_is_another_writing(
    process: Make, hands: Hands, owner: asyncpg.Connection
) -> None:
    one, other = process("one"), process("other")
    await one.claim()

    for _ in range(12):
        assert not (await beat(hands, other))[0]
        await owner.execute("UPDATE lease SET expires_at = '2026-01-01'")  # a clock that stands


async def test_a_holder_who_was_replaced_does_not_hold_it(process: Make, hands: Hands) -> None:
    one, other = process("one"), process("other")
    await one.claim()
    await other.claim()
    hands.seconds += TERM
    assert await other.claim()

    assert [False, True] == [await one.claim(), await other.claim()]


@pytest.mark.parametrize("suspended", [TERM, 3600.0])
async def test_after_a_suspend_it_is_not_held_and_another_may_take_it(
    database: Database, monkeypatch: pytest.MonkeyPatch, suspended: float
) -> None:
    one, other = (Lease(database, name="relay", holder=name) for name in ("one", "other"))
    await one.claim()
    await other.claim()
    passed = machine.monotonic() + suspended
    monkeypatch.setattr(machine, "monotonic", lambda: passed)

    assert not one.held
    assert await other.claim()


async def test_a_new_database_is_free_at_once(process: Make) -> None:
    assert await process("one").claim()


async def test_what_was_let_go_of_is_taken_when_its_rest_is_over(
    process: Make, hands: Hands
) -> None:
    one, other = process("one"), process("other")
    await one.claim()
    await one.release(7.0)

    assert not await other.claim()
    hands.seconds += 6.9
    assert not await other.claim()
    hands.seconds += 0.2
    assert await other.claim()


@pytest.mark.parametrize("jump", JUMPS)
async def test_what_was_let_go_of_rests_a_term_at_most(
    process: Make, hands: Hands, owner: asyncpg.Connection, jump: str
) -> None:
    one, other = process("one"), process("other")
    await one.claim()
    await one.release(7.0)
    await move(owner, jump)
    await other.claim()

    hands.seconds += TERM
    assert await other.claim()


@pytest.mark.parametrize("jump", JUMPS)
async def test_a_holder_of_the_release_before_is_not_robbed(
    process: Make, hands: Hands, owner: asyncpg.Connection, jump: str
) -> None:
    await owner.fetchval(AS_BEFORE, "before")
    new = process("new")

    for _ in range(12):
        assert not (await beat(hands, new))[0]
        await move(owner, jump)
        assert await owner.fetchval(AS_BEFORE, "before")


async def test_the_release_before_takes_it_only_when_its_time_is_over(
    process: Make, owner: asyncpg.Connection
) -> None:
    new = process("new")
    await new.claim()
    assert not await owner.fetchval(AS_BEFORE, "before")

    await move(owner, "21 seconds")
    assert await owner.fetchval(AS_BEFORE, "before")
    assert not await new.claim()


def test_a_term_counts_from_the_answer_that_showed_it() -> None:
    seen = Sighting("1", since=100.0, rest=None)

    assert [False, False, True] == [seen.is_free(now) for now in (100.0, 119.9, 120.0)]

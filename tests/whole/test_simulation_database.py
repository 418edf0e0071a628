"""The database of the simulation, held against PostgreSQL: the same calls give the same."""

import ast
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from random import Random
from typing import Any

import asyncpg
import msgspec
import pytest

from boostmon.commands.handler import CommandHandler, Origin
from boostmon.commands.sweeper import Sweeper
from boostmon.database.clocks.clock import DatabaseClock
from boostmon.database.connections.pool import Database
from boostmon.errors import BoostmonError
from boostmon.events import sql as of_events
from boostmon.events.append import Source
from boostmon.events.store import EventStore
from boostmon.events.timer import HOUR, MINUTE
from boostmon.projections import sql as of_projections
from boostmon.projections.effects.direct_channels import DirectChannels
from boostmon.projections.effects.kinds import Effects
from boostmon.projections.effects.lease import Lease
from boostmon.projections.effects.observed import Observed
from boostmon.projections.effects.queue import OwedEffects
from boostmon.projections.effects.standings import Found, Standing, Standings
from boostmon.projections.role_timers import RoleTimers
from tests.simulation import orders, process, wiring
from tests.simulation.orders import Order, command_of
from tests.simulation.tables import Tables
from tests.simulation.twins import EVENTS, PROJECTIONS, twins

GUILDS = ("1600000000000000001", "1600000000000000002")
USERS = tuple(f"150000000000000000{n}" for n in range(5))
ROLES = ("1700000000000000001", "1700000000000000002")
NAMES = ("settime", "settime", "addtime", "removetime", "pausetime", "resumetime", "cleartime")
# What the bot asks that the simulation leaves out: nobody there looks at it.
UNUSED = {"may_write", "open_effects_counted", "stuck_of_member", "commands_known"}
STEPS = 400

EVENTS_TABLE = """
SELECT position, stream_id, version, data::text, a.user_id, source, command_id, ordinal
FROM events LEFT JOIN people AS a ON a.person_id = actor ORDER BY position
"""
EFFECTS_TABLE = """
SELECT position, kind, stream_id, state, attempts, looks, look_again_at IS NULL,
    attempted_at IS NULL, done_at IS NULL,
    last_error, due_at > clock_timestamp() + interval '100 seconds', receipt::text
FROM effects ORDER BY position, kind
"""
ROWS_TABLE = """
SELECT id, version, expires_at, warn_channel_id, paused, paused_at, paused_remaining_ms,
    next_due_at, guild_id, user_id, role_id
FROM role_timers ORDER BY id
"""
AGE = """
ALTER TABLE events DISABLE TRIGGER events_are_append_only;
UPDATE events SET recorded_at = recorded_at - interval '2 hours' WHERE position % 3 = 0;
ALTER TABLE events ENABLE ALWAYS TRIGGER events_are_append_only;
"""


class Memory:
    """The tables in memory, asked without any delay."""

    def __init__(self) -> None:
        self.tables = Tables(time.time, time.monotonic)
        self._twins = twins()

    async def run(self, operation: Callable[[Any], Awaitable[Any]]) -> Any:
        return await operation(self)

    async def fetch(self, query: str, *arguments: object) -> list[dict[str, Any]]:
        return self._twins[query](self.tables, *arguments)

    async def ask(self, question: Callable[[], tuple[str, Sequence[object]]]) -> Any:
        query, arguments = question()
        return await self.fetch(query, *arguments)

    async def fetchrow(self, query: str, *arguments: object) -> dict[str, Any] | None:
        rows = await self.fetch(query, *arguments)
        return rows[0] if rows else None

    async def fetchval(self, query: str, *arguments: object) -> Any:
        row = await self.fetchrow(query, *arguments)
        return None if row is None else next(iter(row.values()))

    execute = fetch

    @asynccontextmanager
    async def transaction(self, **_: object) -> AsyncIterator[None]:
        """Undo nothing: here what is recorded behind a move is always recorded."""
        yield


class Side:
    """The bot's classes over one of the two databases."""

    def __init__(self, database: Any) -> None:
        self.store = EventStore(database)
        self.handler = CommandHandler(self.store)
        self.owed = OwedEffects(database)
        self.observed = Observed(database)
        self.standings = Standings(database)
        self.channels = DirectChannels(database)
        self.timers = RoleTimers(database)
        self.effects = Effects(database)
        self.now = 0.0
        self.leases = [
            Lease(database, name="relay", holder=f"bot {n}", monotonic=lambda: self.now)
            for n in range(2)
        ]
        self.clock = DatabaseClock()
        self._database = database

    async def effect(self, number: int) -> Any:
        """Find one of the effects that are owed."""
        _, owed = await self.owed.all()
        if not owed:
            return None
        one = owed[number % len(owed)]
        return await self.owed.find(one.position, one.kind)

    async def standing(self, number: int) -> Standing | None:
        """Find one of the timers by the log."""
        for guild in GUILDS:
            found = await self.standings.of_member(guild, USERS[number % len(USERS)])
            if found:
                return found[number % len(found)]
        return None


Act = Callable[[Side], Awaitable[Any]]


def _acts(random: Random) -> list[Act]:
    """Draw one of each kind of call, some more often."""
    return [
        *[_command(random)] * 6,
        *_settling(random),
        *_reading(random),
        *_observed(random),
        *_looking(random),
    ]


def _command(random: Random) -> Act:
    user, now = random.choice(USERS), random.randrange(300) * MINUTE
    order = Order(
        command_id=str(random.randrange(500)),
        name=random.choice(NAMES),
        guild_id=GUILDS[int(user) % 2] if random.random() < 0.9 else random.choice(GUILDS),
        user_id=user,
        role_id=random.choice(ROLES),
        caller_id=random.choice(USERS),
        minutes=random.randrange(1, 90),
        channel_id=random.choice((None, "1900000000000000001")),
    )
    source: Source = "import" if random.random() < 0.25 else "slash"
    origin = Origin(command_id=order.command_id, source=source, actor_id=order.caller_id)

    async def command(side: Side) -> Any:
        return await side.handler.handle(orders.timer_of(order), command_of(order, now), origin)

    return command


def _settling(random: Random) -> list[Act]:
    number, seconds = random.randrange(1000), random.choice((0.0, 2000.0))
    message, role_name = str(random.randrange(8)), random.choice((None, "Gold"))
    answered = {"answered_at": "2030-01-01T00:00:00+00:00", "took_ms": "250"}
    receipt = random.choice((None, {}, {"reason": "gone"}, {"message_id": message}, answered))

    async def settle(side: Side) -> Any:
        if effect := await side.effect(number):
            await side.owed.close(effect, "done" if number % 4 else "superseded", receipt)

    async def attempt(side: Side) -> Any:
        if effect := await side.effect(number):
            await side.owed.attempting(effect, role_name=role_name)

    async def postpone(side: Side) -> Any:
        if effect := await side.effect(number):
            facts: Any = {"in_doubt": number % 2 == 0, "stuck": number % 3 == 0}
            await side.owed.postpone(effect, seconds=seconds, why="busy", **facts)

    async def supersede(side: Side) -> Any:
        _, owed = await side.owed.all()
        await side.owed.supersede(owed[: number % 3])

    async def hold(side: Side) -> Any:
        _, owed = await side.owed.all()
        why, wait = random.choice((("too low", 2000.0), ("an outage", None)))
        await side.owed.hold(owed[: number % 4], why, seconds=wait)

    async def close_all(side: Side) -> Any:
        _, owed = await side.owed.all()
        await side.owed.close_all(owed[: number % 2], "the role was deleted")

    return [*[settle] * 4, attempt, postpone, supersede, hold, close_all]


def _reading(random: Random) -> list[Act]:
    number, position = random.randrange(1000), random.randrange(150)
    user, now = random.choice(USERS), random.randrange(300) * MINUTE

    async def receipted(side: Side) -> Any:
        if effect := await side.effect(number):
            return sorted(await side.owed.receipted(effect, [str(n) for n in range(6)]))
        return None

    async def of_event(side: Side) -> Any:
        return sorted(await side.effects.of_event(position), key=lambda effect: effect.kind)

    async def sweep(side: Side) -> Any:
        parts: Any = {"store": side.store, "timers": side.timers, "clock": side.clock}
        return await Sweeper(**parts, interval=30).sweep(now)

    return [
        receipted,
        of_event,
        sweep,
        lambda side: side.owed.all(),
        lambda side: side.owed.since(position),
        lambda side: side.store.timer_of_command(str(number)),
        lambda side: side.effect(number),
        lambda side: side.owed.tell_put_off([position]),
        lambda side: side.channels.find(user),
        lambda side: side.channels.to_open(now, now + 200 * MINUTE, 3),
        lambda side: side.channels.take_opening(2, 40.0),
        lambda side: side.channels.close(500.0),
        lambda side: side.timers.due(now, (0, 0), 10),
        lambda side: side.timers.next_due_at(now),
        lambda side: side.timers.of_member(GUILDS[int(user) % 2], user),
    ]


def _observed(random: Random) -> list[Act]:
    guild, user, role = random.choice(GUILDS), random.choice(USERS), random.choice(ROLES)
    number, seconds = random.randrange(1000), random.choice((0.0, 2000.0))
    later = random.choice((1.0, 30.0))

    async def claim(side: Side) -> Any:
        side.now += later
        return await side.leases[number % 2].claim()

    return [
        lambda side: side.observed.of_role(guild, role),
        lambda side: side.observed.bot_returned(guild, now=(number % 10) * HOUR),
        lambda side: side.channels.note(user, str(number)),
        claim,
        lambda side: side.leases[number % 2].release(seconds),
    ]


def _looking(random: Random) -> list[Act]:
    guild, user = random.choice(GUILDS), random.choice(USERS)
    number, numbers = random.randrange(1000), [random.randrange(1, 11) for _ in range(4)]
    found: Found = random.choice(("not_held", "too_many_taken", "import_not_held"))

    async def reopen(side: Side) -> Any:
        standing = await side.standing(number)
        if standing and standing.change:
            return await side.standings.reopen(standing.change, standing.timer.user_id)
        return None

    async def note(side: Side) -> Any:
        if standing := await side.standing(number):
            await side.standings.note(standing, found)

    async def confirm(side: Side) -> Any:
        for standing in await side.standings.of_member(guild, user):
            if standing.change is not None:
                await side.standings.confirm_take(standing.change)

    async def in_doubt(side: Side) -> Any:
        return sorted(await side.standings.in_doubt(100))

    async def look(side: Side) -> Any:
        """Have some of the doubts due at once: nothing is in doubt for less than no time."""
        await side.standings._database.fetch(  # noqa: SLF001 - other pauses than the usual ones
            of_projections.statement("looked"), numbers, (0.0, 500.0), -1.0
        )

    return [
        reopen,
        reopen,
        note,
        note,
        look,
        lambda side: side.standings.of_member(guild, user),
        lambda side: side.standings.looked(numbers),
        lambda side: side.standings.put_off(numbers, 300.0),
        lambda side: side.standings.owe_roles(guild, user),
        lambda side: side.standings.owe_nothing(dict.fromkeys(numbers), seconds_ago=1.0),
        confirm,
        lambda side: side.standings.of_member(guild, user),
        in_doubt,
        lambda side: side.standings.decided(numbers[:1]),
        lambda side: side.standings.undecided(random.choice((guild, None))),
        lambda side: side.standings.tell_reopened(),
        lambda side: side.standings.servers(),
        lambda side: side.standings.members(guild, after=user if number % 2 else "", most=3),
        lambda side: side.owed.of_streams(numbers),
    ]


@pytest.mark.parametrize("seed", range(4))
async def test_it_answers_and_holds_what_postgresql_does(
    seed: int, database: Database, owner: asyncpg.Connection
) -> None:
    random, memory = Random(seed), Memory()  # noqa: S311 - the same each time
    sides = [Side(database), Side(memory)]
    for step in range(STEPS):
        number, state = random.randrange(1000), random.getstate()
        answers = []
        for side in sides:
            random.setstate(state)
            acts = _acts(random)
            answers.append(await _outcome(acts[number % len(acts)](side)))
        assert answers[0] == answers[1], (step, acts[number % len(acts)])
        if step % 100 == 99:
            await owner.execute(AGE)
            for event in memory.tables.events:
                event.recorded_at -= 7200.0 if event.position % 3 == 0 else 0.0
    for guild in GUILDS:
        real, modelled = [set(await side.observed.timed_roles(guild)) for side in sides]
        assert real == modelled
    await _compare(owner, memory.tables)


async def _outcome(asked: Awaitable[Any]) -> Any:
    try:
        return _plain(msgspec.to_builtins(await asked, builtin_types=(bytes,)))
    except BoostmonError as error:
        return repr(error)


def _plain(answer: Any) -> Any:
    """Leave out what two clocks cannot agree on."""
    match answer:
        case dict():
            return {
                key: value is None if key in HASHED else _plain(value)
                for key, value in answer.items()
            }
        case list() | tuple():
            return [_plain(value) for value in answer]
        case float():
            return round(answer / 10)
        case _:
            return answer


HASHED = (
    *("nonces", "recorded_at", "done_at", "begun_at", "given_after", "given_before"),
    *("look_again_at", "found_at", "reported_at"),
)


async def _compare(owner: asyncpg.Connection, tables: Tables) -> None:
    assert await _found(owner, EVENTS_TABLE) == [
        [
            *(e.position, e.stream.number, e.version, e.data),
            *(e.actor_id, e.source, e.command_id, e.ordinal),
        ]
        for e in tables.events
    ]
    assert await _found(owner, ROWS_TABLE) == [
        [
            *(row.stream.number, row.version, row.expires_at, row.warn_channel_id),
            *(row.paused_at is not None, row.paused_at, row.paused_remaining_ms),
            *(row.next_due_at, row.stream.guild_id, row.stream.user_id, row.stream.role_id),
        ]
        for _, row in sorted(tables.rows.items())
    ]
    far = tables.clock() + 100
    effects = [
        [
            *(e.position, e.kind, e.stream.number, e.state, e.attempts),
            *(e.looks, e.look_again_at is None),
            *(e.attempted_at is None, e.done_at is None, e.last_error, e.due_at > far, e.receipt),
        ]
        for _, e in sorted(tables.effects.items())
    ]
    found = await _found(owner, EFFECTS_TABLE)
    real = [[*row, _receipt(text and msgspec.json.decode(text))] for *row, text in found]
    assert real == [[*row, _receipt(receipt)] for *row, receipt in effects]


def _receipt(receipt: Any) -> Any:
    return receipt and {**receipt, "asked_at": "asked_at" in receipt}


async def _found(owner: asyncpg.Connection, question: str) -> list[list[Any]]:
    return [list(row) for row in await owner.fetch(question)]


async def test_it_hashes_as_postgresql_does(database: Database, owner: asyncpg.Connection) -> None:
    memory = Memory()
    order = Order(
        command_id="1",
        name="settime",
        guild_id=GUILDS[0],
        user_id=USERS[0],
        role_id=ROLES[0],
        caller_id=USERS[1],
        minutes=5,
    )
    origin = Origin(command_id="1", source="slash", actor_id=USERS[1])
    timer = orders.timer_of(order)
    await CommandHandler(EventStore(database)).handle(timer, command_of(order, 0), origin)
    row = await owner.fetchrow("SELECT recorded_at, hash FROM events")
    memory.tables.clock = row["recorded_at"].timestamp
    store: Any = EventStore(memory)  # type: ignore[arg-type]
    await CommandHandler(store).handle(timer, command_of(order, 0), origin)
    assert [row["hash"]] == [event.hash for event in memory.tables.events]


def test_every_statement_of_the_simulated_classes_has_its_twin() -> None:
    places = [Path(process.__file__), Path(wiring.__file__)]
    modules = {module for place in places for module in _imports(place)}
    files = {
        path.stem: path
        for package in (of_events, of_projections)
        for path in Path(str(package.__file__)).parent.glob("*.sql")
    }
    used = {
        constant
        for module in modules
        for constant in _constants(module)
        if constant in files and f'"{constant}"' in module.read_text()
    }
    missing = used - set(EVENTS) - set(PROJECTIONS) - UNUSED
    assert not missing, f"tests/simulation/twins.py has no {missing}"
    assert used >= {"read", "due", "owed_effect", "claim_lease"}


def _imports(place: Path) -> list[Path]:
    """List the modules with statements that *place* puts together."""
    root = Path(str(of_projections.__file__)).parents[3]
    names = [
        node.module
        for node in ast.walk(ast.parse(place.read_text()))
        if isinstance(node, ast.ImportFrom) and node.module
    ]
    layers = ("boostmon.projections.", "boostmon.events.store", "boostmon.events.append")
    wanted = [name for name in names if name.startswith(layers)] + ["boostmon.events.append"]
    return [root / (name.replace(".", "/") + ".py") for name in wanted]


def _constants(module: Path) -> set[str]:
    tree = ast.parse(module.read_text())
    return {
        node.value
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    }

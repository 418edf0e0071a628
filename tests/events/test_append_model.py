"""Batches of every mixture, held against a model that takes one piece after the other."""

import asyncio
import random
from itertools import count

import asyncpg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec import Struct

from boostmon.commands.handler import Origin, piece
from boostmon.config import PoolConfig
from boostmon.database.connections.pool import connect
from boostmon.events.append import (
    Append,
    Appended,
    Conflict,
    Elsewhere,
    Outcome,
    Repeated,
    Source,
)
from boostmon.events.store import EventStore, History, RecordedEvent
from boostmon.events.timer import (
    HOUR,
    Cleared,
    Expired,
    Paused,
    Resumed,
    TimeAdded,
    TimeRemoved,
    TimerEvent,
    TimerId,
    TimerSet,
    WarningSent,
)
from boostmon.projections.replay.run import check
from tests.support.timers import M

_runs = count(1)

EVENTS: tuple[tuple[TimerEvent, ...], ...] = (
    (TimerSet(1_000, HOUR, HOUR + 1_000, M),),
    (TimerSet(2_000, 2 * HOUR, 2 * HOUR + 2_000, M, "1100000000000000009"),),
    (TimeAdded(3_000, HOUR, expires_at=3 * HOUR, warning_minutes=M),),
    (TimeRemoved(4_000, HOUR, expires_at=4_000), Expired(4_000)),
    (Paused(5_000, HOUR),),
    (Resumed(6_000, HOUR + 6_000, M),),
    (Cleared(7_000, HOUR),),
    (WarningSent(8_000, 10, HOUR + 1_000),),
    (Expired(9_000),),
    (Expired(9_500), TimerSet(9_600, HOUR, HOUR + 9_600, M), Paused(9_700, HOUR - 100)),
    (Cleared(9_800, HOUR), TimerSet(9_900, HOUR, HOUR + 9_900, M)),
)


class Draft(Struct, frozen=True):
    """A piece to be: whose timer, how far from the right version, under which command."""

    user: int
    role: int
    guild: int
    off: int
    command: int
    actor: int | None
    source: Source
    events: int


class Trouble(Struct, frozen=True):
    """What somebody does to the tables between two batches."""

    what: str
    nth: int


DRAFTS = st.builds(
    Draft,
    st.integers(0, 3),
    st.integers(0, 1),
    st.sampled_from([0, 0, 0, 0, 1]),
    st.sampled_from([0, 0, 0, 0, 0, 1, -1, 2]),
    st.integers(0, 40),
    st.none() | st.integers(0, 5),
    st.sampled_from(["slash", "sweeper", "import", "cli", "discord"]),
    st.integers(0, len(EVENTS) - 1),
)
TROUBLES = st.builds(
    Trouble,
    st.sampled_from(["delete", "renumber", "scribble", "put off", "stuck", "done", "superseded"]),
    st.integers(0, 20),
)
PLANS = st.lists(
    st.tuples(st.lists(DRAFTS, min_size=1, max_size=14), st.lists(TROUBLES, max_size=3)),
    min_size=1,
    max_size=5,
)


class Model:
    """What the tables should hold of one run."""

    def __init__(self, run: int, head: int) -> None:
        self.run = run
        self.position = head
        self.streams: dict[tuple[str, str], History] = {}
        self.commands: dict[str, TimerId] = {}
        self.events: list[tuple[object, ...]] = []
        self.effects: dict[tuple[int, str], list[object]] = {}
        self.damaged: set[tuple[str, str]] = set()

    def user(self, number: int) -> str:
        return str(1_500_000_000_000_000_000 + self.run * 1_000 + number)

    def take(self, draft: Draft) -> tuple[Append, Outcome]:
        role, guild = f"170000000000000000{draft.role}", f"160000000000000000{draft.guild}"
        timer = TimerId(guild, self.user(draft.user), role)
        key = (timer.user_id, timer.role_id)
        history = self.streams.get(key) or History(timer, None)
        command = f"{self.run}:{draft.command}"
        origin = Origin(
            command_id=command,
            source=draft.source,
            actor_id=None if draft.actor is None else self.user(draft.actor),
        )
        events = list(EVENTS[draft.events])
        made = piece(History(timer, history.guild_id, history.recorded), events, origin)
        expected = max(0, made.expected_version + draft.off)
        append = Append(
            timer=timer,
            expected_version=expected,
            command_id=command,
            actor_id=made.actor_id,
            source=made.source,
            events=events,
            row=made.row,
            effects=made.effects,
        )
        return append, self._judge(append, key, history)

    def _judge(self, append: Append, key: tuple[str, str], history: History) -> Outcome:
        if append.command_id in self.commands:
            return Repeated(self.commands[append.command_id])
        if history.guild_id not in (None, append.timer.guild_id):
            assert history.guild_id is not None
            return Elsewhere(history.guild_id)
        if history.version != append.expected_version:
            return Conflict(history.version)
        for effect in self.effects.values():
            if effect[0] == key and effect[1] in ("owed", "stuck"):
                effect[2] = True
        recorded = list(history.recorded)
        for ordinal, (event, kinds) in enumerate(zip(append.events, append.effects, strict=True)):
            self.position += 1
            version = len(recorded) + 1
            recorded.append(RecordedEvent(event, version, self.position, append.command_id))
            self.events.append(
                (
                    self.position,
                    *(append.timer.guild_id, append.timer.user_id, append.timer.role_id),
                    version,
                    type(event).__name__,
                    append.actor_id,
                    append.source,
                    append.command_id,
                    ordinal,
                )
            )
            for kind in kinds:
                self.effects[self.position, kind] = [key, "owed", True]
        self.commands[append.command_id] = append.timer
        self.streams[key] = History(append.timer, append.timer.guild_id, tuple(recorded))
        self.damaged.discard(key)
        return Appended(len(recorded), self.position)


async def _trouble(owner: asyncpg.Connection, model: Model, trouble: Trouble) -> None:
    if trouble.what in ("delete", "renumber", "scribble"):
        rows = await owner.fetch(
            "SELECT user_id, role_id FROM role_timers"
            " WHERE user_id BETWEEN $1 AND $2 ORDER BY 1, 2",
            model.user(0),
            model.user(999),
        )
        if rows:
            key = tuple(rows[trouble.nth % len(rows)])
            change = {
                "delete": "DELETE FROM role_timers",
                "renumber": "UPDATE role_timers SET id = id + 100000000",
                "scribble": "UPDATE role_timers SET version = 77, paused = NOT paused,"
                " paused_at = 5, warnings_sent = NULL, guild_id = '1', created_at = NULL",
            }[trouble.what]
            await owner.execute(f"{change} WHERE user_id = $1 AND role_id = $2", *key)
            model.damaged.add(key)
        return
    if not model.effects:
        return
    key = list(model.effects)[trouble.nth % len(model.effects)]
    effect = model.effects[key]
    if trouble.what == "put off":
        effect[2] = False
        await owner.execute(
            "UPDATE effects SET due_at = 'infinity' WHERE position = $1 AND kind = $2", *key
        )
    else:
        effect[1], effect[2] = trouble.what, False
        await owner.execute(
            "UPDATE effects SET state = $3, due_at = 'infinity' WHERE position = $1 AND kind = $2",
            *key,
            trouble.what,
        )


async def _compare(owner: asyncpg.Connection, model: Model, first: int) -> None:
    events = await owner.fetch(
        """SELECT e.position, s.guild_id, p.user_id, s.role_id, e.version, e.data ->> 'type',
            a.user_id, e.source, e.command_id, e.ordinal
        FROM events AS e JOIN streams AS s USING (stream_id) JOIN people AS p USING (person_id)
        LEFT JOIN people AS a ON a.person_id = e.actor WHERE position > $1 ORDER BY 1""",
        first,
    )
    assert model.events == [tuple(row) for row in events]
    effects = await owner.fetch(
        """SELECT f.position, f.kind, p.user_id, s.role_id, f.state, f.due_at <= clock_timestamp()
        FROM effects AS f JOIN streams AS s USING (stream_id) JOIN people AS p USING (person_id)
        WHERE position > $1""",
        first,
    )
    found = {(r[0], r[1]): [(r[2], r[3]), r[4], r[5]] for r in effects}
    assert model.effects == found
    report = await check(owner)
    assert [] == report.broken
    drifted = {drift.number for drift in report.drifts}
    if not model.damaged:
        assert [] == report.drifts
    elif report.drifts:
        names = await owner.fetch(
            "SELECT stream_id, user_id, role_id FROM streams JOIN people USING (person_id)"
            " WHERE stream_id = ANY ($1)",
            [number % 100_000_000 for number in drifted],
        )
        assert {(r[1], r[2]) for r in names} <= model.damaged
    duplicates = await owner.fetch("SELECT user_id FROM people GROUP BY 1 HAVING count(*) > 1")
    assert [] == duplicates


async def _run(
    plan: list[tuple[list[Draft], list[Trouble]]], bot_url: str, owner_url: str, *, together: bool
) -> None:
    owner = await asyncpg.connect(owner_url)
    first = await owner.fetchval("SELECT coalesce(max(position), 0) FROM events")
    model = Model(next(_runs), first)
    async with await connect(bot_url, pool=PoolConfig(boostmon_pool_min=1)) as database:
        store = EventStore(database)
        for drafts, troubles in plan:
            pieces = [model.take(draft) for draft in drafts]
            appends = [append for append, _ in pieces]
            if together:
                outcomes = await store.append(*appends)
            else:
                outcomes = [(await store.append(append))[0] for append in appends]
            assert [expected for _, expected in pieces] == outcomes
            await _compare(owner, model, first)
            for trouble in troubles:
                await _trouble(owner, model, trouble)
        # Whatever is damaged heals with the next event of its timer.
        healing = []
        for number, key in enumerate(sorted(model.damaged)):
            draft = Draft(
                int(key[0]) % 1_000,
                int(key[1]) % 10,
                int(model.streams[key].guild_id or "0") % 10,
                0,
                1_000_000 + number,
                None,
                "cli",
                number % len(EVENTS),
            )
            healing.append(model.take(draft))
        if healing:
            outcomes = await store.append(*(append for append, _ in healing))
            assert [expected for _, expected in healing] == outcomes
        assert not model.damaged
        await _compare(owner, model, first)
    await owner.close()


@pytest.mark.parametrize("together", [True, False])
@settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(plan=PLANS)
def test_every_mixture_of_pieces_is_recorded_as_one_after_the_other(
    plan: list[tuple[list[Draft], list[Trouble]]], together: bool, bot_url: str, owner_url: str
) -> None:
    asyncio.run(_run(plan, bot_url, owner_url, together=together))


async def test_a_thousand_pieces_of_every_kind_are_recorded_as_one_after_the_other(
    bot_url: str, owner_url: str
) -> None:
    chance = random.Random(7)  # noqa: S311 - the same each time
    plan = [
        (
            [
                Draft(
                    chance.randrange(60),
                    chance.randrange(4),
                    int(chance.random() < 0.1),
                    chance.choice([0, 0, 0, 0, 1, -1]),
                    chance.randrange(3000),
                    chance.choice([None, *range(70)]),
                    "slash",
                    chance.randrange(len(EVENTS)),
                )
                for _ in range(1_000)
            ],
            [Trouble("renumber", 3), Trouble("delete", 9), Trouble("put off", 5)],
        )
        for _ in range(2)
    ]
    await _run(plan, bot_url, owner_url, together=True)

"""A run from its plan: time passes, trouble comes and goes, and all is judged."""

from collections import Counter
from collections.abc import Sequence

from msgspec import Struct

from tests.simulation.crashes import capture_crashes
from tests.simulation.happenings import Happenings
from tests.simulation.oracle import Violation, judge
from tests.simulation.plan import Plan
from tests.simulation.planted import planted
from tests.simulation.timeline import START
from tests.simulation.trace import Trace
from tests.simulation.universe import Universe

AGREEMENT = 1200.0  # seconds of quiet until Discord and the log must agree
LOOK = 0.5


class Summary(Struct, frozen=True, kw_only=True):
    """What came of a run."""

    plan: Plan
    violations: Sequence[Violation]
    commands: int
    acknowledged: int
    answers: int
    statements: int
    faults: Counter[str]
    events: Counter[str]
    seconds: float
    digest: str


def run(plan: Plan, trace: Trace | None = None, *, plant: str | None = None) -> Summary:
    """Carry *plan* out, with a bug planted if one is named, and judge what came of it."""
    trace = trace or Trace()
    with planted(plant), Universe(plan, trace) as universe, capture_crashes(universe.book):
        start, happenings = universe.timeline.now, Happenings(universe)
        for _ in range(plan.processes):
            universe.start()
        for moment in plan.moments:
            universe.run(start + moment.at)
            happenings.happen(moment)
        universe.run(start + plan.seconds)
        happenings.calm()
        universe.run(universe.timeline.now + AGREEMENT)
        universe.run_until(lambda: _is_quiet(universe), at_most=AGREEMENT, look_every=LOOK)
        return _summary(plan, universe, trace)


def _is_quiet(universe: Universe) -> bool:
    """Tell whether nothing is owed, due or under way."""
    tables = universe.server.tables
    soon = (tables.clock() + 1) * 1000
    due = bool(tables.due) and tables.due[0][0] <= soon
    return not tables.open and not due and not any(universe.wire.under_way.values())


def _summary(plan: Plan, universe: Universe, trace: Trace) -> Summary:
    wire, book = universe.wire, universe.book
    events = Counter(event.type for event in universe.server.tables.events)
    faults = universe.counts + wire.counts + universe.gateway.counts
    faults += Counter(universe.server.mood.counts)
    for event in universe.server.tables.events:
        trace.note(
            event.recorded_at, event.position, event.type, event.command_id, event.hash.hex()
        )
    return Summary(
        plan=plan,
        violations=judge(universe),
        commands=len(book.words),
        acknowledged=book.acknowledged,
        answers=wire.answers + universe.gateway.answers,
        statements=universe.server.asked,
        faults=faults,
        events=events,
        seconds=universe.timeline.now - START,
        digest=trace.digest,
    )

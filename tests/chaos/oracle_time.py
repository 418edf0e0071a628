"""The oracle of time: what was decided by a clock that is right, where clocks step."""

from collections.abc import Iterator

from tests.chaos.evidence import Evidence, Timer
from tests.chaos.violation import Violation

AGREES = 5.0  # seconds by which clocks that agree may differ
RECORDED = 60.0  # seconds in which what was decided is recorded, through whatever happens


def judge_time(evidence: Evidence) -> Iterator[Violation]:
    """No time runs out before it has passed, and no end is computed by a clock that is wrong."""
    ends: dict[Timer, int] = {}
    for event in evidence.events:
        off = evidence.apart(event, event.decided_at)
        if not -AGREES < off < RECORDED:
            said = f"{event.type} of {event.timer} at {event.position} by a clock {off:.0f} s off"
            yield Violation("wrong", said)
        if event.expires_at is not None:
            ends[event.timer] = event.expires_at
        if event.type == "Expired" and event.source == "sweeper":
            early = -evidence.apart(event, ends.get(event.timer, event.decided_at))
            if early > AGREES:
                said = f"{event.timer} ended at {event.position}, {early:.0f} s before its time"
                yield Violation("lost", said)

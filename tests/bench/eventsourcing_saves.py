"""Saves aggregates with the library `eventsourcing`; `competitor` runs it, in another Python."""

import json
import os
import time
from collections.abc import Callable
from threading import Thread
from uuid import UUID

from eventsourcing.application import Application
from eventsourcing.domain import Aggregate, event

THREADS = int(os.environ["THREADS"])
SECONDS = 1.0


class Timer(Aggregate):  # type: ignore[misc] # not installed where types are checked
    """A timer with the events of ours."""

    @event("Set")  # type: ignore[untyped-decorator]
    def __init__(self, user_id: str, role_id: str, expires_at: int) -> None:
        self.user_id, self.role_id, self.expires_at = user_id, role_id, expires_at
        self.paused = False

    @event("Added")  # type: ignore[untyped-decorator]
    def add(self, at: int, duration_ms: int, expires_at: int) -> None:
        self.at, self.duration_ms, self.expires_at = at, duration_ms, expires_at

    @event("Paused")  # type: ignore[untyped-decorator]
    def pause(self, at: int, remaining_ms: int) -> None:
        self.at, self.paused, self.remaining_ms = at, True, remaining_ms

    @event("Resumed")  # type: ignore[untyped-decorator]
    def resume(self, at: int, expires_at: int) -> None:
        self.at, self.paused, self.expires_at = at, False, expires_at


STEPS: list[Callable[[Timer], None]] = [
    lambda timer: timer.add(1_800_000_060_000, 3_600_000, 1_800_010_800_000),
    lambda timer: timer.add(1_800_000_120_000, -1_800_000, 1_800_009_000_000),
    lambda timer: timer.pause(1_800_000_180_000, 8_820_000),
    lambda timer: timer.resume(1_800_000_240_000, 1_800_009_060_000),
    lambda timer: timer.pause(1_800_000_300_000, 8_760_000),
]


def live(application: Application, end: float, counts: list[int], *, load: bool) -> None:
    """Let timers live, a save a command, until *end*."""
    done = 0
    while time.perf_counter() < end:
        timer = Timer("1200000000000000001", "1400000000000000001", 1_800_007_200_000)
        timer_id: UUID = timer.id
        application.save(timer)
        for step in STEPS:
            if load:
                timer = application.repository.get(timer_id)
            step(timer)
            application.save(timer)
        done += 1 + len(STEPS)
    counts.append(done)


def per_second(application: Application, *, load: bool) -> float:
    """Return how many commands were done a second by all threads."""
    counts: list[int] = []
    started = time.perf_counter()
    arguments = (application, started + SECONDS, counts)
    threads = [Thread(target=live, args=arguments, kwargs={"load": load}) for _ in range(THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return sum(counts) / (time.perf_counter() - started)


def main() -> None:
    """Print both rates as JSON."""
    application = Application()
    per_second(application, load=True)
    rates = {
        "saves": per_second(application, load=False),
        "loads_and_saves": per_second(application, load=True),
    }
    print(json.dumps(rates))
    application.close()


if __name__ == "__main__":
    main()

"""This machine's own clocks."""

import time

import pytest

from boostmon import machine


@pytest.mark.skipif(not hasattr(time, "CLOCK_BOOTTIME"), reason="Linux alone tells of suspends")
def test_a_suspend_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    suspended = 3600.0
    monkeypatch.setattr(time, "monotonic", lambda: 100.0)
    monkeypatch.setattr(time, "clock_gettime", lambda _clock: 100.0 + suspended)

    assert 3700.0 == machine.monotonic()


def test_machine_time_never_goes_back() -> None:
    first = machine.monotonic()

    assert machine.monotonic() >= first

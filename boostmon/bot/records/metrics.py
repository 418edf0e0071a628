"""Every metric: its name, what it means and its labels, none of which is an id."""

from collections.abc import Iterable
from itertools import product
from typing import TypeVar, get_args

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    ProcessCollector,
    disable_created_metrics,
)

from boostmon import __version__
from boostmon.bot.records.outcomes import COMMANDS, CommandOutcome, EffectOutcome
from boostmon.projections.effects.kinds import KINDS
from boostmon.projections.effects.standings import Found

QUICK = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)  # seconds
SLOW = (0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 900)
LATE = (1, 2, 5, 10, 30, 60, 120, 300, 900, 3600, 21600, 86400)

OPEN_STATES = ("owed", "stuck")
APPEND_OUTCOMES = ("appended", "conflict", "repeated", "elsewhere", "failed")
SCOPES = ("user", "shared", "global", "unknown")  # as Discord's X-RateLimit-Scope has them
RECONNECTS = ("resumed", "identified")

disable_created_metrics()  # type: ignore[no-untyped-call] # a time for each series, which nothing here needs

Kind = TypeVar("Kind", Counter, Gauge, Histogram)


class Metrics:
    """What one process counts, in a registry of its own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        self._commands()
        self._log()
        self._sweep()
        self._effects()
        self._discord()
        self._gateway()
        self._database()
        self._clock()

    def _commands(self) -> None:
        self.info = self._gauge("info", "1, with the version of BoostMon.", "version")
        self.info.labels(__version__).set(1)
        self.commands = self._counter(
            "commands", "Slash commands, by what came of them.", "command", "outcome"
        )
        _show(self.commands, COMMANDS, get_args(CommandOutcome))
        self.command_seconds = self._histogram(
            "command_duration_seconds",
            "From the arrival of a slash command to the last word of its answer.",
            "command",
            buckets=SLOW,
        )
        self.command_retries = self._counter(
            "command_retries", "Commands decided anew because another process was first."
        )

    def _log(self) -> None:
        self.append_seconds = self._histogram(
            "append_duration_seconds",
            "From asking for an append to its commit, with the wait for a call under way.",
            buckets=QUICK,
        )
        self.appends = self._counter(
            "appends", "Pieces of history given to the log, by what became of them.", "outcome"
        )
        _show(self.appends, APPEND_OUTCOMES)

    def _sweep(self) -> None:
        self.sweep_seconds = self._histogram(
            "sweep_duration_seconds", "How long a pass of the sweeper took.", buckets=QUICK
        )
        self.sweep_failures = self._counter("sweep_failures", "Passes of the sweeper that failed.")
        self.sweep_age = self._gauge(
            "sweep_age_seconds", "How long ago the last pass of the sweeper ended without failing."
        )
        self.sweep_interval = self._gauge("sweep_interval_seconds", "BOOSTMON_SWEEP_INTERVAL.")
        self.lateness = self._histogram(
            "lateness_seconds",
            "How long after its time a warning or an end was recorded.",
            "event",
            buckets=LATE,
        )
        _show(self.lateness, ("warning", "expiry"))

    def _effects(self) -> None:
        self.effects = self._counter(
            "effects", "Effects carried out, or tried, by what came of that.", "kind", "outcome"
        )
        _show(self.effects, KINDS, get_args(EffectOutcome))
        self.effect_seconds = self._histogram(
            "effect_duration_seconds",
            "How long it took to carry an effect out, with the wait for the pace.",
            "kind",
            buckets=SLOW,
        )
        _show(self.effect_seconds, KINDS)
        self.notice_lateness = self._histogram(
            "notice_lateness_seconds",
            "How long after its time a warning, or after the end the word of it, was sent.",
            "event",
            buckets=LATE,
        )
        _show(self.notice_lateness, ("warning", "expiry"))
        self.effects_open = self._gauge(
            "effects_open", "Effects that Discord is owed now, or is stuck with.", "kind", "state"
        )
        self.effects_oldest = self._gauge(
            "effects_oldest_seconds",
            "How long ago the oldest open effect was decided; 0 when there is none.",
            "kind",
            "state",
        )

        self.differences = self._counter(
            "differences",
            "Times that Discord was found to show a timed role otherwise than the log.",
            "found",
        )
        _show(self.differences, get_args(Found))
        self.members_compared = self._counter(
            "members_compared", "Members whose roles were compared with the log."
        )

    def _discord(self) -> None:
        self.requests = self._counter(
            "discord_requests",
            "Requests to Discord, by the status of the answer; `none`: no answer.",
            "method",
            "route",
            "status",
        )
        self.refused_for_pace = self._counter(
            "discord_429s", "Requests that Discord refused as too many, by its scope.", "scope"
        )
        _show(self.refused_for_pace, SCOPES)
        self.invalid_requests = self._gauge(
            "discord_invalid_requests", "Refused requests that count towards Discord's ban now."
        )
        self.invalid_limit = self._gauge(
            "discord_invalid_requests_limit", "At how many of them BoostMon pauses by itself."
        )
        self.stopped_since = self._gauge(
            "discord_stopped_since_seconds",
            "Since when Discord stops all requests for longer than a moment; 0: it does not.",
        )
        self.stopped_until = self._gauge(
            "discord_stopped_until_seconds",
            "Until when it does so; 0: it does not.",
        )

    def _gateway(self) -> None:
        self.gateway_up = self._gauge("gateway_up", "Whether the gateway is connected and ready.")
        self.gateway_latency = self._gauge(
            "gateway_latency_seconds", "From the last heartbeat to its answer; NaN before one."
        )
        self.reconnects = self._counter(
            "gateway_reconnects", "Connections to the gateway made again.", "how"
        )
        _show(self.reconnects, RECONNECTS)
        self.leader = self._gauge(
            "relay_leader", "Whether this process is the one that speaks to Discord."
        )

    def _database(self) -> None:
        self.database_up = self._gauge(
            "database_up", "Whether the database answered within a second."
        )
        self.database_repeats = self._counter(
            "database_repeats", "Times that something was asked again after a lost connection."
        )
        self.pool = self._gauge(
            "pool_connections", "Connections of the pool, by whether they are in use.", "state"
        )
        _show(self.pool, ("busy", "idle"))
        self.pool_limit = self._gauge("pool_limit", "BOOSTMON_POOL_MAX.")
        self.pool_waiting = self._gauge("pool_waiting", "Who waits for a connection of the pool.")

    def _clock(self) -> None:
        self.clock_trusted = self._gauge(
            "clock_trusted", "Whether timer time is borne out; while it is not, nothing ends."
        )
        self.clock_ahead = self._gauge(
            "clock_ahead_seconds", "By how much a clock is ahead of timer time.", "clock"
        )
        self.clock_followed = self._gauge(
            "clock_followed", "Whether timer time follows a clock.", "clock"
        )

    def _counter(self, name: str, meaning: str, *labels: str) -> Counter:
        return Counter(f"boostmon_{name}", meaning, labels, registry=self.registry)

    def _gauge(self, name: str, meaning: str, *labels: str) -> Gauge:
        return Gauge(f"boostmon_{name}", meaning, labels, registry=self.registry)

    def _histogram(
        self, name: str, meaning: str, *labels: str, buckets: tuple[float, ...]
    ) -> Histogram:
        return Histogram(
            f"boostmon_{name}", meaning, labels, registry=self.registry, buckets=buckets
        )


def _show(metric: Kind, first: Iterable[str], second: Iterable[str] = ()) -> None:
    """Have *metric* tell of these labels from the start: of what is not there no rate is known."""
    for labels in product(*filter(None, (tuple(first), tuple(second)))):
        metric.labels(*labels)

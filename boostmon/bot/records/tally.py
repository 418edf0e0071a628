"""Tells what came of commands and effects, each in one line of the logs, and counts it."""

from collections.abc import Mapping, Sequence

import structlog

from boostmon.bot.discord.refusals import Receipt, Verdict
from boostmon.bot.records.given import Given
from boostmon.bot.records.metrics import Metrics
from boostmon.bot.records.outcomes import Came, EffectOutcome, came_of_effect
from boostmon.commands.sweeper import SweepWatch
from boostmon.events.append import Outcome
from boostmon.events.timer import Expired, TimerEvent, TimerId, WarningSent
from boostmon.projections.effects.queue import Owed, OwedEffect
from boostmon.projections.effects.standings import UNDECIDED, Found, Standing

log = structlog.get_logger()


class Tally(SweepWatch):
    """Tells of commands and effects, and counts these, appends and sweeps."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics

    def command(self, given: Given, came: Came, seconds: float) -> None:
        """Tell what came of a command, *seconds* after it was given."""
        self._metrics.commands.labels(given.name, came.outcome).inc()
        self._metrics.command_seconds.labels(given.name).observe(seconds)
        facts = {
            "name": given.name,
            "outcome": came.outcome,
            "guild": given.guild_id,
            "user": given.user_id,
            "role": came.timer.role_id if came.timer else given.role_id,
            "by": given.by,
            "command_id": given.command_id,
            "position": came.position,
            "duration_ms": _ms(seconds),
        }
        log.info("command", **_told(facts))

    def effect(self, effect: OwedEffect, verdict: Receipt | Verdict, seconds: float) -> None:
        """Tell what came of an effect, carried out within *seconds*."""
        outcome, why = came_of_effect(verdict)
        self._metrics.effect_seconds.labels(effect.kind).observe(seconds)
        self._count(effect, effect.timer, outcome, duration_ms=_ms(seconds), why=why)

    def superseded(self, effect: Owed | OwedEffect) -> None:
        """Tell that an effect is no longer true, so that Discord is not asked."""
        whose = effect if isinstance(effect, Owed) else effect.timer
        self._count(effect, whose, "superseded", duration_ms=0.0)

    def _count(
        self,
        effect: Owed | OwedEffect,
        whose: Owed | TimerId,
        outcome: EffectOutcome,
        *,
        duration_ms: float,
        why: str | None = None,
    ) -> None:
        self._metrics.effects.labels(effect.kind, outcome).inc()
        facts = {
            "kind": effect.kind,
            "outcome": outcome,
            "guild": whose.guild_id,
            "user": whose.user_id,
            "role": whose.role_id,
            "command_id": effect.command_id,
            "position": effect.position,
            "duration_ms": duration_ms,
            "why": why,
        }
        tell = log.debug if outcome == "later" else log.info
        tell("effect", **_told(facts))

    def difference(self, standing: Standing, found: Found, actor_id: str | None) -> None:
        """Tell what Discord was found to show otherwise than the log, and what follows."""
        self._metrics.differences.labels(found).inc()
        facts = {
            "found": found,
            "guild": standing.timer.guild_id,
            "user": standing.timer.user_id,
            "role": standing.timer.role_id,
            "by": actor_id,
        }
        tell = log.warning if found in UNDECIDED else log.info
        tell("difference", **_told(facts))

    def compared(self, members: int) -> None:
        """Count members who were compared with the log."""
        self._metrics.members_compared.inc(members)

    def appended(self, seconds: float, outcomes: Sequence[Outcome]) -> None:
        """Count an append that took *seconds*."""
        self._metrics.append_seconds.observe(seconds)
        for outcome in outcomes:
            self._metrics.appends.labels(type(outcome).__name__.lower()).inc()

    def swept(self, seconds: float) -> None:
        """Count a pass of the sweeper."""
        self._metrics.sweep_seconds.observe(seconds)

    def sweep_failed(self) -> None:
        """Count a pass of the sweeper that failed."""
        self._metrics.sweep_failures.inc()

    def told(self, event: TimerEvent, late: float) -> None:
        """Count a notice that was sent *late* seconds after its time."""
        match event:
            case WarningSent():
                self._metrics.notice_lateness.labels("warning").observe(late)
            case Expired():
                self._metrics.notice_lateness.labels("expiry").observe(late)

    def recorded(self, event: TimerEvent, late: float) -> None:
        """Count a warning or an end, recorded *late* seconds after its time."""
        match event:
            case WarningSent():
                self._metrics.lateness.labels("warning").observe(max(0.0, late))
            case Expired():
                self._metrics.lateness.labels("expiry").observe(max(0.0, late))


def _told(facts: Mapping[str, object]) -> dict[str, object]:
    """Leave out what is not known."""
    return {key: value for key, value in facts.items() if value is not None}


def _ms(seconds: float) -> float:
    return round(seconds * 1000, 1)

"""Tells a person what became of each timer of a `boostmon import`."""

from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime

import click

from boostmon.bot.wording.durations import spoken
from boostmon.commands.imports.importer import Imported, Standing

WORDS = {
    "imported": "imported",
    "unchanged": "imported before, unchanged",
    "kept": "kept as it is here",
    "skipped": "skipped",
    "failed": "refused",
}
ALWAYS_NAMED = ("kept", "skipped", "failed")


def show(results: Sequence[Imported], *, dry_run: bool) -> None:
    """Print the timers that were not imported, with the reason, and how many of each there are.

    A *dry_run* prints those that would be imported, too.
    """
    for result in results:
        if result.outcome in ALWAYS_NAMED or (dry_run and result.outcome == "imported"):
            click.echo(_line(result, dry_run=dry_run))
    counts = Counter[str](result.outcome for result in results)
    for outcome in WORDS:
        if counts[outcome] or outcome == "imported":
            click.echo(f"{counts[outcome]} {_words(outcome, dry_run=dry_run)}")


def _line(result: Imported, *, dry_run: bool) -> str:
    told = [] if result.outcome == "failed" else [_standing(result.there)]
    if result.here is not None:
        told.append(f"here {_standing(result.here)}")
    if result.reason:
        told.append(result.reason)
    words, timer = _words(result.outcome, dry_run=dry_run), result.timer
    return f"{words}: member {timer.user_id}, role {timer.role_id}: {'; '.join(told)}"


def _standing(standing: Standing) -> str:
    if standing.remaining_ms is not None:
        return f"paused with {spoken(standing.remaining_ms)} left"
    if standing.expires_at is not None:
        return f"ends {datetime.fromtimestamp(standing.expires_at / 1000, UTC):%Y-%m-%d %H:%M} UTC"
    return "it has ended"


def _words(outcome: str, *, dry_run: bool) -> str:
    would = dry_run and outcome != "unchanged"
    return f"would be {WORDS[outcome]}" if would else WORDS[outcome]

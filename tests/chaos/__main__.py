"""`python -m tests.chaos --minutes M --seed S [--plant NAME]`."""

import argparse
import asyncio
import logging
import secrets
import shutil
import sys
import tempfile
from pathlib import Path

import click
import structlog
from msgspec import structs

from tests.chaos.before import UNBEARABLE
from tests.chaos.blows import ROUND
from tests.chaos.driver import Plan, Summary, run, short
from tests.support.release_before import release_before

PLANTS = (
    "role-before-event",
    "lease-ignored",
    "nonce-dropped",
    "doubt-forgotten",
    "absence-believed",
    "step-believed",
)


def main() -> None:
    """Run, and print what came of it; exit 1 when a promise was broken."""
    arguments = _arguments()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    seed = secrets.randbelow(1_000_000) if arguments.seed is None else arguments.seed
    plan = short(seed) if arguments.short else Plan(minutes=arguments.minutes, seed=seed)
    without = ROUND.keys() - set(arguments.only.split(",")) if arguments.only else set()
    without |= set(arguments.without.split(",")) if arguments.without else set()
    if arguments.old and not arguments.only:
        without |= UNBEARABLE.keys()
    plan = structs.replace(
        plan,
        plant=arguments.plant,
        standby=arguments.standby,
        old=arguments.old,
        without=plan.without | without,
    )
    if arguments.in_life:
        plan = structs.replace(plan, speed=None, settle=300.0)
    click.echo(f"seed {seed}")
    if arguments.old:
        see_that_it_can_be_had()
    folder = Path(tempfile.mkdtemp(prefix="boostmon-chaos-"))
    folder.chmod(0o711)  # root's PostgreSQL runs as another account
    summary = asyncio.run(run(plan, folder))
    show(summary)
    if summary.violations:
        click.echo(f"logs: {folder}")
        sys.exit(1)
    shutil.rmtree(folder)


def see_that_it_can_be_had() -> None:
    """End with a sentence when the release before cannot be had."""
    with tempfile.TemporaryDirectory() as folder:
        try:
            release_before(Path(folder))
        except LookupError as error:
            sys.exit(str(error))


def show(summary: Summary) -> None:
    """Print the summary."""
    for name, value in table(summary).items():
        click.echo(f"{name:<24}{value:>8}")
    for violation in summary.violations:
        click.echo(f"{violation.kind}: {violation.text}")


def table(summary: Summary) -> dict[str, object]:
    """Return what a run was, line by line."""
    kinds = summary.troubles
    return {
        "seed": summary.plan.seed,
        "minutes": summary.plan.minutes,
        "commands": summary.given,
        "acknowledged": summary.acknowledged,
        "events": sum(summary.events.values()),
        "expiries": summary.events["Expired"],
        "warnings": summary.events["WarningSent"],
        "notices delivered": summary.notices,
        **{f"effects of bot {n}": effects for n, effects in enumerate(summary.carried_out)},
        **dict(sorted(kinds.items())),
        "agreed after (s)": round(summary.agreed_after, 1),
        "settled after (s)": round(summary.settled_after, 1),
        "lost": summary.of("lost"),
        "twice": summary.of("twice"),
        "wrong": summary.of("wrong"),
    }


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    parser.add_argument("--minutes", type=float, default=1.0)
    parser.add_argument("--seed", type=int)
    parser.add_argument("--short", action="store_true", help="the run of `make test`")
    parser.add_argument("--standby", action="store_true", help="two servers, with failover")
    parser.add_argument("--old", action="store_true", help="one bot is of the release before")
    parser.add_argument("--plant", choices=PLANTS)
    parser.add_argument("--in-life", action="store_true", help="time goes as fast as everybody's")
    parser.add_argument("--only", help="kinds of trouble to have alone, with commas between")
    parser.add_argument("--without", help="kinds of trouble to leave out, with commas between")
    return parser.parse_args()


if __name__ == "__main__":
    main()

"""`python -m tests.simulation --seed N [--seconds S] [--plant NAME] [--shrink RUNS]`."""

import argparse
import secrets
import sys
import time

import click
from msgspec import structs

from tests.simulation import shapes
from tests.simulation.oracle import kind_of
from tests.simulation.plan import Plan, plan
from tests.simulation.planted import PLANTS
from tests.simulation.run import Summary, run
from tests.simulation.shrink import shrink, story
from tests.simulation.trace import Trace


def main() -> None:
    """Run, and print what came of it; exit 1 when a promise was broken."""
    arguments = _arguments()
    seed = secrets.randbelow(1_000_000) if arguments.seed is None else arguments.seed
    click.echo(f"seed {seed}")
    shape = shapes.FINDING.get(arguments.plant, shapes.ALL)
    if arguments.seconds is not None:
        shape = structs.replace(shape, seconds=arguments.seconds)
    trace = Trace(keeps=arguments.trace)
    began = time.perf_counter()
    summary = run(plan(seed, shape), trace, plant=arguments.plant)
    for name, value in table(summary, time.perf_counter() - began).items():
        click.echo(f"{name:<24}{value:>8}")
    if summary.violations and arguments.shrink:
        _shrink(summary, arguments)
    for line in trace.lines:
        click.echo(line, nl=False)
    for violation in summary.violations:
        click.echo(f"{violation.kind}: {violation.text}")
    sys.exit(1 if summary.violations else 0)


def _shrink(summary: Summary, arguments: argparse.Namespace) -> None:
    """Print the shortest story found that breaks a promise of the same kind."""
    kinds = {kind_of(violation) for violation in summary.violations}

    def fails(shorter: Plan) -> bool:
        found = run(shorter, plant=arguments.plant).violations
        return bool(kinds & {kind_of(violation) for violation in found})

    shorter = shrink(summary.plan, fails, most=arguments.shrink)
    click.echo(f"{len(shorter.moments)} of {len(summary.plan.moments)} moments are enough:")
    for line in story(shorter):
        click.echo(line)
    for violation in run(shorter, plant=arguments.plant).violations:
        click.echo(f"{violation.kind}: {violation.text}")


def table(summary: Summary, seconds: float) -> dict[str, object]:
    """Return what a run was, line by line."""
    return {
        "seed": summary.plan.seed,
        "simulated seconds": round(summary.seconds),
        "real seconds": round(seconds, 1),
        "commands": summary.commands,
        "acknowledged": summary.acknowledged,
        "answers of Discord": summary.answers,
        "statements": summary.statements,
        "faults": summary.faults.total(),
        **dict(sorted(summary.events.items())),
        **{f"- {kind}": times for kind, times in sorted(summary.faults.items())},
        "violations": len(summary.violations),
        "digest": summary.digest[:8],
    }


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.simulation", description=__doc__)
    parser.add_argument("--seed", type=int)
    parser.add_argument("--seconds", type=float, help="simulated")
    parser.add_argument("--plant", choices=sorted(PLANTS), help="a bug to be found")
    parser.add_argument("--shrink", type=int, default=0, metavar="RUNS", help="to a short story")
    parser.add_argument("--trace", action="store_true", help="print what happened, line by line")
    return parser.parse_args()


if __name__ == "__main__":
    main()

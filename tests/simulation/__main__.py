"""`python -m tests.simulation --seed N [--seconds S] [--plant NAME] [--shrink]`."""

import argparse
import secrets
import sys
import time

import click
from msgspec import structs

from tests.simulation import shapes
from tests.simulation.plan import plan
from tests.simulation.run import Summary, run
from tests.simulation.trace import Trace


def main() -> None:
    """Run, and print what came of it; exit 1 when a promise was broken."""
    arguments = _arguments()
    seed = secrets.randbelow(1_000_000) if arguments.seed is None else arguments.seed
    click.echo(f"seed {seed}")
    shape = structs.replace(shapes.USUAL, seconds=arguments.seconds)
    trace = Trace(keeps=arguments.trace)
    began = time.perf_counter()
    summary = run(plan(seed, shape), trace)
    for name, value in table(summary, time.perf_counter() - began).items():
        click.echo(f"{name:<24}{value:>8}")
    for line in trace.lines:
        click.echo(line, nl=False)
    for violation in summary.violations:
        click.echo(f"{violation.kind}: {violation.text}")
    sys.exit(1 if summary.violations else 0)


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
    parser.add_argument("--seconds", type=float, default=shapes.USUAL.seconds, help="simulated")
    parser.add_argument("--trace", action="store_true", help="print what happened, line by line")
    return parser.parse_args()


if __name__ == "__main__":
    main()

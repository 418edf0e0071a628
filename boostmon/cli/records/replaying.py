"""`boostmon replay`."""

import asyncio
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import click
import msgspec

from boostmon.cli.records.replay_report import progress_bars, show, show_past
from boostmon.cli.terminal.places import found_database, refuse_outdated
from boostmon.events.chain import Head, parse_head
from boostmon.projections.replay import run as replaying
from boostmon.projections.replay.past import Past, past
from boostmon.projections.replay.run import Report

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
DATE_DIGITS = 8  # 20261122 is a date in ISO 8601; every other number is milliseconds


class HeadParameter(click.ParamType):
    """A head, as `replay --check` prints it."""

    name = "POSITION:HASH"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Head:
        """Read it, or refuse it as wrong usage."""
        try:
            return parse_head(str(value))
        except ValueError:
            sentence = f"{value!r} is no head; give one that `boostmon replay --check` has printed."
            self.fail(sentence, param, ctx)


class Moment(click.ParamType):
    """A moment, in ISO 8601 or in milliseconds; in UTC if it does not say where."""

    name = "TIME"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> datetime:
        """Read it, or refuse it as wrong usage."""
        try:
            return _moment(str(value).strip())
        except (ValueError, OverflowError):
            sentence = f"{value!r} is no time; write 2026-11-22T18:30Z, 2026-11-22 or milliseconds."
            self.fail(sentence, param, ctx)


def _moment(text: str) -> datetime:
    if text.isascii() and text.isdigit() and len(text) != DATE_DIGITS:
        return EPOCH + timedelta(milliseconds=int(text))
    found = datetime.fromisoformat(text)
    return (found if found.tzinfo else found.replace(tzinfo=UTC)).astimezone(UTC)


@click.command()
@click.option("--check", is_flag=True, help="Change nothing; exit 1 if anything differs.")
@click.option("--head", type=HeadParameter(), help="Check that the log still has this head.")
@click.option("--as-of", type=Moment(), help="Show the timers as they stood then.")
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
def replay(*, check: bool, head: Head | None, as_of: datetime | None, as_json: bool) -> None:
    """Rebuild role_timers from the events, while the bot runs."""
    if as_of is not None and (check or head):
        raise click.UsageError("--as-of changes and checks nothing; leave out --check and --head.")
    if head is not None and not check:
        raise click.UsageError("--head is for --check; add it.")
    if as_of is not None:
        _look_back(as_of, as_json=as_json)
        return
    report = asyncio.run(_replay(check=check, noted=head))
    if as_json:
        click.echo(msgspec.json.encode(report))
    else:
        show(report, check=check)
    if report.broken or report.unreadable or (check and not report.clean):
        sys.exit(1)


def _look_back(as_of: datetime, *, as_json: bool) -> None:
    found = asyncio.run(_past(as_of))
    if as_json:
        click.echo(msgspec.json.encode(found))
    else:
        show_past(found)
    if found.broken or found.unreadable:
        sys.exit(1)


async def _replay(*, check: bool, noted: Head | None) -> Report:
    async with _owner() as owner:
        with progress_bars() as progress:
            if check:
                return await replaying.check(owner, noted=noted, progress=progress)
            return await replaying.replay(owner, progress=progress)


async def _past(as_of: datetime) -> Past:
    async with _owner() as owner:
        with progress_bars() as progress:
            return await past(owner, as_of, progress=progress)


@asynccontextmanager
async def _owner() -> AsyncIterator[Any]:
    async with found_database(os.environ) as place:
        await refuse_outdated(place)
        async with place.owner() as owner:
            yield owner

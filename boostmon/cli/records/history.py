"""`boostmon history`."""

import asyncio
import os
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import click
import msgspec
from rich.console import Console
from rich.table import Table
from rich.text import Text

from boostmon.bot.wording.durations import counted, spoken
from boostmon.cli.terminal.ids import Id
from boostmon.cli.terminal.places import found_database, refuse_outdated
from boostmon.events.timer import (
    MINUTE,
    Cleared,
    Expired,
    Paused,
    Resumed,
    TimeAdded,
    TimeRemoved,
    TimerEvent,
    TimerSet,
    WarningSent,
)
from boostmon.projections.effects.kinds import GIVE_ROLE, NOTICE, TAKE_ROLE
from boostmon.projections.effects.open_effects import OWED, unmarked
from boostmon.projections.reports import history as telling
from boostmon.projections.reports.history import Effect, Happening, Stand

PIPED_WIDTH = 1_000  # characters, so that in a pipe nothing is folded
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MOMENT = "%Y-%m-%d %H:%M"
SOURCES = {"sweeper": "BoostMon", "discord": "Discord", "import": "import", "cli": "command line"}
REASONS = {
    "asked": "cleared",
    "role_deleted": "cleared: the role was deleted",
    "taken_by_hand": "cleared: the role was taken by hand",
    "erased": "cleared: the person was erased",
}
DONE = {GIVE_ROLE: "role given", TAKE_ROLE: "role taken", NOTICE: "told"}
UNDONE = {GIVE_ROLE: "role not given", TAKE_ROLE: "role not taken", NOTICE: "not told"}


@click.command()
@click.argument("user", type=Id(pseudonyms=True))
@click.option("--guild", type=Id(), metavar="ID", help="Only in this server.")
@click.option("--role", type=Id(), metavar="ID", help="Only for this role.")
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
def history(*, user: str, guild: str | None, role: str | None, as_json: bool) -> None:
    """Show what happened to a member's timers, and who did it."""
    happenings = asyncio.run(_history(user, guild, role))
    if as_json:
        click.echo(msgspec.json.encode(happenings))
    elif happenings:
        console = Console()
        console = console if console.is_terminal else Console(width=PIPED_WIDTH)
        console.print(_table(happenings))
    else:
        click.echo(f"nothing happened to a timer of {user}{_where(guild, role)}")


async def _history(user: str, guild: str | None, role: str | None) -> list[Happening]:
    async with found_database(os.environ) as place:
        await refuse_outdated(place)
        async with place.owner() as owner:
            return await telling.history(owner, user, guild_id=guild, role_id=role)


def _where(guild: str | None, role: str | None) -> str:
    return (f" in server {guild}" if guild else "") + (f" for role {role}" if role else "")


def _table(happenings: list[Happening]) -> Table:
    """Return a row an event; the server is a column only where there are several."""
    several = len({happening.timer.guild_id for happening in happenings}) > 1
    table = Table(*(["server"] if several else []), "role", "when (UTC)", "who", "what")
    table.add_column("before → after", overflow="fold")
    table.add_column("Discord", overflow="fold")
    for happening in happenings:
        timer = happening.timer
        cells = [
            *([timer.guild_id] if several else []),
            timer.role_id,
            f"{happening.recorded_at.astimezone(UTC):{MOMENT}:%S}",
            happening.actor_id or SOURCES.get(happening.source, happening.source),
            what(happening.event) if happening.event else f"cannot be read: {happening.unread}",
            f"{_stand(happening.before)} → {_stand(happening.after)}{_at(happening)}",
            "\n".join(became(effect, happening) for effect in happening.effects),
        ]
        table.add_row(*map(Text, cells))  # a remedy may hold what rich takes for markup
    return table


def what(event: TimerEvent) -> str:
    """Say what an event did, in a few words."""
    match event:
        case TimerSet(duration_ms=duration, added=True):
            return f"{spoken(duration)} added, which started it"
        case TimerSet(duration_ms=duration):
            return f"set to {spoken(duration)}"
        case TimeAdded(duration_ms=duration):
            return f"{spoken(duration)} added"
        case TimeRemoved(duration_ms=duration):
            return f"{spoken(duration)} removed"
        case Paused():
            return "paused"
        case Resumed():
            return "resumed"
        case Cleared(because="server_given_up"):
            return "cleared: the server was given up"
        case Cleared(reason=reason):
            return REASONS[reason]
        case WarningSent(minutes=minutes):
            return f"warning of {counted(minutes, 'minute')}"
        case Expired():
            return "ended"


def became(effect: Effect, happening: Happening) -> str:
    """Say what became of what Discord was owed, with the remedy if it is stuck."""
    match effect.state:
        case "superseded":
            return f"{OWED[effect.kind]}: overtaken by a later change"
        case "owed":
            return f"{OWED[effect.kind]}{_because(effect.last_error)}"
        case "stuck":
            return f"{OWED[effect.kind]}, stuck{_because(effect.last_error)}"
        case "done":
            if effect.reason:
                return f"{UNDONE[effect.kind]}{_because(effect.reason)}"
            return DONE[effect.kind] + "".join(_place(effect, happening))


def _place(effect: Effect, happening: Happening) -> Iterator[str]:
    if effect.kind == NOTICE and effect.channel_id:
        in_channel = effect.channel_id == happening.notice_channel_id
        yield f" in channel {effect.channel_id}" if in_channel else " by direct message"


def _because(reason: str | None) -> str:
    return f": {unmarked(reason)}" if reason else ""


def _at(happening: Happening) -> str:
    """Say when the event happened if that is not when it was recorded, as after an import."""
    if happening.event is None:
        return ""
    at, recorded = happening.event.at, happening.recorded_at.timestamp() * 1000
    return f" (at {moment(at, f'{MOMENT}:%S')})" if abs(recorded - at) >= MINUTE else ""


def moment(ms: int, form: str) -> str:
    """Write *ms* as a time in UTC, or as it is when no calendar has it."""
    try:
        return f"{EPOCH + timedelta(milliseconds=ms):{form}}"
    except OverflowError:  # a log that was imported may say anything
        return f"{ms} ms"


def _stand(stand: Stand) -> str:
    match stand:
        case Stand(state="running", expires_at=int(end), remaining_ms=left):
            return f"ends {moment(end, MOMENT)}, {spoken(left)} left"
        case Stand(state="paused", remaining_ms=left):
            return f"paused, {spoken(left)} left"
        case _:
            return stand.state

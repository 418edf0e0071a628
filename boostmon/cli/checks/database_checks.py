"""Asks for `boostmon doctor` of the database, and of the log in it."""

from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from functools import partial
from typing import Any

from msgspec import Struct

from boostmon.cli.checks.examining import PATIENCE, Check, examine
from boostmon.cli.checks.settings_checkup import Settings
from boostmon.cli.terminal.places import Place, found_database
from boostmon.config import ClockConfig, DatabaseConfig, PoolConfig, load
from boostmon.database import checkup as database
from boostmon.database.clocks.agreed_clock import is_here
from boostmon.database.clocks.clock import skew, timer_time
from boostmon.database.embedded.postgres import holds_database
from boostmon.database.schema.exposure import look_at_schema
from boostmon.database.schema.rights import look_at_rights
from boostmon.database.writing import look_at_room, look_at_writing
from boostmon.finding import Area, Finding, green, yellow
from boostmon.projections.effects.departures import Departure, departed
from boostmon.projections.effects.owner import owner_of
from boostmon.projections.reports import checkup as log
from boostmon.projections.reports.timed_places import Timed, timed_places

VARIABLES = {"DATABASE_URL", "BOOSTMON_OWNER_DATABASE_URL", "BOOSTMON_DATA_DIR"}
REACHING = 13.0  # seconds; connecting is given up after 10
READING = 30.0  # seconds; counting a log of many millions takes some
STARTING = 60.0  # seconds for an embedded server
REMEDY = "Look at the load and at the log of the database server."
FIRST = "Mend what is red above first, and run `boostmon doctor` again."

Look = Callable[[Any], Awaitable[Sequence[Finding]]]


class Known(Struct):
    """What the database has told; *timed* and *ahead* are None when it could not be asked.

    *owner*: the application whose database it is, as far as that is known.
    *ahead*: of this machine's clock, in seconds. *is_here*: it is on this machine.
    """

    findings: list[Finding]
    timed: dict[str, Timed] | None = None
    owner: str | None = None
    departed: Sequence[Departure] = ()
    ahead: float | None = None
    is_here: bool = False


async def look_at_database(settings: Settings) -> Known:
    """Ask the database that the environment names, as far as it answers."""
    if settings.refused & VARIABLES:
        return Known([_not_looked_at("database"), _not_looked_at("log")])
    config = load(DatabaseConfig, settings.environ)
    if config.database_url is None and not holds_database(config.data_dir):
        found = f"There is no database in {config.data_dir} yet."
        remedy = "Start `boostmon run`, which makes one, or set DATABASE_URL to a PostgreSQL."
        return Known([yellow("database", found, remedy)])
    async with AsyncExitStack() as stack:
        places: list[Place] = []

        async def enter() -> list[Finding]:
            places.append(await stack.enter_async_context(found_database(settings.environ)))
            return []

        what = "the embedded database"
        opening = Check(area="database", what=what, ask=enter, remedy=REMEDY, patience=STARTING)
        findings = await examine([opening])
        if findings:
            return Known([*findings, _not_looked_at("log")])
        return await _look_at(places[0], settings)


async def _look_at(place: Place, settings: Settings) -> Known:
    roles: dict[str, str] = {}  # by URL

    async def log_in(url: str, variable: str) -> Sequence[Finding]:
        roles[url], findings = await database.look_at_login(url, variable)
        return findings

    logins = _logins(place)
    findings = await examine(_reaching(*login, log_in) for login in logins.items())
    known = Known(findings, is_here=is_here(place.url))
    if len(roles) < len(logins):
        known.findings.append(_not_looked_at("log"))
        return known
    migrated = await examine([_check(place, "database", "migrations", database.look_at_migrations)])
    known.findings += migrated
    usable = all(finding.colour == "green" for finding in migrated)
    if usable:
        of_roles = _of_roles(place, roles[place.url])
        known.findings += await examine([*of_roles, _owner(place, known)])
    known.findings += await examine(_of_server(place, settings, sorted(set(roles.values())), known))
    known.findings += (
        await examine(_of_log(place, settings, known)) if usable else [_not_looked_at("log")]
    )
    return known


def _logins(place: Place) -> dict[str, str]:
    """Return for each URL the variable that it comes from."""
    return {place.owner_url: place.owner_variable} | {place.url: place.variable}


def _reaching(
    url: str, variable: str, log_in: Callable[[str, str], Awaitable[Sequence[Finding]]]
) -> Check:
    return Check(
        area="database",
        what=f"the database of {variable}",
        ask=partial(log_in, url, variable),
        remedy=f"Check that it runs and that {variable} is right.",
        patience=REACHING,
    )


def _of_roles(place: Place, bot_role: str) -> list[Check]:
    async def room() -> Sequence[Finding]:
        async with place.owner() as connection:
            return await look_at_room(connection)

    of_room = Check(area="database", what="the disk", ask=room, remedy=REMEDY)
    return [
        of_room,
        *_of_schema(place, bot_role),
    ]


def _of_schema(place: Place, bot_role: str) -> list[Check]:
    return [
        _check(place, "database", what, look)
        for what, look in (
            ("the rights of the bot's role", partial(look_at_rights, bot_role=bot_role)),
            ("who may create", look_at_schema),
            ("writing the log", look_at_writing),
        )
    ]


def _owner(place: Place, known: Known) -> Check:
    async def look(connection: Any) -> Sequence[Finding]:
        known.owner = await owner_of(connection)
        if known.owner is None:
            return [green("database", "The database is no application's yet.")]
        return [green("database", f"The database is that of the application {known.owner}.")]

    return _check(place, "database", "whose the database is", look)


def _of_server(place: Place, settings: Settings, roles: list[str], known: Known) -> list[Check]:
    pool = load(PoolConfig, settings.environ)

    async def clocks(connection: Any) -> Sequence[Finding]:
        known.ahead = await skew(connection)
        return database.look_at_skew(known.ahead)

    return [
        _check(place, "database", what, look)
        for what, look in (
            ("the clocks", clocks),
            ("the connections", partial(database.look_at_connections, pool=pool)),
            ("standbys", database.look_at_standbys),
            ("slow statements", partial(database.look_at_slow_statements, roles=roles)),
        )
    ]


def _of_log(place: Place, settings: Settings, known: Known) -> list[Check]:
    clock_file = load(ClockConfig, settings.environ).clock_file

    async def sweep(connection: Any) -> Sequence[Finding]:
        return await log.look_at_sweep(connection, await timer_time(connection, clock_file))

    async def places(connection: Any) -> Sequence[Finding]:
        known.timed = await timed_places(connection)
        known.departed = await departed(connection)
        return []

    return [
        _check(place, "log", what, look)
        for what, look in (
            ("the log", log.look_at_log),
            ("role_timers", log.look_at_drift),
            ("what is due", sweep),
            ("what Discord is owed", log.look_at_effects),
            ("direct messages", log.look_at_openings),
            ("what Discord shows", log.look_at_differences),
            ("the roles that have timers", places),
        )
    ]


def _check(place: Place, area: Area, what: str, look: Look) -> Check:
    async def ask() -> Sequence[Finding]:
        async with database.reading(place.owner_url, place.owner_variable) as connection:
            return await look(connection)

    patience = READING if area == "log" else PATIENCE
    return Check(area=area, what=what, ask=ask, remedy=REMEDY, patience=patience)


def _not_looked_at(area: Area) -> Finding:
    return yellow(area, f"The {area} was not looked at.", FIRST)

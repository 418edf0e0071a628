"""Asks for `boostmon doctor` of Discord."""

from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any

from boostmon.bot.discord.proxy import by_way_of
from boostmon.bot.discord.reads import DiscordReads, discord_reads
from boostmon.bot.doctor import application_checks
from boostmon.bot.doctor.application_checks import Application
from boostmon.bot.doctor.invitation import link_for
from boostmon.bot.doctor.server_checks import absent, look_at_server
from boostmon.cli.checks.clock_check import look_at_agreement
from boostmon.cli.checks.database_checks import Known
from boostmon.cli.checks.examining import Check, examine
from boostmon.cli.checks.settings_checkup import Settings
from boostmon.config import ClockConfig, DiscordConfig, load
from boostmon.errors import ConfigurationError
from boostmon.finding import Finding, green, red, red_for, yellow
from boostmon.projections.reports.timed_places import Timed

VARIABLES = {"DISCORD_TOKEN", "DISCORD_GUILD_ID", "BOOSTMON_DISCORD_API"}
PATIENCE = 20.0  # seconds, for a few answers
MOST_SERVERS = 50  # those with most timers; the running bot needs its share of requests
MOST_ABSENT = 5
REMEDY = "Look at the network of this machine and at discordstatus.com; the bot tries by itself."


async def look_at_discord(settings: Settings, database: Known) -> list[Finding]:
    """Ask Discord as the bot, after what the *database* has told."""
    if settings.refused & VARIABLES:
        remedy = "Mend what is red above first, and run `boostmon doctor` again."
        return [yellow("discord", "Discord was not looked at.", remedy)]
    discord = load(DiscordConfig, settings.environ)
    try:
        way = by_way_of(discord.boostmon_discord_api)
    except ConfigurationError as error:
        return [red_for("discord", error, REMEDY)]
    async with discord_reads(discord) as reads:
        found: list[Application] = []

        async def whose() -> Sequence[Finding]:
            found.append(await application_checks.application_of(reads))
            return [application_checks.look_at_owner(found[0], database.owner)]

        findings = [green("discord", f"Discord is asked{way}.")] if way else []
        findings += await examine([_check("the token", whose)])
        if not found:
            return findings
        findings += application_checks.look_at_intents(found[0])
        findings += await examine(_of_application(reads, found[0], discord))
        if load(ClockConfig, settings.environ).clock_file is None:
            findings += look_at_agreement(
                database_ahead=database.ahead,
                discord_ahead=reads.ahead,
                one_witness=database.is_here,
            )
        return findings + await _servers(reads, found[0], discord, database)


def _of_application(
    reads: DiscordReads, application: Application, discord: DiscordConfig
) -> Iterator[Check]:
    yield _check("session starts", partial(application_checks.look_at_starts, reads))
    ask = partial(
        application_checks.look_at_commands,
        reads,
        application.application_id,
        discord.discord_guild_id,
    )
    yield _check("the commands", ask)


async def _servers(
    reads: DiscordReads,
    application: Application,
    discord: DiscordConfig,
    database: Known,
) -> list[Finding]:
    there: list[dict[str, Any]] = []

    async def list_servers() -> Sequence[Finding]:
        there.extend(await application_checks.servers(reads))
        if there:
            return []
        found = "BoostMon is in no server."
        remedy = f"Invite it: {link_for(application.application_id)}"
        return [yellow("discord", found, remedy)]

    findings = await examine([_check("the servers", list_servers)])
    if any(finding.colour == "red" for finding in findings):
        return findings
    known, bot_id = database.timed or {}, application.application_id
    ids = {server["id"] for server in there}
    gone = sorted(known.keys() - ids, key=lambda one: -_timers(known, one))
    left = {departure.guild_id: departure for departure in database.departed}
    findings += [absent(id_, bot_id, known[id_], left.get(id_)) for id_ in gone[:MOST_ABSENT]]
    if len(gone) > MOST_ABSENT:
        found = f"BoostMon is not in {len(gone) - MOST_ABSENT} more servers that have timers."
        findings.append(red("discord", found, f"Invite it there: {link_for(bot_id)}"))
    order = sorted(ids, key=lambda one: (-_timers(known, one), int(one)))
    for guild_id in order[:MOST_SERVERS]:
        findings += await examine(_of_server(reads, bot_id, guild_id, known, discord))
    if len(order) > MOST_SERVERS:
        found = f"{len(order) - MOST_SERVERS} of {len(order)} servers were not looked at."
        remedy = f"Look at those where something fails; these {MOST_SERVERS} have most timers."
        findings.append(yellow("discord", found, remedy))
    return findings


def _timers(timed: Mapping[str, Timed], guild_id: str) -> int:
    return timed[guild_id].roles.total() if guild_id in timed else 0


def _of_server(
    reads: DiscordReads,
    bot_id: str,
    guild_id: str,
    timed: Mapping[str, Timed],
    discord: DiscordConfig,
) -> Iterator[Check]:
    ask = partial(look_at_server, reads, bot_id, guild_id, timed.get(guild_id, Timed()))
    yield _check(f"the server {guild_id}", ask)
    if discord.discord_guild_id is None:
        ask = partial(application_checks.look_at_leftovers, reads, bot_id, guild_id)
        yield _check(f"the commands of the server {guild_id}", ask)


def _check(what: str, ask: Callable[[], Awaitable[Sequence[Finding]]]) -> Check:
    return Check(area="discord", what=what, ask=ask, remedy=REMEDY, patience=PATIENCE)

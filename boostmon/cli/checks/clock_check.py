"""Compares the clocks of the database, of this machine and of Discord for `boostmon doctor`."""

from boostmon.database.clocks.witnesses import AGREES, Judgement, Name, judge
from boostmon.finding import Finding, green, red, yellow

WHOSE: dict[Name, str] = {
    "database": "the database's",
    "host": "this machine's",
    "discord": "Discord's",
}
BY_NTP = "Let the machines set their clocks by NTP (`timedatectl set-ntp true`)"


def look_at_agreement(
    *, database_ahead: float | None, discord_ahead: float | None, one_witness: bool
) -> list[Finding]:
    """Say whose time a bot would follow; both are in seconds ahead of this machine's clock.

    *one_witness*: the database is on this machine. Nothing is said while only one is known.
    """
    if database_ahead is None or discord_ahead is None:
        return []
    clocks: dict[Name, float] = {"database": database_ahead * 1000, "host": 0.0}
    clocks["discord"] = discord_ahead * 1000
    judged = judge(clocks, one_witness=one_witness, now=0.0)
    if judged.followed is None:
        found = f"No two of the clocks agree: {_apart('database', database_ahead)}, "
        found += f"{_apart('discord', discord_ahead)}."
        remedy = f"{BY_NTP}: nothing ends until two agree; after ten minutes Discord's is followed."
        return [red("discord", found, remedy)]
    if abs(judged.ahead("discord")) * 1000 > AGREES:
        found = f"{_apart('discord', judged.ahead('discord'))}, and the two others agree."
        remedy = "Look whether a proxy on the way to Discord puts its own Date into the answers."
        return [yellow("discord", f"{found[:1].upper()}{found[1:]}", remedy)]
    return [green("discord", _followed(judged, judged.followed))]


def _followed(judged: Judgement, name: Name) -> str:
    others = [other for other in WHOSE if abs(judged.ahead(other)) * 1000 <= AGREES]
    listed = " and ".join(WHOSE[other] for other in others if other != name)
    return f"Timers end by {WHOSE[name]} clock, which agrees with {listed}."


def _apart(name: Name, ahead: float) -> str:
    if abs(ahead) * 1000 <= AGREES:
        return f"{WHOSE[name]} clock agrees with this machine's"
    where = "ahead of" if ahead > 0 else "behind"
    return f"{WHOSE[name]} clock is {abs(ahead):,.0f} s {where} this machine's"

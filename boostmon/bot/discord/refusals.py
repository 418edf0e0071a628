"""Judges a refusal of Discord: what is owed is settled, stuck until somebody acts, or passing.

The codes are those of Discord's documentation, topics/opcodes-and-status-codes, "JSON".
"""

from collections.abc import Callable

from msgspec import Struct

from boostmon.bot.discord.rest import RefusedError

UNKNOWN_CHANNEL = 10003
UNKNOWN_GUILD = 10004
UNKNOWN_MEMBER = 10007
UNKNOWN_ROLE = 10011
UNKNOWN_USER = 10013
NOT_THERE = (UNKNOWN_MEMBER, UNKNOWN_USER)
OPENING_TOO_FAST = 40003
MISSING_ACCESS = 50001
CANNOT_SEND_TO_USER = 50007
MISSING_PERMISSIONS = 50013
NO_MUTUAL_GUILD = 50278
TWO_FACTOR = 60003

INVITE = "Invite BoostMon to the server again, or give the server up with `boostmon forget-server`."
LOG_IN_ANEW = "Give BoostMon a valid DISCORD_TOKEN and start it again."
SECURE = (
    "Switch on two-factor authentication for the account that owns BoostMon's application: "
    "this server asks for it."
)

DELETED = "the role was deleted"

UNAUTHORIZED = 401
TOO_MANY_REQUESTS = 429
SERVER_ERROR = 500


Receipt = dict[str, str]  # what a confirmed effect notes: an id of Discord's, by its name


class Final(Struct, frozen=True):
    """Nothing is left to do; *reason* stands in the receipt.

    *in_doubt*: one answer says so, and the member is read again later.
    """

    reason: str
    in_doubt: bool = False


class Stuck(Struct, frozen=True):
    """Somebody must do what *remedy* says."""

    remedy: str


class Passing(Struct, frozen=True):
    """It may go better in a while; *in_doubt*: nobody knows whether it took effect."""

    why: str
    in_doubt: bool = False


class Later(Struct, frozen=True):
    """Discord was not asked: the pace asks for *seconds* more."""

    seconds: float


class Directly(Struct, frozen=True):
    """The channel takes no notice, for *why*; a direct message may do."""

    why: str


class Over(Struct, frozen=True):
    """It came too late, so that it is no longer true."""


Verdict = Final | Stuck | Passing | Later | Directly | Over


def judge_role_change(error: RefusedError, *, remedy: Callable[[], str]) -> Verdict:
    """Say what a refused role change means; *remedy* tells the one for a missing permission."""
    if error.code in NOT_THERE:
        return Final("the member has left the server", in_doubt=True)
    if error.code == UNKNOWN_ROLE:
        return Final(DELETED)
    if error.code in (UNKNOWN_GUILD, MISSING_ACCESS):
        return Stuck(INVITE)
    if error.code == MISSING_PERMISSIONS:
        return Stuck(remedy())
    if error.code == TWO_FACTOR:
        return Stuck(SECURE)
    return judge_other(error)


def judge_direct_message(error: RefusedError) -> Verdict:
    """Say what a refused direct message means."""
    if error.code in (CANNOT_SEND_TO_USER, NO_MUTUAL_GUILD, UNKNOWN_USER):
        return Final("the member takes no direct messages from BoostMon")
    if error.code == OPENING_TOO_FAST:
        return Passing(str(error))
    if closes_channel(error):  # such as 50033, for another bot
        return Final(f"Discord delivers no direct message to the member: {error}")
    return judge_other(error)


def closes_channel(error: RefusedError) -> bool:
    """Tell whether the channel itself is the trouble, so that a direct message may do."""
    return error.status != UNAUTHORIZED and not passes(error)


def is_no_longer_ours(error: RefusedError) -> bool:
    """Tell whether a channel of direct messages that refuses may be another application's."""
    return closes_channel(error) and error.code not in (CANNOT_SEND_TO_USER, NO_MUTUAL_GUILD)


def passes(error: RefusedError) -> bool:
    """Tell whether a refusal says nothing of what was asked for, and may be over soon."""
    is_of_discord = error.code or error.status == UNAUTHORIZED  # what stands before it has no codes
    return not is_of_discord or error.status == TOO_MANY_REQUESTS or error.status >= SERVER_ERROR


def judge_other(error: RefusedError) -> Verdict:
    """Say what a refusal means that may meet any request."""
    if error.status == UNAUTHORIZED:
        return Stuck(LOG_IN_ANEW)
    if passes(error):
        return Passing(str(error), in_doubt=error.status >= SERVER_ERROR)
    return Stuck(str(error))

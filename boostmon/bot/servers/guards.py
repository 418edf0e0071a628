"""Guards: refuse what may not be done, as far as values can tell; each refusal is one sentence."""

from typing import Literal

from msgspec import Struct

from boostmon.errors import RejectedError

Action = Literal["set", "add", "remove", "pause", "resume", "clear"]

STARTS_A_COUNTDOWN: frozenset[Action] = frozenset({"set", "resume"})
GIVES_THE_ROLE: frozenset[Action] = frozenset({"set", "add", "resume"})
ROLES_PAGE = "Server Settings → Roles"

_MARKDOWN = str.maketrans({character: f"\\{character}" for character in "\\*_~|`<[]:@"})


class OutsideServerError(RejectedError):
    """BoostMon works in servers only; give the command in one."""


class ServerUnseenError(RejectedError):
    """BoostMon is not in this server, or it just came; invite it, or try again in a moment."""


class EveryoneRoleError(RejectedError):
    """Everybody has `@everyone` for good; name another role."""


class ManagedRoleError(RejectedError):
    """An integration manages that role; name another one."""


class RolesForbiddenError(RejectedError):
    """BoostMon may not give roles; allow it **Manage Roles** in Server Settings → Roles."""


class RoleTooHighError(RejectedError):
    """BoostMon can only handle roles below its own; move its role up."""


class CallerTooLowError(RejectedError):
    """That role is not below your highest one; ask somebody who stands above it."""


class RoleDeletedError(RejectedError):
    """That role was deleted; `/cleartime` ends its timer."""


class MemberGoneError(RejectedError):
    """That user is not in this server; a countdown starts only for a member."""


class NothingToDoError(RejectedError):
    """That user has no timer here to which this applies; `/timeleft` lists them."""


class NotAllowedError(RejectedError):
    """You may not use this command here any more; ask somebody who may."""


class NotYourMenuError(RejectedError):
    """Only the one who gave the command may choose; give the command yourself."""


BY_STANDING = (  # what they refuse depends on what is known of the server
    ManagedRoleError,
    RolesForbiddenError,
    RoleTooHighError,
    CallerTooLowError,
    RoleDeletedError,
)


class Rank(Struct, frozen=True):
    """A place in a server's order of roles."""

    position: int
    role_id: int

    def outranks(self, other: "Rank") -> bool:
        """Tell whether this stands above *other*; of two at one position the older one does."""
        return (self.position, -self.role_id) > (other.position, -other.role_id)


class RoleFacts(Struct, frozen=True, kw_only=True):
    """A role of the server, as Discord describes it."""

    role_id: str
    name: str
    rank: Rank
    everyone: bool = False
    managed: bool = False
    manages_roles: bool = False


class Standing(Struct, frozen=True, kw_only=True):
    """Who stands where in the server: the caller and the bot, each by the highest role."""

    caller_owns: bool
    caller: Rank
    bot: Rank
    bot_manages_roles: bool


def escaped(name: str) -> str:
    """Return *name*, chosen by anybody, so that it shows as it is and mentions nobody."""
    return " ".join(name.split()).translate(_MARKDOWN) or "(no name)"


def check_role(role: RoleFacts | None, standing: Standing, action: Action) -> None:
    """Raise `RejectedError` unless *action* is the caller's to ask and in the bot's power.

    No *role* means one that was deleted: its timer can still be ended.
    """
    if role is None:
        if action in GIVES_THE_ROLE:
            raise RoleDeletedError
        return
    if role.everyone:
        raise EveryoneRoleError
    if action != "clear":  # a timer can always be ended; the reply says why the role stays
        _check_power(role, standing)
    if not standing.caller_owns and not standing.caller.outranks(role.rank):
        raise CallerTooLowError(
            f"**{escaped(role.name)}** is not below your highest role; "
            "ask somebody who stands above it, or the server's owner."
        )


def check_member(user_id: str, action: Action, *, here: bool) -> None:
    """Raise `MemberGoneError` when *action* starts a countdown for somebody who is not *here*."""
    if not here and action in STARTS_A_COUNTDOWN:
        raise gone(user_id)


def gone(user_id: str) -> MemberGoneError:
    """Return the refusal to start a countdown for *user_id*, who is not in the server."""
    return MemberGoneError(
        f"<@{user_id}> is not in this server; a countdown can start once they are back."
    )


def _check_power(role: RoleFacts, standing: Standing) -> None:
    """Raise `RejectedError` when the bot cannot give and take *role*."""
    if role.managed:
        raise ManagedRoleError(
            f"**{escaped(role.name)}** is managed by an integration, "
            "which alone can give it; name another role."
        )
    if not standing.bot_manages_roles:
        raise RolesForbiddenError
    if not standing.bot.outranks(role.rank):
        raise RoleTooHighError(
            f"Move BoostMon's role above **{escaped(role.name)}** in {ROLES_PAGE}."
        )

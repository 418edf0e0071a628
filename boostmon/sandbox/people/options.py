"""The options that a person fills in, checked as their Discord app would."""

from typing import Any

from boostmon.sandbox.rules import content
from boostmon.sandbox.world import permissions, render
from boostmon.sandbox.world.errors import ControlError
from boostmon.sandbox.world.model import Guild, World

Json = dict[str, Any]

SUBCOMMAND, GROUP, STRING, INTEGER, BOOLEAN = 1, 2, 3, 4, 5
USER, CHANNEL, ROLE, MENTIONABLE, NUMBER, ATTACHMENT = 6, 7, 8, 9, 10, 11
_KINDS_OF_SELECT = {
    content.USER_SELECT: USER,
    content.ROLE_SELECT: ROLE,
    content.MENTIONABLE_SELECT: MENTIONABLE,
    content.CHANNEL_SELECT: CHANNEL,
}


class Resolver:
    """Gathers what the ids in options stand for."""

    def __init__(self, world: World, guild: Guild | None) -> None:
        self._world, self._guild = world, guild
        self.found: dict[str, Json] = {}

    def take(self, select_type: int, values: list[str]) -> None:
        """Gather what was chosen in a select menu."""
        kind = _KINDS_OF_SELECT.get(select_type)
        for value in values if kind else ():
            self.resolve(kind or 0, value)

    def resolve(self, kind: int, value: str) -> None:
        """Gather what *value* stands for, or complain that it stands for nothing."""
        if kind in (USER, MENTIONABLE) and value in self._world.users:
            self._user(value)
        elif kind in (ROLE, MENTIONABLE) and self._guild and value in self._guild.roles:
            shown = render.role(self._guild.roles[value])
            self.found.setdefault("roles", {})[value] = shown
        elif kind == CHANNEL and self._guild and value in self._guild.channels:
            self._channel(value)
        else:
            raise ControlError(f"{value} is nothing that could be picked here")

    def _user(self, user_id: str) -> None:
        user = render.user(self._world.users[user_id])
        self.found.setdefault("users", {})[user_id] = user
        if self._guild and (member := self._guild.members.get(user_id)):
            allowed = str(permissions.in_guild(self._guild, member))
            shown = render.partial_member(member) | {"permissions": allowed}
            self.found.setdefault("members", {})[user_id] = shown

    def _channel(self, channel_id: str) -> None:
        assert self._guild  # noqa: S101 -- the caller looked
        channel = self._guild.channels[channel_id]
        shown = render.channel(self._world, channel)
        shown.pop("permission_overwrites")
        self.found.setdefault("channels", {})[channel_id] = shown

    def channel_type(self, channel_id: str) -> int | None:
        """Return the type of a channel of this server."""
        channel = self._guild.channels.get(channel_id) if self._guild else None
        return channel.type if channel else None


def check_options(
    registered: list[Json], given: list[Json], resolver: Resolver, *, typing: bool
) -> list[Json]:
    """Return what goes to the bot, or complain about what no app would send."""
    known = {option["name"]: option for option in registered}
    names = [option.get("name") for option in given]
    if len(names) != len(set(names)):
        raise ControlError("an option is given twice")
    for name in names:
        if name not in known:
            raise ControlError(f"the command has no option {name}")
    _check_present(registered, names, typing=typing)
    return [_option(known[option["name"]], option, resolver, typing=typing) for option in given]


def _check_present(registered: list[Json], names: list[Any], *, typing: bool) -> None:
    nested = [o["name"] for o in registered if o["type"] in (SUBCOMMAND, GROUP)]
    if nested and len(names) != 1:
        raise ControlError(f"one of the sub-commands {nested} is needed")
    for option in registered:
        if option.get("required") and option["name"] not in names and not typing:
            raise ControlError(f"option {option['name']} is required")


def _option(known: Json, given: Json, resolver: Resolver, *, typing: bool) -> Json:
    kind = known["type"]
    if given.get("type", kind) != kind:
        raise ControlError(f"option {known['name']} is of type {kind}")
    if kind == ATTACHMENT:
        raise ControlError("attachments are not offered here")
    sent: Json = {"name": known["name"], "type": kind}
    if kind in (SUBCOMMAND, GROUP):
        inner = given.get("options", [])
        known_inner = known.get("options", [])
        return sent | {"options": check_options(known_inner, inner, resolver, typing=typing)}
    value = given.get("value")
    if given.get("focused"):
        if not typing or not known.get("autocomplete"):
            raise ControlError(f"option {known['name']} does not complete what is typed")
        return sent | {"value": str(value), "focused": True}
    _check_value(known, value)
    if kind in (USER, CHANNEL, ROLE, MENTIONABLE):
        value = str(value)
        resolver.resolve(kind, value)
        _check_channel(known, value, resolver)
    return sent | {"value": value}


def _check_channel(known: Json, value: str, resolver: Resolver) -> None:
    allowed = known.get("channel_types")
    if known["type"] == CHANNEL and allowed and resolver.channel_type(value) not in allowed:
        raise ControlError(f"option {known['name']} takes only channels of types {allowed}")


def _check_value(known: Json, value: Any) -> None:
    name, kind = known["name"], known["type"]
    expected = {INTEGER: int, BOOLEAN: bool, NUMBER: (int, float)}.get(kind, str)
    wrong_bool = isinstance(value, bool) and kind != BOOLEAN
    if not isinstance(value, expected) or wrong_bool:  # type: ignore[arg-type] # a type or a tuple of types
        raise ControlError(f"option {name} has a value of the wrong kind")
    choices = [choice["value"] for choice in known.get("choices", [])]
    if choices and value not in choices:
        raise ControlError(f"option {name} takes only {choices}")
    size = len(value) if isinstance(value, str) and kind == STRING else None
    measured = size if size is not None else value
    low, high = ("min_length", "max_length") if kind == STRING else ("min_value", "max_value")
    if kind not in (STRING, INTEGER, NUMBER):
        return
    if kind == STRING and not value:
        raise ControlError(f"option {name} is empty")
    if measured < known.get(low, measured) or measured > known.get(high, measured):
        raise ControlError(f"option {name} is outside its bounds")

"""Reads in a server's Integrations settings who may use which command."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from msgspec import Struct

ROLE, USER, CHANNEL = 1, 2, 3


class Use(Struct, frozen=True, kw_only=True):
    """Somebody with *roles* uses a command in a channel of a server."""

    guild_id: str
    channel_id: str
    user_id: str
    roles: Collection[str]


class Setting(Struct, frozen=True):
    """One rule: a role, a user or a channel is allowed, or is not."""

    of: str
    kind: int
    allowed: bool


Settings = Mapping[str, Sequence[Setting]]


def settings_of(answer: Sequence[Mapping[str, Any]]) -> Settings:
    """Read Discord's *answer*: the rules of each command and, by its id, of the application."""
    return {
        str(rules["id"]): [
            Setting(str(rule["id"]), rule["type"], rule["permission"])
            for rule in rules["permissions"]
        ]
        for rules in answer
    }


def ruling(settings: Settings, keys: Sequence[str], use: Use) -> bool | None:
    """Say whether *settings* allow a use; None: they leave it to the default permission.

    *keys* are the command's id and the application's: what the first says of somebody counts, else
    the second. A user's rule goes before those of roles, any of which allows, and these before
    that of everybody (interactions/application-commands, "Permissions").
    """
    for places in ({use.channel_id}, {str(int(use.guild_id) - 1)}):  # this one, then all channels
        found = _first(settings, keys, CHANNEL, places)
        if found is False:
            return False
        if found:
            break
    subjects: tuple[tuple[int, Collection[str]], ...] = (
        *((USER, {use.user_id}), (ROLE, set(use.roles) - {use.guild_id})),
        (ROLE, {use.guild_id}),
    )
    for key in keys:
        for kind, ids in subjects:
            if (found := _first(settings, [key], kind, ids)) is not None:
                return found
    return None


def _first(settings: Settings, keys: Sequence[str], kind: int, ids: Collection[str]) -> bool | None:
    for key in keys:
        rules = settings.get(key, ())
        found = [rule.allowed for rule in rules if rule.kind == kind and rule.of in ids]
        if found:
            return any(found)
    return None

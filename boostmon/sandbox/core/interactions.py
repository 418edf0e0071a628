"""Interactions: their clocks, and whether the reply is loading, public or private."""

import asyncio
import base64
import secrets
from typing import Any

from msgspec import Struct, field

from boostmon.sandbox.world.errors import refuse

COMMAND, COMPONENT, AUTOCOMPLETE, SUBMIT = 2, 3, 4, 5
MESSAGE, DEFER, DEFER_UPDATE, UPDATE, CHOICES, MODAL = 4, 5, 6, 7, 8, 9
DEADLINE, LIFETIME = 3.0, 15 * 60.0
_KEPT = 20_000

Json = dict[str, Any]


class Interaction(Struct, kw_only=True):
    """One use of a command or component, and all that came of it."""

    id: str
    token: str
    bot_id: str
    type: int
    channel_id: str
    user_id: str
    payload: Json
    created: float
    guild_id: str | None = None
    delivered: int = 0
    acknowledged_ms: int | None = None
    callback_type: int | None = None
    flags: int = 0
    original_id: str | None = None
    source_id: str | None = None
    opened_by: str | None = None
    """The interaction whose form this is the submission of."""
    deleted: bool = False
    edits: int = 0
    followup_ids: list[str] = []
    choices: list[Json] | None = None
    modal: Json | None = None
    history: list[Json] = []
    """Every state of the reply, as the user saw it, each with its age in milliseconds."""
    changed: asyncio.Event = field(default_factory=asyncio.Event)

    def leaves(self) -> list[Json]:
        """Return the options that have values, below any sub-commands."""
        return leaves(self.payload["data"].get("options", []))


def leaves(options: list[Json]) -> list[Json]:
    """Return the options of a command that have values, below any sub-commands."""
    for option in options:
        if "options" in option:
            return leaves(option["options"])
    return [option for option in options if "value" in option]


class Interactions:
    """The interactions of late."""

    def __init__(self) -> None:
        self._by_id: dict[str, Interaction] = {}
        self._by_token: dict[str, Interaction] = {}

    def __iter__(self) -> Any:
        return iter(self._by_id.values())

    def add(self, interaction: Interaction) -> None:
        """Take in a new one, and forget the oldest when there are very many."""
        self._by_id[interaction.id] = interaction
        self._by_token[interaction.token] = interaction
        if len(self._by_id) > _KEPT:
            oldest = self._by_id.pop(next(iter(self._by_id)))
            del self._by_token[oldest.token]

    def get(self, interaction_id: str) -> Interaction | None:
        """Find one by its id."""
        return self._by_id.get(interaction_id)

    def to_answer(self, interaction_id: str, token: str, now: float) -> Interaction:
        """Return the one to be answered for the first time, in time, or refuse."""
        found = self._by_id.get(interaction_id)
        if found is None or found.token != token:
            raise refuse(10062)
        if found.acknowledged_ms is not None:
            raise refuse(40060)
        if now - found.created > DEADLINE:
            raise refuse(10062)
        return found

    def by_token(self, bot_id: str, token: str, now: float) -> Interaction:
        """Return the one whose token acts as a webhook, or refuse."""
        found = self._by_token.get(token)
        if found is None or found.bot_id != bot_id or now - found.created > LIFETIME:
            raise refuse(50027)
        if found.acknowledged_ms is None or found.type == AUTOCOMPLETE:
            raise refuse(10015)
        return found


def new_token(interaction_id: str) -> str:
    """Make a token in Discord's shape."""
    secret = secrets.token_urlsafe(72)
    raw = base64.urlsafe_b64encode(f"interaction:{interaction_id}:{secret}".encode())
    return raw.decode().rstrip("=")


def touch(interaction: Interaction) -> None:
    """Wake those who wait for news of *interaction*."""
    interaction.changed.set()
    interaction.changed = asyncio.Event()

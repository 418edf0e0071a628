"""Names who gives and takes a role that BoostMon cannot handle."""

from collections.abc import Mapping
from typing import Any

from disnake import RoleTags


def manager(tags: RoleTags | None) -> str:
    """Name what manages a role, by its *tags* (topics/permissions, "Role Tags Structure")."""
    if tags is None:
        return "an integration"
    if tags.bot_id is not None:
        return f"the bot <@{tags.bot_id}>"
    if tags.is_premium_subscriber():
        return "the server's boosts"
    if tags.is_subscription() or tags.is_available_for_purchase():
        return "the server's subscriptions"
    if tags.is_linked_role():
        return "the accounts that members have linked"
    if tags.integration_id is not None:
        return f"the integration {tags.integration_id} (Server Settings → Integrations)"
    return "an integration"


def managers(roles: list[dict[str, Any]]) -> Mapping[str, str | None]:
    """Return for each of *roles*, as REST shows them, what manages it; None: nothing does."""
    return {
        str(role["id"]): manager(RoleTags(role["tags"]) if role.get("tags") else None)
        if role["managed"]
        else None
        for role in roles
    }

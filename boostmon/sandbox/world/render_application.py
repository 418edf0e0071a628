"""Renders an application as Discord's JSON has it."""

from typing import Any

from boostmon.sandbox.world.model import Bot, World
from boostmon.sandbox.world.render import user

Json = dict[str, Any]


def application(world: World, it: Bot) -> Json:
    """Show an application to its bot."""
    guilds = sum(1 for _ in world.guilds_of(it.id))
    return {
        "id": it.id,
        "name": it.name,
        "icon": None,
        "description": "",
        "type": None,
        "bot": user(world.users[it.id]),
        "bot_public": True,
        "bot_require_code_grant": False,
        "verify_key": f"{int(it.id):064x}",
        "flags": flags(it),
        "flags_new": str(flags(it)),
        "redirect_uris": [],
        "interactions_endpoint_url": None,
        "role_connections_verification_url": None,
        "owner": user(world.users[it.owner_id]),
        "approximate_guild_count": guilds,
        "approximate_user_install_count": 0,
        "approximate_user_authorization_count": 0,
        "explicit_content_filter": 0,
        "team": None,
        "eligible_oauth2_scopes": [],
        "integration_types_config": {"0": {}},
        "event_webhooks_url": None,
        "event_webhooks_status": 1,
        "event_webhooks_types": [],
        "tags": [],
    }


def flags(it: Bot) -> int:
    """Return the application flags: which privileged intents a small bot has switched on."""
    limited = {1 << 8: 1 << 13, 1 << 1: 1 << 15, 1 << 15: 1 << 19}
    return sum(flag for intent, flag in limited.items() if it.privileged & intent)

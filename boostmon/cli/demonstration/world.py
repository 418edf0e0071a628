"""The server that the demonstration plays in."""

from typing import Any

BOTS_OWN = [
    "MANAGE_ROLES",
    "VIEW_AUDIT_LOG",
    "VIEW_CHANNEL",
    "SEND_MESSAGES",
    "EMBED_LINKS",
    "READ_MESSAGE_HISTORY",
]

WORLD: dict[str, Any] = {
    "users": [
        {"name": "olga"},
        {"name": "mona"},
        {"name": "max"},
        {"name": "vera"},
        {"name": "carl", "dms_open": False},
        {"name": "ines"},
        {"name": "jonas"},
        {"name": "kim"},
        {"name": "lena"},
        {"name": "noor"},
        {"name": "pavel"},
        {"name": "yuki", "dms_open": False},
    ],
    "bots": [{"name": "BoostMon", "owner": "olga", "privileged_intents": ["members"]}],
    "guilds": [
        {
            "name": "The Lighthouse",
            "owner": "olga",
            "roles": [
                {"name": "Trial", "color": 0x95A5A6},
                {"name": "Beta Tester", "color": 0x1ABC9C},
                {"name": "Event Host", "color": 0xE67E22},
                {"name": "Raid Team", "color": 0x9B59B6},
                {"name": "Supporter", "color": 0x2ECC71},
                {"name": "VIP", "color": 0xF1C40F, "hoist": True},
                {
                    "name": "Moderator",
                    "color": 0x3498DB,
                    "hoist": True,
                    "permissions": ["MANAGE_ROLES", "MANAGE_MESSAGES"],
                },
                {
                    "name": "Server Booster",
                    "color": 0xF47FFF,
                    "tags": {"premium_subscriber": None},
                },
                {"name": "BoostMon", "bot": "BoostMon", "permissions": BOTS_OWN},
                {
                    "name": "Admin",
                    "color": 0xE74C3C,
                    "hoist": True,
                    "permissions": ["ADMINISTRATOR"],
                },
            ],
            "members": [
                {"user": "mona", "roles": ["Moderator"]},
                {"user": "max"},
                {"user": "vera", "roles": ["Supporter"]},
                {"user": "carl"},
                {"user": "ines", "roles": ["Admin"]},
                {"user": "jonas"},
                {"user": "kim", "roles": ["Server Booster"]},
                {"user": "lena"},
                {"user": "noor", "roles": ["Event Host"]},
                {"user": "pavel"},
                {"user": "yuki"},
            ],
            "channels": [
                {"name": "general"},
                {"name": "announcements", "type": 5},
                {"name": "events"},
                {"name": "lounge", "type": 2},
                {
                    "name": "staff",
                    "overwrites": [
                        {"role": "@everyone", "deny": ["VIEW_CHANNEL"]},
                        {"role": "Moderator", "allow": ["VIEW_CHANNEL"]},
                        {
                            "role": "BoostMon",
                            "allow": ["VIEW_CHANNEL"],
                            "deny": ["SEND_MESSAGES"],
                        },
                    ],
                },
            ],
        }
    ],
}
"""olga owns it, ines is an admin, mona moderates; carl and yuki take no direct messages."""

"""Holds what exists in Discord: users, servers, roles, channels.

Lowest first: `errors`, `snowflakes`, `model`, `permissions`, `render`, `world_spec`,
`render_application`, `seed`.
"""

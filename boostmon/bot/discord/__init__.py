"""Speaks to Discord's REST, at its pace, and reads what it answers.

Lowest first: `proxy`, `times_told`, `command_settings`, `integrations`, `members`, `stops`,
`answer_dates`, `pace`, `rest`, `plain_refusals`, `reads`, `refusals`.
"""

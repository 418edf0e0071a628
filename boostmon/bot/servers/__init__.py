"""Knows the servers that the bot is in: their roles, their members' ranks, what is allowed.

Lowest first: `guards`, `attendance`, `deleted_roles`, `identity`, `presence`, `facts`, `view`,
`place`, `document`, `asking`.
"""

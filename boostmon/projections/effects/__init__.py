"""Keeps what Discord is owed, and how far it has come.

Lowest first: `departures`, `direct_channels`, `kinds`, `lease`, `observed`, `owner`,
`open_effects`, `standings`, `queue`.
"""

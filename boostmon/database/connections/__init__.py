"""Connects to PostgreSQL, again when a connection is lost.

Lowest first: `url`, `searching`, `load`, `causes`, `connection`, `attempt`, `listen`, `pool`.
"""

"""Tells over HTTP how the bot is.

Lowest first: `reading`, `vitals`, `endpoints`.
"""

"""Puts what people read in Discord into words.

Lowest first: `durations`, `replies`.
"""

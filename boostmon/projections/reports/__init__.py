"""Reads for people what the log and its tables say.

Lowest first: `checkup`, `history`, `standing`, `stats`, `timed_places`.
"""

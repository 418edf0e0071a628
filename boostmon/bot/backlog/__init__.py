"""Keeps what Discord is owed in the order in which it is to be done.

Lowest first: `groups`, `line`, `streams`, `causes`, `lanes`, `places`, `order`.
"""

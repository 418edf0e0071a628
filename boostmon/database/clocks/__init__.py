"""Tells timer time, of which several clocks must agree.

Lowest first: `clock`, `witnesses`, `agreed_clock`.
"""

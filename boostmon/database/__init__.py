"""Brings connections that come back, the schema, and the time.

Lowest first: `connections`, `schema`, `writing`, `clocks`, `embedded`, `checkup`.
"""

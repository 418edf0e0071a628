"""Brings the schema up to date, with the rights on it.

Lowest first: `exposure`, `grants`, `naming`, `turns`, `rights`, `migrate`.
"""

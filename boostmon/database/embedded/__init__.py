"""Runs a PostgreSQL of our own.

Lowest first: `binaries`, `provision`, `server`, `postgres`.
"""

"""Connects to Discord's gateway, and registers the commands there.

Lowest first: `client`, `registration`.
"""

"""Serves the page on which people play.

Lowest first: `serving`.
"""

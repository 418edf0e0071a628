"""Judges what a request may hold, in Discord's words.

Lowest first: `language`, `bodies`, `command_rules`, `content`.
"""

"""Runs the bot or what one tries it with: a module a command.

Lowest first: `demo`, `doctor`, `inviting`, `running`, `sandboxing`.
"""

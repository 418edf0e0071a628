"""Asks for `boostmon doctor` what may be wrong.

Lowest first: `clock_check`, `settings_checkup`, `examining`, `database_checks`, `discord_checks`.
"""

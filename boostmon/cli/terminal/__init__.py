"""Meets the terminal: arguments, files, output, signals.

Lowest first: `asking`, `trust`, `ids`, `logs`, `output`, `places`, `spooling`, `stopping`,
`env_file`.
"""

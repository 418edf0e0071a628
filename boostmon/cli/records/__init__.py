"""Reads and writes the log for an operator: a module a command, with its report.

Lowest first: `exporting`, `history`, `import_report`, `replay_report`, `stats`, `restoring`,
`replaying`, `importing`.
"""

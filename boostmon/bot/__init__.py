"""Keeps Discord as the log has it, and takes commands there.

Lowest first: `discord`, `backlog`, `servers`, `members`, `records`, `wording`, `connection`,
`relay`, `slash`, `health`, `doctor`, `app`.
"""

"""Changes what the database holds, at an operator's word: a module a command.

Lowest first: `adopting`, `erasing`, `forgetting`, `migrating`, `resolving`.
"""

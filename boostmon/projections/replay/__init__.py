"""Folds the log again, and holds the read model against it.

Lowest first: `folding`, `snapshot`, `comparing`, `past`, `repair`, `sampling`, `run`.
"""

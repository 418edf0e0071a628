"""Derives from the log what stands, what is owed, and what happened.

Lowest first: `effects`, `role_timers`, `replay`, `reports`.
"""

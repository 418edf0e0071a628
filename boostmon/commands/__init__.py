"""Decides what a command does, and records it.

Lowest first: `decider`, `handler`, `erase`, `forget`, `imports`, `removals`, `sweeper`.
"""

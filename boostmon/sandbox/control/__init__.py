"""Lets tests and the demo change the world, and arm accidents.

Lowest first: `connections`, `state`, `changes`, `routes`.
"""

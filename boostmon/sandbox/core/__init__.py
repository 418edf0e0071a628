"""Holds the one Discord together: world, sessions, clocks, limits, faults.

Lowest first: `later`, `interactions`, `limits`, `faults`, `journal`, `loopback`, `watch`,
`responses`, `sessions`, `discord`, `exchange`.
"""

"""Does what people do, as their Discord app would let them.

Lowest first: `commands`, `doings`, `options`, `payloads`, `replies`, `modals`, `usage`.
"""

"""Keeps what happened: the timer's events, and the log of them.

Lowest first: `timer`, `batching`, `chain`, `nesting`, `following`, `names`, `document`, `log`,
`newest`, `append`, `export`, `store`.
"""

"""Records in logs and metrics what the bot has done.

Lowest first: `given`, `outcomes`, `metrics`, `gateway`, `requests`, `tally`.
"""

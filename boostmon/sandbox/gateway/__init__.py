"""Speaks the gateway's protocol with bots.

Lowest first: `member_requests`, `protocol`.
"""

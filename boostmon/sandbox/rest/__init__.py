"""Answers the REST requests of bots.

Lowest first: `routes`, `applications`, `channels`, `guilds`, `interactions`, `messages`, `roles`,
`webhooks`, `handler`.
"""

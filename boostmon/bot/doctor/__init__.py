"""Asks Discord for commands of the command line, without the gateway.

Lowest first: `absence`, `invitation`, `held_roles`, `server_roles`, `application_checks`,
`server_checks`.
"""

"""Does what happens in a server: the change, its event, its line in the audit log.

Lowest first: `attachments`, `picture`, `named`, `sight`, `messages`, `server`.
"""

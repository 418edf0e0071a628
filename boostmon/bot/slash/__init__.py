"""Takes a slash command from its arrival to its last word.

Lowest first: `interaction_api`, `asked`, `autocomplete`, `role_changes`, `answers`, `judgement`,
`menus`, `settling`, `conversation`, `timeleft`, `reception`, `cog`.
"""

"""Plays what `boostmon demo` shows: the story, the bot, timer time, and the page.

Lowest first: `beside`, `board`, `town`, `browser`, `world`, `tempo`, `bot_process`, `feed`,
`teller`, `scene`, `page`, `story`.
"""

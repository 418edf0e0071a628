"""What `boostmon demo` is made of: the story, the bot, timer time, and what the page is told."""

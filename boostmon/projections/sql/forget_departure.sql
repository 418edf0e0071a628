-- Forget that the bot has left the server $1.
DELETE FROM departures WHERE guild_id = $1

-- The servers that the bot is known not to be in, since when, and whether what they are owed is parked.
SELECT guild_id, since, guild_id IN (SELECT guild_id FROM parked_servers) AS parked
FROM departures WHERE since IS NOT NULL
ORDER BY guild_id

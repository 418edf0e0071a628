-- Note that the bot is in the servers $1, and answer in which of them it was not.
UPDATE departures SET since = NULL WHERE guild_id = ANY ($1::text[]) AND since IS NOT NULL
RETURNING guild_id

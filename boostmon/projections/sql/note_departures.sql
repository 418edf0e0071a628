-- Note that the bot is not in the servers $1 any more; since when was noted before stays.
INSERT INTO departures (guild_id, since)
SELECT guild_id, clock_timestamp() FROM unnest($1::text[]) AS gone (guild_id)
ON CONFLICT (guild_id) DO UPDATE SET since = excluded.since WHERE departures.since IS NULL

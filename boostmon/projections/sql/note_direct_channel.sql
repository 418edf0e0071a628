-- Note that direct messages to the user $1 go to the channel $2.
INSERT INTO direct_channels (person_id, channel_id)
SELECT person_id, $2 FROM people WHERE user_id = $1
ON CONFLICT (person_id) DO UPDATE SET channel_id = excluded.channel_id

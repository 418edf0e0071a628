-- The channel of direct messages with the user $1, if one was opened.
SELECT channel_id FROM direct_channels JOIN people USING (person_id) WHERE user_id = $1

-- Forget where direct messages to the person $1 go.
DELETE FROM direct_channels USING people
WHERE direct_channels.person_id = people.person_id AND people.user_id = $1

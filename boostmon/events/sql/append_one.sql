-- Append one piece of history: for server $1, user $2 and role $3 at version $4; of the command $5 by $6
-- from $7; $8 is the row after it, $9 and $10 are its events and their effects.
SELECT outcome, guild_id, user_id, role_id, version, position
FROM append_one($1, $2, $3, $4, $5, $6, $7, $8, $9::text[], $10::text[])

-- Append one event: for server $1, user $2 and role $3 after version $4; of the command $5 by $6 from $7; $8 is
-- the event, $9 are the kinds of its effects; $10 … $17 is the row after it.
SELECT outcome, guild_id, user_id, role_id, version, position
FROM append_event(
    $1, $2, $3, $4, $5, $6, $7, $8, $9::text[], $10, $11, $12, $13, $14, $15, $16, $17
)

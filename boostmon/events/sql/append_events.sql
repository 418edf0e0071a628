-- Append the pieces of history in $1 … $8, whose events are counted in $9 and stand in $10 and $11;
-- $12 and $13 name the piece before with the same timer and with the same command.
SELECT outcome, guild_id, user_id, role_id, version, position
FROM append_events(
    $1::text[], $2::text[], $3::text[], $4::integer[], $5::text[], $6::text[], $7::text[],
    $8::text[], $9::integer[], $10::text[], $11::text[], $12::integer[], $13::integer[]
)

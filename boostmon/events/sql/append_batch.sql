-- Append the pieces of history in $1 … $7, whose events are counted in $8 and stand in $9; the events $10
-- have effects of the kinds $11; $12 … $19 are the rows after them; $20 and $21 name the piece before with
-- the same timer and with the same command.
SELECT outcome, guild_id, user_id, role_id, version, position
FROM append_batch(
    $1::text[], $2::text[], $3::text[], $4::integer[], $5::text[], $6::text[], $7::text[],
    $8::integer[], $9::text[], $10::integer[], $11::text[], $12::bigint[], $13::text[],
    $14::bigint[], $15::bigint[], $16::text[], $17::bigint[], $18::bigint[], $19::bigint[],
    $20::integer[], $21::integer[]
)

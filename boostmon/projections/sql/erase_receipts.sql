-- Put $2 in the place of the id $1 in the receipts and errors of that person's effects, and of the effects $3
-- of the kinds $4, pair by pair. Of their own receipts the messages, which mention them, and their channel
-- of direct messages and when they joined are forgotten; nobody can be read again.
UPDATE effects
SET
    look_again_at = CASE WHEN NOT named.own THEN effects.look_again_at END,
    last_error = regexp_replace(effects.last_error, '[[:<:]]' || $1::text || '[[:>:]]', $2::text, 'g'),
    receipt = regexp_replace(
        (CASE
            WHEN NOT named.own THEN effects.receipt
            WHEN effects.receipt ->> 'channel_id' <> coalesce(named.told_in, '')
            THEN effects.receipt - 'message_id' - 'joined_at' || jsonb_build_object('channel_id', $2::text)
            ELSE effects.receipt - 'message_id' - 'joined_at'
        END)::text, '[[:<:]]' || $1::text || '[[:>:]]', $2::text, 'g'
    )::jsonb
FROM (
    SELECT effects.position, effects.kind, true AS own, 
        CASE WHEN strpos(events.data::text, chr(92)) = 0 THEN events.data ->> 'warn_channel_id' END AS told_in
    FROM people
    JOIN streams USING (person_id)
    JOIN events USING (stream_id)
    JOIN effects USING (position)
    WHERE people.user_id = $1
    UNION ALL
    SELECT other.position, other.kind, false, NULL
    FROM unnest($3::bigint[], $4::text[]) AS other (position, kind)
    JOIN events USING (position)
    JOIN streams USING (stream_id)
    JOIN people USING (person_id)
    WHERE people.user_id <> $1
) AS named
WHERE effects.position = named.position AND effects.kind = named.kind

-- Which of the messages $2 are the receipts of effects of the event at $1's timer.
SELECT effects.receipt ->> 'message_id' AS message_id
FROM effects
JOIN events AS asked ON asked.position = $1
WHERE effects.stream_id = asked.stream_id AND effects.receipt ->> 'message_id' = ANY ($2::text[])

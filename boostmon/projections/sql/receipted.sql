-- Which of the messages $2 are the receipts of effects for the member whom the event at $1 is about.
SELECT effects.receipt ->> 'message_id' AS message_id
FROM events AS asked
JOIN streams AS asked_stream ON asked_stream.stream_id = asked.stream_id
JOIN streams AS own ON own.person_id = asked_stream.person_id
JOIN effects ON effects.stream_id = own.stream_id
WHERE asked.position = $1 AND effects.receipt ->> 'message_id' = ANY ($2::text[])

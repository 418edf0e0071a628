-- The effects, of whichever timer, whose receipt or error holds the id $1.
SELECT position, kind FROM effects
WHERE receipt::text ~ ('\m' || $1::text || '\M') OR last_error ~ ('\m' || $1::text || '\M')

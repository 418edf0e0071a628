-- The effects, of whichever timer, whose receipt or error holds the id $1.
SELECT position, kind FROM effects
WHERE receipt::text ~ ('[[:<:]]' || $1::text || '[[:>:]]') OR last_error ~ ('[[:<:]]' || $1::text || '[[:>:]]')

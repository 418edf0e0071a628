-- The number of the person $1.
SELECT person_id FROM people WHERE user_id = $1

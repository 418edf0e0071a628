-- Put $2 in the place of the person $1, once and for all.
UPDATE people SET user_id = $2 WHERE user_id = $1 RETURNING person_id

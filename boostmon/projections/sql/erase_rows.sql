-- Put $2 in the place of the person $1 in the read model, which has such a row only if it was changed by hand.
UPDATE role_timers SET user_id = $2 WHERE user_id = $1

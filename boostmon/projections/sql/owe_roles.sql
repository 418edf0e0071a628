-- Owe the member $2 of the server $1 the roles of timers of which none was ever owed.
SELECT owe_roles($1, $2) AS owed

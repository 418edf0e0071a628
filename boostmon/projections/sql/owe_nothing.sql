-- Note that the members of the imported timers $1 were found to hold their roles, when asked for $2 seconds ago.
SELECT owe_nothing($1, $2) AS noted

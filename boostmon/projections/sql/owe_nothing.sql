-- Note that the members of the imported timers $1, who joined at $2, were found to hold their roles, when asked
-- for $3 seconds ago.
SELECT owe_nothing($1, $2, $3) AS noted

-- Let the role $3 of the user $2, whose timer has ended at the version $4, belong to the server $1.
SELECT move_stream($1, $2, $3, $4)

-- How many members are never read again though they are in doubt: of their effects the count of looks is absurd.
SELECT count(*) FROM effects WHERE look_again_at IS NOT NULL AND looks NOT BETWEEN 0 AND 99

-- The columns of the role_timers of another bot, in the order of the table.
SELECT attname::text AS name
FROM pg_attribute
WHERE attrelid = to_regclass('role_timers') AND attnum > 0 AND NOT attisdropped
ORDER BY attnum

-- Tell all processes that Discord's limits put off the effects of the events at $1.
SELECT pg_notify('boostmon_effects', put_off.position || ' later')
FROM unnest($1::bigint[]) AS put_off (position)

-- The numbers of $1 timers whose rows changed last, of $1 other rows and of $1 streams, both chosen by chance.
(SELECT id FROM role_timers ORDER BY updated_at DESC NULLS FIRST LIMIT $1)
UNION
(SELECT id FROM role_timers ORDER BY random() LIMIT $1)
UNION
(SELECT stream_id FROM streams ORDER BY random() LIMIT $1)

-- Whether a process speaks to Discord. Who lives writes a time 20 s ahead, every 5 s; one that is further
-- ahead was written before the clock went back.
SELECT EXISTS (
    SELECT FROM lease WHERE name = 'relay' AND holder IS NOT NULL
        AND expires_at BETWEEN clock_timestamp() AND clock_timestamp() + interval '1 minute'
)

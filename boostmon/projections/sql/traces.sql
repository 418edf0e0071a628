-- What events leave behind when they are recorded: the newest position that had effects, and the streams.
SELECT coalesce(max(position), 0) AS position, (SELECT count(*) FROM streams) AS streams FROM effects

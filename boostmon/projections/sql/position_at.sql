-- The position of the last event before the first one that was recorded after $1.
SELECT coalesce(
    (SELECT min(position) - 1 FROM events WHERE recorded_at > $1),
    (SELECT max(position) FROM events),
    0
)

-- What events leave behind when they are recorded: the newest position that had effects, the streams, and how many
-- of the people of streams and events are not there.
SELECT
    (SELECT coalesce(max(position), 0) FROM effects) AS position,
    (SELECT count(*) FROM streams) AS streams,
    (
        SELECT count(*)
        FROM (SELECT person_id FROM streams UNION SELECT actor FROM events WHERE actor IS NOT NULL) AS named
        WHERE NOT EXISTS (SELECT FROM people WHERE people.person_id = named.person_id)
    ) AS nobodies

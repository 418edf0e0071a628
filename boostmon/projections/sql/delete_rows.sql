-- Delete the rows $1 whose streams stand at the versions $2 (0: no such stream).
DELETE FROM role_timers AS t
USING unnest($1::integer[], $2::integer[]) AS folded (id, version)
WHERE t.id = folded.id
    AND folded.version = coalesce(
        (SELECT max(e.version) FROM events AS e WHERE e.stream_id = folded.id), 0
    )

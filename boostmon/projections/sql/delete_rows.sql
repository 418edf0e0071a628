-- Delete the rows $1 whose streams stand at the versions $2 (0: no such stream), but not those that
-- are kept ($3) and belong to the timer that their stream belongs to; return those that were deleted.
DELETE FROM role_timers AS t
USING
    unnest($1::integer[], $2::integer[], $3::boolean[]) AS folded (id, version, is_kept)
    LEFT JOIN streams AS s ON s.stream_id = folded.id
    LEFT JOIN people AS p USING (person_id)
WHERE t.id = folded.id
    AND NOT (folded.is_kept AND t.user_id = p.user_id AND t.role_id = s.role_id)
    AND folded.version = coalesce(
        (SELECT max(e.version) FROM events AS e WHERE e.stream_id = folded.id), 0
    )
RETURNING t.id

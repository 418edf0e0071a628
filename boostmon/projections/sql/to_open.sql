-- Up to $3 people without a channel of direct messages who are to be told something behind $1 and until $2 (ms), and
-- nothing before, by timers that a slash command set; who is told first comes first.
SELECT people.user_id
FROM role_timers
JOIN streams ON streams.stream_id = role_timers.id
JOIN people USING (person_id)
WHERE role_timers.next_due_at > $1::bigint AND role_timers.next_due_at <= $2::bigint
    AND role_timers.warn_channel_id IS NULL
    AND NOT EXISTS (SELECT FROM direct_channels WHERE direct_channels.person_id = people.person_id)
    AND (
        SELECT events.source FROM events
        WHERE events.stream_id = streams.stream_id AND CASE WHEN strpos(events.data::text, chr(92)) = 0 THEN events.data ->> 'type' END = 'TimerSet'
        ORDER BY events.version DESC LIMIT 1
    ) = 'slash'
GROUP BY people.user_id
ORDER BY min(role_timers.next_due_at), people.user_id
LIMIT $3

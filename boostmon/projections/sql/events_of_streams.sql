-- Every event of the streams $1, each stream's oldest first.
SELECT stream_id, version, data FROM events WHERE stream_id = ANY ($1::integer[]) ORDER BY stream_id, version

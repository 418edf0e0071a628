-- How many events there are, and the position of the last.
SELECT count(*) AS events, coalesce(max(position), 0) AS head FROM events

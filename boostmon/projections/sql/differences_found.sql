-- How many timers were last found to differ, by what was found, within the last $1 seconds.
SELECT found, count(*) AS timers
FROM differences
WHERE found_at > clock_timestamp() - $1::float8 * interval '1 second'
GROUP BY found
ORDER BY found

-- Whether a process speaks to Discord.
SELECT EXISTS (SELECT FROM lease WHERE name = 'relay' AND holder IS NOT NULL AND expires_at > clock_timestamp())

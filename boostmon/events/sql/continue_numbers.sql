-- Have new streams and people numbered after those that are there.
SELECT
    setval('role_timers_id_seq', (SELECT max(stream_id) FROM streams)),
    setval(pg_get_serial_sequence('people', 'person_id'), (SELECT max(person_id) FROM people))

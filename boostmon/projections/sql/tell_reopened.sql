-- Tell all processes that effects were opened again.
SELECT pg_notify('boostmon_log', '')

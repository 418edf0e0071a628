-- From where on the hash of a stream's first event covers whose timer it is.
SELECT position, digest FROM log_seal

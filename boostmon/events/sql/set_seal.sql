-- Seal the empty log, at position $1 with the digest $2, as the one was whose export is to be restored.
UPDATE log_seal SET position = $1, digest = $2

-- Whether this session may write: not on a standby, nor where the server was made read-only.
SELECT NOT current_setting('transaction_read_only')::boolean AS may_write

-- Let nobody settle effects, open them again, or note a channel until this transaction has ended.
LOCK TABLE effects, direct_channels IN SHARE ROW EXCLUSIVE MODE

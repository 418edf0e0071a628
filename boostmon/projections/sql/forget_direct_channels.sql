-- Forget where direct messages go: a channel is that of one application.
DELETE FROM direct_channels

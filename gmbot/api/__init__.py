"""Client of the Telegram Bot API on trio. It knows nothing of guarding groups."""

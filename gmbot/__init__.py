"""A Telegram bot that guards groups: who is not in the channel cannot write."""

__version__ = "2.0.0"

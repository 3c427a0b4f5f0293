"""Client of the Telegram Bot API on trio. It knows nothing of guarding groups."""

from gmbot.api.client import BotApi
from gmbot.api.errors import ApiError
from gmbot.api.limiter import Limiter, Limits, Priority
from gmbot.api.polling import Polling
from gmbot.api.source import Received, Sink
from gmbot.api.transport import Transport, open_transport

__all__ = [
    "ApiError",
    "BotApi",
    "Limiter",
    "Limits",
    "Polling",
    "Priority",
    "Received",
    "Sink",
    "Transport",
    "open_transport",
]

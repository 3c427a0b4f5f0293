"""The command menus that Telegram shows, one for each scope."""

from collections.abc import Mapping
from types import MappingProxyType

import structlog

from gmbot.api.client import BotApi
from gmbot.api.errors import ApiError
from gmbot.api.types import BotCommand
from gmbot.telemetry import events

log = structlog.get_logger()

# By scope. Who finds nothing in a narrower scope is shown the default: to members of a group this
# bot's commands are of no use.
MENUS: Mapping[str, tuple[BotCommand, ...]] = MappingProxyType(
    {
        "all_private_chats": (
            BotCommand("start", "Where you are muted, and what to join"),
            BotCommand("help", "What this bot does, and how to set it up"),
        ),
        "all_chat_administrators": (
            BotCommand("protect", "Let only members of a channel write here: /protect @channel"),
            BotCommand("unprotect", "Ask for a channel, or for all of them, no more"),
            BotCommand("status", "Channels, rights, and who is muted"),
            BotCommand("recheck", "Check everybody anew who is muted or was seen lately"),
            BotCommand("settings", "How long notices stand, their words, and more"),
            BotCommand("help", "What these commands do"),
        ),
        "default": (),
    }
)


async def set_menus(api: BotApi) -> None:
    """Make the menus what they should be, where they are not; never raises an ApiError.

    They are kept by Telegram, so that restarts and many instances have nothing to set. What fails
    is tried again by the next start.
    """
    try:
        for scope, commands in MENUS.items():
            if tuple(await api.get_my_commands(scope)) != commands:
                await api.set_my_commands(commands, scope)
                log.info(events.MENUS_SET, scope=scope)
    except ApiError as error:
        log.warning(events.MENUS_FAILED, reason=str(error))

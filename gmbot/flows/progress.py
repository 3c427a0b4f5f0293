"""One message that says how far long work has come, edited as it goes on."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress

import structlog
import trio

from gmbot.api.client import BotApi
from gmbot.api.errors import ApiError, MessageNotFound, NotModified, Refusal
from gmbot.api.limiter import Priority
from gmbot.telemetry import events

# Seconds between two edits: a group has 20 messages a minute, and its notices come first.
EDIT_EVERY = 5.0

log = structlog.get_logger()


class Progress:
    """A message of the bot's own; without one, or once it is gone, the work goes on silently."""

    def __init__(self, api: BotApi, chat_id: int, message_id: int | None) -> None:
        self._api = api
        self._chat_id = chat_id
        self._message_id = message_id

    @asynccontextmanager
    async def shown(self, text: Callable[[], str]) -> AsyncIterator[None]:
        """Show what `text` says while the block is at work. What it raises comes in a group."""
        is_done = trio.Event()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._show, text, is_done, name=f"progress in {self._chat_id}")
            yield
            is_done.set()

    async def end(self, text: str) -> None:
        """Say what came out. Raises an ApiError where it may be tried again."""
        await self._edit(text, Priority.REPLY)

    async def _show(self, text: Callable[[], str], is_done: trio.Event) -> None:
        while True:
            with trio.move_on_after(EDIT_EVERY):
                await is_done.wait()
                return
            # One that takes as long as this is outdated; one that fails comes again.
            with trio.move_on_after(EDIT_EVERY), suppress(ApiError):
                await self._edit(text(), Priority.BACKGROUND)

    async def _edit(self, text: str, priority: Priority) -> None:
        if self._message_id is None:
            return
        try:
            await self._api.edit_message_text(
                self._chat_id, self._message_id, text, priority=priority
            )
        except NotModified:
            return
        except Refusal as error:
            self._message_id = None
            if not isinstance(error, MessageNotFound):  # else an admin has deleted it
                log.warning(events.REPLY_REFUSED, chat_id=self._chat_id, reason=error.description)

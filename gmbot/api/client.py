"""BotApi: every call goes retry → limiter → breaker → wire, and comes back typed or as one error.

Retry sits outside the limiter, so that each attempt pays; the breaker sits inside it, so that it
judges at the moment of sending.
"""

from collections.abc import Callable, Mapping, Sequence
from random import Random
from typing import TypeVar

import msgspec
import trio

from gmbot.api.backoff import Backoff
from gmbot.api.breaker import Breaker, BreakerOpen
from gmbot.api.errors import (
    ApiError,
    ChatMigrated,
    CircuitOpen,
    NetworkFailure,
    Refusal,
    RetryAfter,
    ServerUnavailable,
)
from gmbot.api.limiter import Kind, Limiter, Priority, kind_of
from gmbot.api.records import CallRecord, FreezeRecord, MigrationRecord, Observer, Outcome, ignore
from gmbot.api.transport import Transport
from gmbot.api.types import (
    BotCommand,
    ChatFullInfo,
    ChatInviteLink,
    ChatMember,
    InlineKeyboardMarkup,
    Message,
    User,
    WebhookInfo,
)
from gmbot.api.wire import decode_result, encode, open_envelope

T = TypeVar("T")
Params = Mapping[str, object]
Late = Callable[[], Params]
Content = Callable[[], tuple[str, InlineKeyboardMarkup]]
Ids = Callable[[], Sequence[int]]

# All that this bot calls.
METHODS = (
    "getUpdates",
    "deleteWebhook",
    "getWebhookInfo",
    "getMe",
    "sendMessage",
    "restrictChatMember",
    "createChatInviteLink",
    "editChatInviteLink",
    "getChat",
    "getChatAdministrators",
    "getChatMember",
    "answerCallbackQuery",
    "setMyCommands",
    "getMyCommands",
    "editMessageText",
    "deleteMessage",
    "deleteMessages",
)

# Seconds to wait for an answer: the server itself waits out floods for up to 8 s.
READ_TIMEOUT = 20.0

# What may be repeated when nobody knows whether it happened: there is no idempotency key, and a
# repeated send* would be seen twice.
_REPEATABLE = ("get", "set", "edit", "delete", "restrict", "answer", "approve", "decline")


class BotApi:
    """The Bot API of one bot over one transport."""

    def __init__(
        self,
        transport: Transport,
        *,
        limiter: Limiter,
        breaker: Breaker,
        random: Random,
        backoff: Backoff = Backoff(),  # noqa: B008 - frozen
        observe: Observer = ignore,
    ) -> None:
        self._transport = transport
        self._limiter = limiter
        self._breaker = breaker
        self._random = random
        self._backoff = backoff
        self._observe = observe

    async def call(
        self,
        method: str,
        params: Params,
        result: type[T],
        *,
        late: Late | None = None,
        priority: Priority = Priority.BACKGROUND,
        read_timeout: float = READ_TIMEOUT,
    ) -> T:
        """Call any method and decode its result.

        `late` gives further parameters, asked for when the call's turn has come: what is to be said
        then. What it raises ends the call unsent. A 429 waits exactly as told and is no attempt;
        other failures are repeated a few times where that can do no harm. Raises an ApiError;
        deadlines are the caller's, but for `read_timeout` (seconds for one answer).
        """
        attempt = 0
        while True:
            try:
                raw = await self._attempt(
                    method, params, late, attempt=attempt, priority=priority, read=read_timeout
                )
            except RetryAfter:
                if kind_of(method) is Kind.FREE:
                    raise  # nothing holds these back, so nothing would wait
                continue  # the limiter is frozen now: the next turn comes when Telegram allows it
            except (NetworkFailure, ServerUnavailable) as error:
                if attempt >= self._backoff.attempts or not _may_repeat(method, error):
                    raise
                pause = self._backoff.delay(attempt, self._random)
            else:
                return decode_result(method, raw, result)
            attempt += 1
            await trio.sleep(pause)

    async def _attempt(
        self,
        method: str,
        params: Params,
        late: Late | None,
        *,
        attempt: int,
        priority: Priority,
        read: float,
    ) -> msgspec.Raw:
        chat = params.get("chat_id")
        chat_id = chat if isinstance(chat, int) else None  # a public @username counts overall only
        asked = trio.current_time()
        await self._limiter.wait_turn(method, chat_id, priority)
        began = trio.current_time()
        outcome = Outcome.CANCELLED
        try:
            with self._breaker.admit() as ticket:
                body = encode(params if late is None else {**params, **late()})
                try:
                    answer = await self._transport.post(method, body, read_timeout=read)
                    raw = open_envelope(method, answer)
                except (NetworkFailure, ServerUnavailable):
                    ticket.fail()
                    raise
                except Refusal:
                    ticket.succeed()  # the server is well: it understood and said no
                    raise
                ticket.succeed()
            outcome = Outcome.OK
        except BreakerOpen as refused:
            outcome = Outcome.CIRCUIT_OPEN
            raise CircuitOpen(method, refused.retry_in) from None
        except RetryAfter as error:
            outcome = Outcome.FLOOD
            self._limiter.freeze(method, chat_id, error.retry_after)
            self._observe(FreezeRecord(method, error.retry_after, chat_id))
            raise
        except ApiError as error:
            outcome = _outcome(error)
            if isinstance(error, ChatMigrated) and chat_id is not None:
                self._observe(MigrationRecord(chat_id, error.new_chat_id))
            raise
        finally:
            took = trio.current_time() - began
            self._observe(CallRecord(method, outcome, attempt + 1, began - asked, took))
        return raw

    # One typed coroutine for each method that this bot uses, in the order of the Bot API's page.

    async def get_updates(
        self,
        *,
        offset: int | None,
        limit: int,
        timeout: int,  # noqa: ASYNC109 - how long the server waits, not we
        allowed_updates: Sequence[str],
    ) -> list[msgspec.Raw]:
        """Wait up to `timeout` seconds for updates; each is left undecoded, to be read alone."""
        return await self.call(
            "getUpdates",
            {
                "offset": offset,
                "limit": limit,
                "timeout": timeout,
                "allowed_updates": allowed_updates,
            },
            list[msgspec.Raw],
            read_timeout=timeout + 10.0,
        )

    async def delete_webhook(self, *, drop_pending_updates: bool) -> None:
        """Stop deliveries by webhook."""
        await self.call("deleteWebhook", {"drop_pending_updates": drop_pending_updates}, bool)

    async def get_webhook_info(self) -> WebhookInfo:
        """Return where updates are delivered."""
        return await self.call("getWebhookInfo", {}, WebhookInfo)

    async def get_me(self) -> User:
        """Return the bot itself."""
        return await self.call("getMe", {}, User)

    async def send_message(
        self,
        chat_id: int,
        text: str,
        *,
        reply_to: int | None = None,
        buttons: InlineKeyboardMarkup | None = None,
        priority: Priority = Priority.REPLY,
        late: Late | None = None,
    ) -> Message:
        """Send HTML text; where `reply_to` is gone by then, it is sent all the same.

        `late` is as in `call`.
        """
        reply = (
            None
            if reply_to is None
            else {"message_id": reply_to, "allow_sending_without_reply": True}
        )
        params = {
            "chat_id": chat_id,
            "text": text,
            "parse_mode": "HTML",
            "reply_parameters": reply,
            "reply_markup": buttons,
        }
        return await self.call("sendMessage", params, Message, late=late, priority=priority)

    async def restrict_chat_member(
        self,
        chat_id: int,
        user_id: int,
        permissions: Mapping[str, bool],
        *,
        until_date: int | None = None,
    ) -> None:
        """Set what a person may do in a supergroup; all true lifts every restriction."""
        params = {
            "chat_id": chat_id,
            "user_id": user_id,
            "permissions": dict(permissions),
            "use_independent_chat_permissions": True,
            "until_date": until_date,
        }
        await self.call("restrictChatMember", params, bool, priority=Priority.URGENT)

    async def create_chat_invite_link(self, chat_id: int, *, name: str) -> ChatInviteLink:
        """Make a link to join; `name` is shown to the chat's admins."""
        params = {"chat_id": chat_id, "name": name}
        return await self.call(
            "createChatInviteLink", params, ChatInviteLink, priority=Priority.REPLY
        )

    async def edit_chat_invite_link(
        self, chat_id: int, invite_link: str, *, name: str
    ) -> ChatInviteLink:
        """Name a link that this bot made, and return how it stands; what else it had is reset."""
        params = {"chat_id": chat_id, "invite_link": invite_link, "name": name}
        return await self.call(
            "editChatInviteLink", params, ChatInviteLink, priority=Priority.REPLY
        )

    async def get_chat(
        self, chat_id: int | str, *, priority: Priority = Priority.REPLY
    ) -> ChatFullInfo:
        """Return a chat by its id or public @username."""
        return await self.call("getChat", {"chat_id": chat_id}, ChatFullInfo, priority=priority)

    async def get_chat_administrators(self, chat_id: int) -> list[ChatMember]:
        """Return owner and administrators, other bots left out."""
        params = {"chat_id": chat_id}
        return await self.call(
            "getChatAdministrators", params, list[ChatMember], priority=Priority.REPLY
        )

    async def get_chat_member(
        self, chat_id: int, user_id: int, *, priority: Priority = Priority.LOOKUP
    ) -> ChatMember:
        """Return a person's standing in a chat. Raises MemberNotFound where they never were."""
        params = {"chat_id": chat_id, "user_id": user_id}
        return await self.call("getChatMember", params, ChatMember, priority=priority)

    async def answer_callback_query(
        self, callback_query_id: str, text: str, *, show_alert: bool
    ) -> None:
        """Answer a press with up to 200 characters: a toast, or an alert to be confirmed."""
        params = {"callback_query_id": callback_query_id, "text": text, "show_alert": show_alert}
        await self.call("answerCallbackQuery", params, bool, priority=Priority.URGENT)

    async def set_my_commands(
        self, commands: Sequence[BotCommand], scope: str, *, language_code: str | None = None
    ) -> None:
        """Set the command menu of a scope, such as `all_private_chats`.

        Without a language it is for everybody for whose language there is none.
        """
        params = {
            "commands": commands,
            "scope": {"type": scope},
            "language_code": language_code,
        }
        await self.call("setMyCommands", params, bool)

    async def get_my_commands(
        self, scope: str, *, language_code: str | None = None
    ) -> list[BotCommand]:
        """Return the command menu of exactly this scope and language."""
        params = {"scope": {"type": scope}, "language_code": language_code}
        return await self.call("getMyCommands", params, list[BotCommand])

    async def edit_message_text(
        self,
        chat_id: int,
        message_id: int,
        text: str,
        *,
        buttons: InlineKeyboardMarkup | None = None,
        priority: Priority = Priority.REPLY,
    ) -> None:
        """Change HTML text and buttons of the bot's own message.

        Raises NotModified where it says this already, and MessageNotFound where it is gone.
        """
        params = {
            "chat_id": chat_id,
            "message_id": message_id,
            "text": text,
            "parse_mode": "HTML",
            "reply_markup": buttons,
        }
        await self.call("editMessageText", params, msgspec.Raw, priority=priority)

    async def delete_message(
        self, chat_id: int, message_id: int, *, priority: Priority = Priority.DELETION
    ) -> None:
        """Delete a message. Raises MessageNotFound where it is gone already."""
        params = {"chat_id": chat_id, "message_id": message_id}
        await self.call("deleteMessage", params, bool, priority=priority)

    async def delete_messages(
        self, chat_id: int, message_ids: Ids, *, priority: Priority = Priority.DELETION
    ) -> None:
        """Delete up to 100 messages; `message_ids` is asked when the call's turn has come.

        Those that are gone already are skipped. One that may not be deleted keeps them all.
        """
        await self.call(
            "deleteMessages",
            {"chat_id": chat_id},
            bool,
            late=lambda: {"message_ids": message_ids()},
            priority=priority,
        )

    async def send_notice(self, chat_id: int, content: Content) -> Message:
        """Send HTML text with buttons; `content` is asked when the message's turn has come."""
        params = {"chat_id": chat_id, "parse_mode": "HTML"}
        return await self.call(
            "sendMessage", params, Message, late=_said(content), priority=Priority.NOTICE
        )

    async def edit_notice(self, chat_id: int, message_id: int, content: Content) -> None:
        """Edit such a message. Raises NotModified where it says this already."""
        params = {"chat_id": chat_id, "message_id": message_id, "parse_mode": "HTML"}
        await self.call(
            "editMessageText", params, msgspec.Raw, late=_said(content), priority=Priority.NOTICE
        )


def _said(content: Content) -> Late:
    def late() -> Params:
        text, buttons = content()
        return {"text": text, "reply_markup": buttons}

    return late


def _may_repeat(method: str, error: NetworkFailure | ServerUnavailable) -> bool:
    never_left = isinstance(error, NetworkFailure) and not error.sent
    return never_left or method.startswith(_REPEATABLE)


def _outcome(error: ApiError) -> Outcome:
    match error:
        case NetworkFailure():
            return Outcome.NETWORK
        case ServerUnavailable():
            return Outcome.UNAVAILABLE
        case _:
            return Outcome.REFUSED

"""What can go wrong with a call, named by what the caller does next.

::

    ApiError
    ├── NetworkFailure       no answer; `sent` tells whether the request may have arrived
    ├── ServerUnavailable    a 5xx, or an answer that is not the Bot API's
    ├── CircuitOpen          refused here, nothing was sent: come back later
    └── Refusal              Telegram understood and said no
        ├── RetryAfter       429: wait as told
        ├── Unauthorized     the token is wrong or revoked: stop
        ├── Conflict         409: somebody else polls, or a webhook is set
        ├── ChatMigrated     the group has a new id: follow it
        ├── ChatNotFound     no such chat, or none this bot can see
        ├── Forbidden        403: removed from the chat, or blocked by the person
        ├── MemberNotFound   that person was never there
        ├── MessageNotFound  the message is gone already
        ├── NotModified      the message already says this: success
        ├── QueryExpired     the press is too old to be answered
        ├── TargetIsAdmin    owner or administrator: leave them alone
        ├── NotEnoughRights  the bot lacks a right in this chat: say so, stop acting there
        └── BadRequest       any other 400

Descriptions are those of the public server (tdlib/telegram-bot-api 10.0). No error holds an URL:
the Bot API's URLs contain the token.
"""

from collections.abc import Mapping


class ApiError(Exception):
    """Base of all errors of a call. `method` is the Bot API method that was called."""

    def __init__(self, method: str, detail: str) -> None:
        super().__init__(f"{method}: {detail}")
        self.method = method
        self.detail = detail


class NetworkFailure(ApiError):
    """No answer arrived. `sent` is False where the request surely never left."""

    def __init__(self, method: str, detail: str, *, sent: bool) -> None:
        super().__init__(method, detail)
        self.sent = sent


class ServerUnavailable(ApiError):
    """The server failed (5xx), or something between answered that is no Bot API."""

    def __init__(self, method: str, status: int, detail: str = "") -> None:
        super().__init__(method, f"HTTP {status} {detail}".rstrip())
        self.status = status


class CircuitOpen(ApiError):
    """Refused by the circuit breaker without sending. `retry_in` is in seconds."""

    def __init__(self, method: str, retry_in: float) -> None:
        super().__init__(method, f"circuit open, next probe in {retry_in:.1f} s")
        self.retry_in = retry_in


class Refusal(ApiError):
    """Telegram's own no: `code` is its `error_code`, `description` its words."""

    def __init__(self, method: str, code: int, description: str) -> None:
        super().__init__(method, f"{code} {description}")
        self.code = code
        self.description = description


class RetryAfter(Refusal):
    """429. Nothing was done; the same call may come again after `retry_after` seconds."""

    def __init__(self, method: str, code: int, description: str, retry_after: float) -> None:
        super().__init__(method, code, description)
        self.retry_after = retry_after


class ChatMigrated(Refusal):
    """The basic group became the supergroup `new_chat_id`."""

    def __init__(self, method: str, code: int, description: str, new_chat_id: int) -> None:
        super().__init__(method, code, description)
        self.new_chat_id = new_chat_id


class Unauthorized(Refusal):
    """The token is wrong or revoked."""


class Conflict(Refusal):
    """Somebody else polls, or a webhook is set."""


class Forbidden(Refusal):
    """The bot was removed from the chat, or the person blocked it."""


class ChatNotFound(Refusal):
    """No such chat, or none that this bot can see."""


class MemberNotFound(Refusal):
    """The person is unknown in this chat: they were never there."""


class MessageNotFound(Refusal):
    """The message is gone already."""


class NotModified(Refusal):
    """The message already has this content."""


class QueryExpired(Refusal):
    """The press is too old to be answered."""


class TargetIsAdmin(Refusal):
    """The person is owner or administrator of the chat."""


class NotEnoughRights(Refusal):
    """The bot lacks a right in this chat."""


class BadRequest(Refusal):
    """Any other 400."""


# Parts of descriptions, compared in lower case, first match wins. Source: tdlib/telegram-bot-api
# 10.0 and tdlib/td; the capitals come from behind that server.
_WORDS: tuple[tuple[str, type[Refusal]], ...] = (
    ("message is not modified", NotModified),
    ("query is too old", QueryExpired),
    ("message to delete not found", MessageNotFound),
    ("message to edit not found", MessageNotFound),
    ("message to be replied not found", MessageNotFound),
    ("message_id_invalid", MessageNotFound),
    ("user is an administrator of the chat", TargetIsAdmin),
    ("can't remove chat owner", TargetIsAdmin),
    ("participant_id_invalid", MemberNotFound),
    ("user_id_invalid", MemberNotFound),
    ("member not found", MemberNotFound),
    ("user not found", MemberNotFound),
    ("not enough rights", NotEnoughRights),
    ("chat_admin_required", NotEnoughRights),
    ("have no write access to the chat", NotEnoughRights),
    ("need administrator rights", NotEnoughRights),
    ("chat not found", ChatNotFound),
)

_CODES: Mapping[int, type[Refusal]] = {
    401: Unauthorized,
    403: Forbidden,
    409: Conflict,
    421: Unauthorized,  # a local server that serves other tokens only
}

_TOO_MANY_REQUESTS = 429


def refusal(
    method: str,
    code: int,
    description: str,
    *,
    retry_after: float | None = None,
    migrate_to_chat_id: int | None = None,
) -> Refusal:
    """Name the error that Telegram answered.

    A 404 is `Unauthorized` too: the public server answers it for a token it cannot parse.
    A 404 that names the method stays a `BadRequest`, and so does any other code below 500.
    """
    if migrate_to_chat_id is not None:
        return ChatMigrated(method, code, description, migrate_to_chat_id)
    if code == _TOO_MANY_REQUESTS:
        wait = 1.0 if retry_after is None else max(0.0, retry_after)
        return RetryAfter(method, code, description, wait)
    if code in _CODES:
        return _CODES[code](method, code, description)
    words = description.lower()
    if words == "not found":
        return Unauthorized(method, code, description)
    for part, kind in _WORDS:
        if part in words:
            return kind(method, code, description)
    return BadRequest(method, code, description)

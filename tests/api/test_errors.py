import pytest
from hypothesis import given
from hypothesis import strategies as st

from gmbot.api.errors import (
    ApiError,
    BadRequest,
    ChatMigrated,
    ChatNotFound,
    CircuitOpen,
    Conflict,
    Forbidden,
    MemberNotFound,
    MessageNotFound,
    NetworkFailure,
    NotEnoughRights,
    NotModified,
    QueryExpired,
    Refusal,
    RetryAfter,
    ServerUnavailable,
    TargetIsAdmin,
    Unauthorized,
    refusal,
)

# What the public server (tdlib/telegram-bot-api 10.0) says to the methods that this bot calls. The
# words with capitals come from behind it.
ANSWERS = [
    # Any method
    (404, "Not Found", Unauthorized),
    (404, "Not Found: absolute URI is specified in the Request-Line", BadRequest),
    (404, "Not Found: method not found", BadRequest),
    (401, "Unauthorized: invalid token specified", Unauthorized),
    (401, "Unauthorized", Unauthorized),
    (421, "Misdirected Request: unallowed token specified", Unauthorized),
    (400, "Logged out", BadRequest),
    (400, "Bad Request: the bot has already been closed", BadRequest),
    (429, "Too Many Requests: retry after 5", RetryAfter),
    # A chat or a person
    (400, "Bad Request: chat_id is empty", BadRequest),
    (400, "Bad Request: chat not found", ChatNotFound),
    (400, "Bad Request: private chat not found", ChatNotFound),
    (403, "Forbidden: user is deactivated", Forbidden),
    (403, "Forbidden: the group chat was deleted", Forbidden),
    (403, "Forbidden: bot was kicked from the group chat", Forbidden),
    (403, "Forbidden: bot is not a member of the group chat", Forbidden),
    (403, "Forbidden: bot was kicked from the supergroup chat", Forbidden),
    (403, "Forbidden: bot was kicked from the channel chat", Forbidden),
    (403, "Forbidden: bot is not a member of the supergroup chat", Forbidden),
    (403, "Forbidden: bot is not a member of the channel chat", Forbidden),
    (400, "Bad Request: invalid user_id specified", BadRequest),
    (400, "Bad Request: user not found", MemberNotFound),
    # getUpdates
    (
        409,
        "Conflict: can't use getUpdates method while webhook is active; use deleteWebhook to delete the webhook first",
        Conflict,
    ),
    (
        409,
        "Conflict: terminated by other getUpdates request; make sure that only one bot instance is running",
        Conflict,
    ),
    (409, "Conflict: terminated by setWebhook request", Conflict),
    # sendMessage, editMessageText
    (400, "Bad Request: message text is empty", BadRequest),
    (400, "Bad Request: text must be non-empty", BadRequest),
    (400, "Bad Request: text is too long", BadRequest),
    (400, "Bad Request: message is too long", BadRequest),
    (400, "Bad Request: MESSAGE_TOO_LONG", BadRequest),
    (400, "Bad Request: unsupported parse_mode", BadRequest),
    (400, "Bad Request: can't parse entities: Unclosed start tag at byte offset 3", BadRequest),
    (400, "Bad Request: can't parse reply keyboard markup JSON object", BadRequest),
    (400, "Bad Request: object expected as reply markup", BadRequest),
    (
        400,
        "Bad Request: can't parse inline keyboard button: Text buttons are unallowed in the inline keyboard",
        BadRequest,
    ),
    (400, "Bad Request: BUTTON_DATA_INVALID", BadRequest),
    (400, "Bad Request: message to be replied not found", MessageNotFound),
    (400, "Bad Request: not enough rights to send text messages to the chat", NotEnoughRights),
    (400, "Bad Request: have no write access to the chat", NotEnoughRights),
    (400, "Bad Request: need administrator rights in the channel chat", NotEnoughRights),
    (403, "Forbidden: bot was blocked by the user", Forbidden),
    (403, "Forbidden: bot can't initiate conversation with a user", Forbidden),
    (403, "Forbidden: the bot can't send messages to the bot", Forbidden),
    (400, "Bad Request: message thread not found", BadRequest),
    (400, "Bad Request: message to edit not found", MessageNotFound),
    (400, "Bad Request: message identifier is not specified", BadRequest),
    (400, "Bad Request: message can't be edited", BadRequest),
    (400, "Bad Request: there is no text in the message to edit", BadRequest),
    (
        400,
        "Bad Request: message is not modified: specified new message content and reply markup are exactly the same as a current content and reply markup of the message",
        NotModified,
    ),
    (400, "Bad Request: MESSAGE_ID_INVALID", MessageNotFound),
    # deleteMessage
    (400, "Bad Request: chat identifier is not specified", BadRequest),
    (400, "Bad Request: message to delete not found", MessageNotFound),
    (400, "Bad Request: message can't be deleted", BadRequest),
    (400, "Bad Request: message can't be deleted for everyone", BadRequest),
    # restrictChatMember, getChatMember, getChatAdministrators
    (400, "Bad Request: can't parse permissions JSON object", BadRequest),
    (400, "Bad Request: object expected as permissions", BadRequest),
    (400, "Bad Request: can't parse chat permissions: expected an Object", BadRequest),
    (400, "Bad Request: method is available only for supergroups", BadRequest),
    (400, "Bad Request: not enough rights to restrict/unrestrict chat member", NotEnoughRights),
    (400, "Bad Request: can't remove chat owner", TargetIsAdmin),
    (400, "Bad Request: user is an administrator of the chat", TargetIsAdmin),
    (400, "Bad Request: can't restrict self", BadRequest),
    (400, "Bad Request: member not found", MemberNotFound),
    (400, "Bad Request: PARTICIPANT_ID_INVALID", MemberNotFound),
    (400, "Bad Request: USER_ID_INVALID", MemberNotFound),
    (400, "Bad Request: CHAT_ADMIN_REQUIRED", NotEnoughRights),
    (400, "Bad Request: member list is inaccessible", BadRequest),
    (400, "Bad Request: there are no administrators in the private chat", BadRequest),
    # answerCallbackQuery
    (
        400,
        "Bad Request: query is too old and response timeout expired or query ID is invalid",
        QueryExpired,
    ),
    # createChatInviteLink
    (400, "Bad Request: not enough rights to manage chat invite link", NotEnoughRights),
    (400, "Bad Request: can't invite members to a private chat", BadRequest),
    (400, "Bad Request: EXPIRE_DATE_INVALID", BadRequest),
]


@pytest.mark.parametrize(
    ("code", "description", "kind"),
    [pytest.param(*row, id=f"{row[0]} {row[1].partition(': ')[2][:40]}") for row in ANSWERS],
)
def test_each_answer_of_the_server_is_named_by_what_the_caller_does_next(
    code: int, description: str, kind: type[Refusal]
) -> None:
    error = refusal("getChat", code, description)

    assert type(error) is kind
    assert (error.method, error.code, error.description) == ("getChat", code, description)
    assert str(error) == f"getChat: {code} {description}"


def test_a_group_that_was_upgraded_tells_its_new_id_whatever_else_the_answer_says() -> None:
    words = "Bad Request: group chat was upgraded to a supergroup chat"

    error = refusal("sendMessage", 400, words, migrate_to_chat_id=-1001234567890123)

    assert isinstance(error, ChatMigrated)
    assert error.new_chat_id == -1001234567890123


@pytest.mark.parametrize(
    ("told", "waits"),
    [
        pytest.param(7, 7, id="as told"),
        pytest.param(0.5, 0.5, id="less than a second"),
        pytest.param(0, 0, id="nothing"),
        pytest.param(-3, 0, id="a time gone by"),
        pytest.param(None, 1, id="not told"),
    ],
)
def test_a_429_waits_as_told_and_never_for_a_negative_time(
    told: float | None, waits: float
) -> None:
    error = refusal("getMe", 429, "Too Many Requests", retry_after=told)

    assert isinstance(error, RetryAfter)
    assert error.retry_after == waits


@given(code=st.integers(400, 499), description=st.text(max_size=60))
def test_any_other_answer_is_some_refusal(code: int, description: str) -> None:
    error = refusal("getChat", code, description)

    assert isinstance(error, Refusal)
    assert error.code == code


@pytest.mark.parametrize(
    ("error", "text"),
    [
        pytest.param(
            NetworkFailure("getMe", "connect timed out", sent=False),
            "getMe: connect timed out",
            id="network",
        ),
        pytest.param(
            ServerUnavailable("getMe", 502, "Bad Gateway"),
            "getMe: HTTP 502 Bad Gateway",
            id="server",
        ),
        pytest.param(ServerUnavailable("getMe", 502), "getMe: HTTP 502", id="no words"),
        pytest.param(
            CircuitOpen("getMe", 1.25), "getMe: circuit open, next probe in 1.2 s", id="circuit"
        ),
    ],
)
def test_an_error_says_method_and_reason(error: ApiError, text: str) -> None:
    assert str(error) == text
    assert error.method == "getMe"

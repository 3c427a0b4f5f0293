"""The words in which the simulated Telegram refuses, and the two ways to be refused.

A bot gets a `TelegramError` over the wire; a person's client simply does not offer what is not
allowed, so a person gets `NotAllowed`, which never leaves the process.

Words are those of the public server (tdlib/telegram-bot-api 10.0 and tdlib/td); what is written in
capitals comes from behind it.
"""

from typing import Final


class TelegramError(Exception):
    """A method was refused: `code` is the HTTP status and `error_code` of the answer."""

    def __init__(
        self, code: int, description: str, parameters: dict[str, object] | None = None
    ) -> None:
        super().__init__(description)
        self.code = code
        self.description = description
        self.parameters = parameters


class NotAllowed(Exception):
    """A person tried what Telegram does not let them do."""


_CODES: Final = {
    "Bad Request": 400,
    "Unauthorized": 401,
    "Forbidden": 403,
    "Not Found": 404,
    "Conflict": 409,
    "Too Many Requests": 429,
}


def refusal(description: str, parameters: dict[str, object] | None = None) -> TelegramError:
    """Make the error whose code the description's first words tell."""
    return TelegramError(_CODES[description.partition(":")[0]], description, parameters)


def migrated(new_chat_id: int) -> TelegramError:
    """Make the answer to whoever still uses the id of a basic group that was upgraded."""
    return refusal(GROUP_UPGRADED, {"migrate_to_chat_id": new_chat_id})


def too_many_requests(retry_after: int) -> TelegramError:
    """Make the answer to a flood; `retry_after` is in seconds."""
    return refusal(f"Too Many Requests: retry after {retry_after}", {"retry_after": retry_after})


UNAUTHORIZED: Final = "Unauthorized"
NOT_FOUND: Final = "Not Found"
METHOD_NOT_FOUND: Final = "Not Found: method not found"

# Chats and access
CHAT_ID_EMPTY: Final = "Bad Request: chat_id is empty"
CHAT_NOT_FOUND: Final = "Bad Request: chat not found"
GROUP_UPGRADED: Final = "Bad Request: group chat was upgraded to a supergroup chat"
KICKED: Final = {
    "group": "Forbidden: bot was kicked from the group chat",
    "supergroup": "Forbidden: bot was kicked from the supergroup chat",
    "channel": "Forbidden: bot was kicked from the channel chat",
}
NOT_A_MEMBER: Final = {
    "group": "Forbidden: bot is not a member of the group chat",
    "supergroup": "Forbidden: bot is not a member of the supergroup chat",
    "channel": "Forbidden: bot is not a member of the channel chat",
}
BLOCKED: Final = "Forbidden: bot was blocked by the user"
CANNOT_INITIATE: Final = "Forbidden: bot can't initiate conversation with a user"
BOT_TO_BOT: Final = "Forbidden: the bot can't send messages to the bot"

# Members
INVALID_USER_ID: Final = "Bad Request: invalid user_id specified"
USER_NOT_FOUND: Final = "Bad Request: user not found"
MEMBER_NOT_FOUND: Final = "Bad Request: member not found"
PARTICIPANT_ID_INVALID: Final = "Bad Request: PARTICIPANT_ID_INVALID"
USER_ID_INVALID: Final = "Bad Request: USER_ID_INVALID"
CHAT_ADMIN_REQUIRED: Final = "Bad Request: CHAT_ADMIN_REQUIRED"
NO_ADMINISTRATORS: Final = "Bad Request: there are no administrators in the private chat"
SUPERGROUPS_ONLY: Final = "Bad Request: method is available only for supergroups"
SUPERGROUPS_AND_CHANNELS_ONLY: Final = (
    "Bad Request: method is available for supergroup and channel chats only"
)
CANNOT_RESTRICT: Final = "Bad Request: not enough rights to restrict/unrestrict chat member"
CANNOT_REMOVE_OWNER: Final = "Bad Request: can't remove chat owner"
USER_IS_ADMINISTRATOR: Final = "Bad Request: user is an administrator of the chat"
CANNOT_RESTRICT_SELF: Final = "Bad Request: can't restrict self"
CANNOT_BAN_IN_PRIVATE: Final = "Bad Request: can't ban members in private chats"
CANNOT_LEAVE_PRIVATE: Final = "Bad Request: can't leave private chats"
PERMISSIONS_NOT_JSON: Final = "Bad Request: can't parse permissions JSON object"
PERMISSIONS_NOT_OBJECT: Final = "Bad Request: object expected as permissions"
PERMISSION_NOT_BOOLEAN: Final = (
    'Bad Request: can\'t parse chat permissions: Field "{name}" must be of type Boolean'
)

# Joining
CANNOT_MANAGE_LINKS: Final = "Bad Request: not enough rights to manage chat invite link"
NO_LINKS_IN_PRIVATE: Final = "Bad Request: can't invite members to a private chat"
LIMIT_WITH_APPROVAL: Final = (
    "Bad Request: member limit can't be specified for links requiring administrator approval"
)
EXPIRE_DATE_INVALID: Final = "Bad Request: EXPIRE_DATE_INVALID"
CANNOT_MANAGE_REQUESTS: Final = "Bad Request: not enough rights to manage chat join requests"
NO_REQUESTS_IN_PRIVATE: Final = "Bad Request: the chat can't have join requests"
REQUESTER_MISSING: Final = "Bad Request: HIDE_REQUESTER_MISSING"
ALREADY_PARTICIPANT: Final = "Bad Request: USER_ALREADY_PARTICIPANT"

# Messages
TEXT_EMPTY: Final = "Bad Request: message text is empty"
TEXT_BLANK: Final = "Bad Request: text must be non-empty"
TEXT_TOO_LONG: Final = "Bad Request: text is too long"
MESSAGE_TOO_LONG: Final = "Bad Request: message is too long"
EDIT_TOO_LONG: Final = "Bad Request: MESSAGE_TOO_LONG"
UNSUPPORTED_PARSE_MODE: Final = "Bad Request: unsupported parse_mode"
CANNOT_PARSE_ENTITIES: Final = "Bad Request: can't parse entities: {reason}"
MARKUP_NOT_JSON: Final = "Bad Request: can't parse reply keyboard markup JSON object"
MARKUP_NOT_OBJECT: Final = "Bad Request: object expected as reply markup"
TEXT_BUTTON: Final = (
    "Bad Request: can't parse inline keyboard button: "
    "Text buttons are unallowed in the inline keyboard"
)
BUTTON_DATA_INVALID: Final = "Bad Request: BUTTON_DATA_INVALID"
REPLY_NOT_FOUND: Final = "Bad Request: message to be replied not found"
CANNOT_SEND: Final = {
    "text": "Bad Request: not enough rights to send text messages to the chat",
    # Less sure: like the words for texts.
    "photo": "Bad Request: not enough rights to send photos to the chat",
}
CANNOT_POST: Final = "Bad Request: need administrator rights in the channel chat"
MESSAGE_NOT_SPECIFIED: Final = "Bad Request: message identifier is not specified"
EDIT_NOT_FOUND: Final = "Bad Request: message to edit not found"
CANNOT_EDIT: Final = "Bad Request: message can't be edited"
NO_TEXT_TO_EDIT: Final = "Bad Request: there is no text in the message to edit"
NOT_MODIFIED: Final = (
    "Bad Request: message is not modified: specified new message content and reply markup are "
    "exactly the same as a current content and reply markup of the message"
)
CHAT_NOT_SPECIFIED: Final = "Bad Request: chat identifier is not specified"
DELETE_NOT_FOUND: Final = "Bad Request: message to delete not found"
CANNOT_DELETE: Final = "Bad Request: message can't be deleted"
IDS_NOT_SPECIFIED: Final = "Bad Request: message identifiers are not specified"
TOO_MANY_IDS: Final = "Bad Request: too many message identifiers specified"
IDS_NOT_JSON: Final = "Bad Request: can't parse message_ids JSON object"
IDS_NOT_ARRAY: Final = "Bad Request: expected an Array of message identifiers"
INVALID_MESSAGE_ID: Final = "Bad Request: invalid message identifier specified"
QUERY_TOO_OLD: Final = (
    "Bad Request: query is too old and response timeout expired or query ID is invalid"
)
ANSWER_TOO_LONG: Final = "Bad Request: MESSAGE_TOO_LONG"

# Commands
COMMANDS_NOT_JSON: Final = "Bad Request: can't parse commands JSON object"
COMMANDS_NOT_ARRAY: Final = "Bad Request: expected an Array of BotCommand"
COMMAND_EMPTY: Final = "Bad Request: command must be non-empty"
COMMAND_TOO_LONG: Final = "Bad Request: command length must not exceed 32"
DESCRIPTION_EMPTY: Final = "Bad Request: command description must be non-empty"
DESCRIPTION_TOO_LONG: Final = "Bad Request: command description length must not exceed 256"
COMMAND_INVALID: Final = "Bad Request: BOT_COMMAND_INVALID"
SCOPE_NOT_JSON: Final = "Bad Request: can't parse BotCommandScope JSON object"
SCOPE_INVALID: Final = "Bad Request: can't parse BotCommandScope: {reason}"
SCOPE_IN_PRIVATE: Final = "Bad Request: can't use specified scope in private chats"
SCOPE_IN_CHANNEL: Final = "Bad Request: can't change commands in channel chats"

# Less sure: words seen in practice or in tdlib, which no list of the server's errors confirms.
MEMBER_LIST_INACCESSIBLE: Final = "Bad Request: member list is inaccessible"
NOT_ENOUGH_RIGHTS: Final = "Bad Request: not enough rights"
CANNOT_PROMOTE_SELF: Final = "Bad Request: can't promote self"
NOT_PARTICIPANT: Final = "Bad Request: USER_NOT_PARTICIPANT"
RIGHT_FORBIDDEN: Final = "Bad Request: RIGHT_FORBIDDEN"
CANNOT_CHANGE_PERMISSIONS: Final = "Bad Request: not enough rights to change chat permissions"
INVITE_HASH_EXPIRED: Final = "Bad Request: INVITE_HASH_EXPIRED"
INVITE_HASH_INVALID: Final = "Bad Request: INVITE_HASH_INVALID"
RESULT_INVALID: Final = "Bad Request: invalid join request query result specified"
CAPTION_TOO_LONG: Final = "Bad Request: message caption is too long"
NOT_UTF8: Final = "Bad Request: strings must be encoded in UTF-8"
BUTTON_URL_INVALID: Final = "Bad Request: BUTTON_URL_INVALID"
REPLY_NOT_JSON: Final = "Bad Request: can't parse reply parameters JSON object"
FORWARD_NOT_FOUND: Final = "Bad Request: message to forward not found"
CANNOT_FORWARD: Final = "Bad Request: the message can't be forwarded"
COPY_NOT_FOUND: Final = "Bad Request: message to copy not found"
CANNOT_COPY: Final = "Bad Request: the message can't be copied"
COMMAND_NOT_OBJECT: Final = "Bad Request: can't parse BotCommand: expected an Object"
COMMAND_FIELD_MISSING: Final = "Bad Request: can't parse BotCommand: Can't find field \"{name}\""
TOO_MANY_COMMANDS: Final = "Bad Request: BOT_COMMANDS_TOO_MUCH"

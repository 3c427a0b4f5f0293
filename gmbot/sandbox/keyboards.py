"""Reply markup as a bot sends it, checked as the server checks it."""

import re
from typing import Any, Final

from gmbot.sandbox import errors
from gmbot.sandbox.params import Params

_LONGEST_DATA: Final = 64  # bytes. Source: InlineKeyboardButton.callback_data
_ADDRESS: Final = re.compile(r"(?:(?:https?|tg)://)?[^\s/]+.*", re.DOTALL)
_ACTIONS: Final = frozenset(
    {
        "url",
        "callback_data",
        "web_app",
        "login_url",
        "switch_inline_query",
        "switch_inline_query_current_chat",
        "switch_inline_query_chosen_chat",
        "copy_text",
        "callback_game",
        "pay",
    }
)


def read_markup(params: Params) -> dict[str, Any] | None:
    """Return the inline keyboard to show; other kinds of markup are accepted and not kept.

    Raises TelegramError.
    """
    if "reply_markup" not in params:
        return None
    markup = params.parsed("reply_markup", not_json=errors.MARKUP_NOT_JSON)
    if not isinstance(markup, dict):
        raise errors.refusal(errors.MARKUP_NOT_OBJECT)
    rows = [[_button(raw) for raw in row] for row in markup.get("inline_keyboard", ())]
    rows = [row for row in rows if row]
    return {"inline_keyboard": rows} if rows else None


def _button(raw: dict[str, Any]) -> dict[str, Any]:
    if _ACTIONS.isdisjoint(raw):
        raise errors.refusal(errors.TEXT_BUTTON)
    if not 1 <= len(str(raw.get("callback_data", "-")).encode()) <= _LONGEST_DATA:
        raise errors.refusal(errors.BUTTON_DATA_INVALID)
    if not _ADDRESS.fullmatch(str(raw.get("url", "-"))):
        raise errors.refusal(errors.BUTTON_URL_INVALID)
    return raw

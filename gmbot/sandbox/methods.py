"""The methods of the Bot API that the simulated Telegram can do, and the one way to call them."""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Final

from gmbot.sandbox import (
    errors,
    methods_account,
    methods_joining,
    methods_members,
    methods_messages,
)
from gmbot.sandbox.access import Call
from gmbot.sandbox.params import Params

if TYPE_CHECKING:
    from gmbot.sandbox.world import World

_TABLE: Final[Mapping[str, Callable[[Call], Any]]] = {
    **methods_account.TABLE,
    **methods_joining.TABLE,
    **methods_members.TABLE,
    **methods_messages.TABLE,
}
METHODS: Final = frozenset(_TABLE)


def call(world: "World", bot_id: int, method: str, params: dict[str, Any]) -> Any:
    """Execute a method for a bot and return its result as JSON has it.

    `params` hold JSON values, or strings where the client sent a form or a query. Raises
    TelegramError in Telegram's own words.
    """
    if bot_id not in world.bots:
        raise errors.refusal(errors.UNAUTHORIZED)
    if method not in _TABLE:
        raise errors.refusal(errors.METHOD_NOT_FOUND)
    return _TABLE[method](Call(world, world.bots[bot_id], Params(params)))

"""Who has which public name: people, bots and chats share them, and case does not count."""

import re
from typing import Final

from gmbot.sandbox.chats import Account, Chat

_USERNAME: Final = re.compile(r"[A-Za-z][A-Za-z0-9_]{3,31}")

Owner = Account | Chat


class Usernames:
    """The names that are taken."""

    def __init__(self) -> None:
        self._owners: dict[str, Owner] = {}

    def find(self, username: str) -> Owner | None:
        """Return who has a name, with or without its @."""
        return self._owners.get(username.removeprefix("@").lower())

    def give(self, username: str | None, owner: Owner) -> None:
        """Let somebody have this name alone, or none. Raises ValueError where it is taken."""
        if username is not None:
            is_free = self._owners.get(username.lower(), owner) is owner
            if not is_free or not _USERNAME.fullmatch(username):
                raise ValueError(f"no username, or taken: {username}")
        if owner.username is not None and self.find(owner.username) is owner:
            del self._owners[owner.username.lower()]
        owner.username = username
        if username is not None:
            self._owners[username.lower()] = owner

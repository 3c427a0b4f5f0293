"""Standing in a chat: what somebody is there, what they may do, and until when.

A `Standing` is a value. Time ends restrictions and bans by itself, without an update to anybody:
look at a standing through `at(now)`. Permissions are what ordinary members may be allowed, rights
are what administrators may have.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final

SENDING: Final = (
    "can_send_messages",
    "can_send_audios",
    "can_send_documents",
    "can_send_photos",
    "can_send_videos",
    "can_send_video_notes",
    "can_send_voice_notes",
    "can_send_polls",
    "can_send_other_messages",
    "can_add_web_page_previews",
    "can_react_to_messages",
)
PERMISSIONS: Final = (
    *SENDING,
    "can_edit_tag",
    "can_change_info",
    "can_invite_users",
    "can_pin_messages",
    "can_manage_topics",
)
EVERYTHING: Final = frozenset(PERMISSIONS)
NOTHING: Final[frozenset[str]] = frozenset()

_RIGHTS: Final = (
    "can_manage_chat",
    "can_delete_messages",
    "can_manage_video_chats",
    "can_restrict_members",
    "can_promote_members",
    "can_change_info",
    "can_invite_users",
    "can_post_stories",
    "can_edit_stories",
    "can_delete_stories",
)
RIGHTS: Final[Mapping[str, tuple[str, ...]]] = {
    "group": (*_RIGHTS, "can_pin_messages", "can_manage_tags"),
    "supergroup": (*_RIGHTS, "can_pin_messages", "can_manage_topics", "can_manage_tags"),
    "channel": (
        *_RIGHTS,
        "can_post_messages",
        "can_edit_messages",
        "can_manage_direct_messages",
    ),
}

# Source: restrictChatMember, until_date.
SHORTEST: Final = 30
LONGEST: Final = 366 * 24 * 3600

# Source: restrictChatMember, use_independent_chat_permissions.
_MEDIA: Final = (
    "can_send_messages",
    "can_send_audios",
    "can_send_documents",
    "can_send_photos",
    "can_send_videos",
    "can_send_video_notes",
    "can_send_voice_notes",
)
_IMPLIED: Final[Mapping[str, tuple[str, ...]]] = {
    "can_send_other_messages": _MEDIA,
    "can_add_web_page_previews": _MEDIA,
    "can_send_polls": ("can_send_messages",),
}
# Source: ChatPermissions, "if omitted, defaults to the value of".
_FOLLOWS: Final[Mapping[str, str]] = {
    "can_react_to_messages": "can_send_messages",
    "can_edit_tag": "can_pin_messages",
    "can_manage_topics": "can_pin_messages",
}


@dataclass(frozen=True)
class Standing:
    """What somebody is in a chat; `until` 0 is for ever, `promoted_by` an account's id."""

    status: str
    permissions: frozenset[str] = NOTHING  # of the restricted
    rights: frozenset[str] = NOTHING  # of administrators
    is_member: bool = True  # of the restricted
    is_anonymous: bool = False
    until: int = 0
    promoted_by: int = field(default=0, compare=False)

    def at(self, now: float) -> "Standing":
        """Return what time has made of it."""
        if not self.until or now < self.until:
            return self
        return MEMBER if self.status == "restricted" and self.is_member else LEFT

    @property
    def is_in(self) -> bool:
        """Whether they are in the chat."""
        return self.status in _INSIDE or (self.status == "restricted" and self.is_member)

    @property
    def is_admin(self) -> bool:
        """Whether they are owner or administrator."""
        return self.status in {"creator", "administrator"}

    def may(self, right: str) -> bool:
        """Whether they have an administrator's right; the owner has them all."""
        return self.status == "creator" or right in self.rights

    def allowed(self, defaults: frozenset[str]) -> frozenset[str]:
        """Return their permissions where ordinary members have `defaults`."""
        if self.status == "creator":
            return EVERYTHING
        if self.status == "administrator":
            return frozenset(SENDING) | defaults | (self.rights & EVERYTHING)
        if self.status == "restricted":
            return self.permissions & defaults
        return NOTHING if self.status == "kicked" else defaults

    def outside(self) -> "Standing":
        """Return what is left when they go by themselves: a restriction outlasts them."""
        return replace(self, is_member=False) if self.status == "restricted" else LEFT

    def inside(self) -> "Standing":
        """Return what they are when they come in; a restriction waits for them."""
        return replace(self, is_member=True) if self.status == "restricted" else MEMBER

    def restricted(self, permissions: frozenset[str], until: int) -> "Standing":
        """Return what a restriction makes of them. All permissions lift it; a ban ends with it."""
        if permissions == EVERYTHING:
            return MEMBER if self.is_in else LEFT
        return Standing("restricted", permissions, is_member=self.is_in, until=until)


_INSIDE: Final = frozenset({"creator", "administrator", "member"})
CREATOR: Final = Standing("creator")
MEMBER: Final = Standing("member")
LEFT: Final = Standing("left", is_member=False)


def administrator(
    rights: Iterable[str], *, promoted_by: int, is_anonymous: bool = False
) -> Standing:
    """Make an administrator; any right implies `can_manage_chat`."""
    return Standing(
        "administrator",
        rights=frozenset({*rights, "can_manage_chat"}),
        is_anonymous=is_anonymous,
        promoted_by=promoted_by,
    )


def banned(until: int) -> Standing:
    """Make somebody who was removed and cannot come back before `until`."""
    return Standing("kicked", is_member=False, until=until)


def ends_at(until_date: int, now: float) -> int:
    """Return when a restriction or ban ends, or 0 for never: the near and the far are for ever."""
    ahead = until_date - now
    return until_date if SHORTEST <= ahead <= LONGEST else 0


def asked_permissions(fields: Mapping[str, bool], *, independent: bool) -> frozenset[str]:
    """Read ChatPermissions as the server does: some imply others, the missing are false."""
    granted = {name for name in PERMISSIONS if fields.get(name, False)}
    if not independent:
        granted |= {name for cause in granted & _IMPLIED.keys() for name in _IMPLIED[cause]}
    granted |= {name for name, lead in _FOLLOWS.items() if name not in fields and lead in granted}
    return frozenset(granted)


def permissions_payload(permissions: frozenset[str]) -> dict[str, bool]:
    """Write ChatPermissions with every field."""
    return {name: name in permissions for name in PERMISSIONS}


def member_payload(
    standing: Standing, user: dict[str, Any], chat_type: str, *, viewer_id: int = 0
) -> dict[str, Any]:
    """Write one of the six ChatMember types as the bot `viewer_id` sees it."""
    payload: dict[str, Any] = {"status": standing.status, "user": user}
    if standing.status == "creator":
        payload["is_anonymous"] = standing.is_anonymous
    elif standing.status == "administrator":
        payload["can_be_edited"] = standing.promoted_by == viewer_id
        payload["is_anonymous"] = standing.is_anonymous
        payload |= {name: name in standing.rights for name in RIGHTS[chat_type]}
    elif standing.status == "restricted":
        payload["is_member"] = standing.is_member
        payload |= permissions_payload(standing.permissions)
        payload["until_date"] = standing.until
    elif standing.status == "kicked":
        payload["until_date"] = standing.until
    return payload

"""What people do who run a chat: they appoint, restrict, ban, delete, pin, open and close doors."""

from typing import TYPE_CHECKING

from gmbot.sandbox import joining, members, posting
from gmbot.sandbox.chats import Account, Chat, InviteLink, JoinRequest, Message
from gmbot.sandbox.errors import NotAllowed
from gmbot.sandbox.members import RIGHTS, Standing

if TYPE_CHECKING:
    from gmbot.sandbox.world import World


class Moderator(Account):
    """A person as far as they run chats. What they have no right to raises NotAllowed."""

    world: "World"

    def add(self, chat: Chat, whom: Account) -> None:
        """Bring a person or bot in; bots come into channels as administrators only."""
        if chat.type == "channel" and whom.is_bot:
            self.promote(chat, whom)
            return
        everybody_may = chat.is_group and self.world.may(self, chat, "can_invite_users")
        if not everybody_may and not self._may(chat, "can_invite_users"):
            raise NotAllowed(f"{self.name} may not invite to {chat.name}")
        there = chat.standing(whom.id, self.world.clock())
        if there.is_in:
            raise NotAllowed(f"{whom.name} is in {chat.name} already")
        if there.status == "kicked":
            self._need(chat, "can_restrict_members")
        joining.enter(self.world, chat, whom, self)

    def promote(
        self, chat: Chat, whom: Account, *, is_anonymous: bool = False, **rights: bool
    ) -> None:
        """Make somebody administrator with these rights; with none named, with most of them."""
        self._need(chat, "can_promote_members")
        unknown = rights.keys() - set(RIGHTS[chat.type])
        if unknown:
            raise ValueError(f"no rights in a {chat.type}: {sorted(unknown)}")
        most = {name: name != "can_promote_members" for name in RIGHTS[chat.type]}
        chosen = [name for name, given in (rights or most).items() if given]
        self._check_target(chat, whom)
        standing = members.administrator(chosen, promoted_by=self.id, is_anonymous=is_anonymous)
        joining.appoint(self.world, chat, whom, self, standing)

    def demote(self, chat: Chat, whom: Account) -> None:
        """Make an administrator an ordinary member again."""
        self._need(chat, "can_promote_members")
        self._check_target(chat, whom)
        if not chat.standing(whom.id, self.world.clock()).is_admin:
            raise NotAllowed(f"{whom.name} is no administrator of {chat.name}")
        joining.appoint(self.world, chat, whom, self, members.MEMBER)

    def be_anonymous(self, chat: Chat, *, hidden: bool = True) -> None:
        """Hide behind the group, as owners and administrators may, or show oneself again."""
        standing = self._standing(chat)
        if not standing.is_admin:
            raise NotAllowed(f"{self.name} is no administrator of {chat.name}")
        new = Standing(
            standing.status,
            rights=standing.rights,
            is_anonymous=hidden,
            promoted_by=standing.promoted_by,
        )
        joining.change(self.world, chat, self, new, self)

    def restrict(
        self, chat: Chat, whom: Account, *, until_date: int = 0, **permissions: bool
    ) -> None:
        """Leave somebody only these permissions: none named is a mute."""
        self._need(chat, "can_restrict_members")
        self._check_target(chat, whom)
        if chat.type != "supergroup":
            raise NotAllowed("only supergroups know restrictions")
        until = members.ends_at(until_date, self.world.clock())
        asked = members.asked_permissions(permissions, independent=True)
        joining.restrict(self.world, chat, whom, self, asked, until)

    def lift(self, chat: Chat, whom: Account) -> None:
        """Lift somebody's restriction."""
        self.restrict(chat, whom, **dict.fromkeys(members.PERMISSIONS, True))

    def ban(self, chat: Chat, whom: Account, *, until_date: int = 0) -> None:
        """Remove somebody for good, or until a date; their messages go too."""
        self._need(chat, "can_restrict_members")
        self._check_target(chat, whom)
        until = members.ends_at(until_date, self.world.clock())
        joining.ban(self.world, chat, whom, self, until)

    def kick(self, chat: Chat, whom: Account) -> None:
        """Remove somebody, who may come back at once."""
        self._need(chat, "can_restrict_members")
        self._check_target(chat, whom)
        if not chat.standing(whom.id, self.world.clock()).is_in:
            raise NotAllowed(f"{whom.name} is not in {chat.name}")
        joining.release(self.world, chat, whom, self)

    def unban(self, chat: Chat, whom: Account) -> None:
        """End a ban."""
        self._need(chat, "can_restrict_members")
        if chat.standing(whom.id, self.world.clock()).status == "kicked":
            joining.release(self.world, chat, whom, self)

    def set_permissions(self, chat: Chat, **permissions: bool) -> None:
        """Set what ordinary members may do; what is not named, they may not."""
        self._need(chat, "can_restrict_members")
        asked = members.asked_permissions(permissions, independent=True)
        joining.permissions_changed(self.world, chat, self, asked)

    def link(
        self,
        chat: Chat,
        *,
        creates_join_request: bool = False,
        member_limit: int = 0,
        expire_date: int = 0,
    ) -> InviteLink:
        """Make an invite link."""
        self._need(chat, "can_invite_users")
        link = self.world.new_link(chat, self)
        link.creates_join_request = creates_join_request
        link.member_limit = member_limit
        link.expire_date = expire_date
        return link

    def revoke(self, link: InviteLink) -> None:
        """Make a link useless."""
        link.is_revoked = True

    def approve(self, asked: JoinRequest) -> None:
        """Let somebody in who asked."""
        self._settle(asked, approve=True)

    def decline(self, asked: JoinRequest) -> None:
        """Keep somebody out who asked."""
        self._settle(asked, approve=False)

    def delete(self, message: Message) -> None:
        """Delete one's own message, or anybody's where one may."""
        if message.deleted:
            raise NotAllowed(f"#{message.id} is deleted already")
        if message.sender is not self:
            self._need(message.chat, "can_delete_messages")
        posting.delete(self.world, message, self)

    def pin(self, message: Message) -> None:
        """Pin a message, which a service message tells of."""
        chat = message.chat
        if chat.type == "channel":
            self._need(chat, "can_edit_messages")
        elif chat.is_group and not self.world.may(self, chat, "can_pin_messages"):
            raise NotAllowed(f"{self.name} may not pin in {chat.name}")
        chat.pinned = message
        self.world.note(self, "pinned", chat, message=message)
        posting.announce(self.world, chat, self, {"pinned_message": message.payload(nested=True)})

    def rename(self, chat: Chat, title: str | None = None, *, username: str | None = None) -> None:
        """Give a chat another title, or, as its owner, another username; "" makes it private."""
        everybody_may = chat.is_group and self.world.may(self, chat, "can_change_info")
        if title is not None and not everybody_may:
            self._need(chat, "can_change_info")
        if username is not None and self._standing(chat).status != "creator":
            raise NotAllowed(f"{self.name} does not own {chat.name}")
        joining.rename(
            self.world,
            chat,
            chat.title if title is None else title,
            chat.username if username is None else username or None,
            self,
        )

    def migrate(self, group: Chat) -> Chat:
        """Upgrade one's basic group to a supergroup, which is returned."""
        if self._standing(group).status != "creator" or group.type != "group":
            raise NotAllowed(f"{self.name} cannot upgrade {group.name}")
        if group.migrated_to is not None:
            raise NotAllowed(f"{group.name} was upgraded already")
        return joining.migrate(self.world, group, self)

    def _settle(self, asked: JoinRequest, *, approve: bool) -> None:
        self._need(asked.chat, "can_invite_users")
        if asked.state != "pending":
            raise NotAllowed(f"the request was {asked.state} already")
        joining.settle(self.world, asked, self, approve=approve)

    def _check_target(self, chat: Chat, whom: Account) -> None:
        """Refuse to act on the owner, or on administrators that somebody else appointed."""
        mine = self._standing(chat)
        theirs = chat.standing(whom.id, self.world.clock())
        if theirs.status == "creator" or whom is self:
            raise NotAllowed(f"{whom.name} cannot be acted on")
        appointed = theirs.promoted_by == self.id or mine.status == "creator"
        if theirs.is_admin and not appointed:
            raise NotAllowed(f"somebody else appointed {whom.name}")

    def _standing(self, chat: Chat) -> Standing:
        return chat.standing(self.id, self.world.clock())

    def _may(self, chat: Chat, right: str) -> bool:
        return self._standing(chat).may(right)

    def _need(self, chat: Chat, right: str) -> None:
        if not self._may(chat, right):
            raise NotAllowed(f"{self.name} lacks {right} in {chat.name}")

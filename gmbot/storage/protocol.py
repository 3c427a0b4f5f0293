"""What a storage can do, whatever database is behind it.

Each method is one transaction: it happens whole or not at all, also when its caller is cancelled
(then it is unknown which). Each may raise `gmbot.storage.errors.StorageError`. Callers bring their
own deadline.

Rows that several tasks or instances change carry a version. A change names the record it was
decided on and is made only if that one still stands (compare-and-set); None or False says that
somebody was faster: read again and decide anew. A version is never used twice for one key, also
not after its row was dropped and made again, so that a late change cannot hit a successor.
"""

from collections.abc import Sequence
from typing import Protocol

from gmbot.storage.records import (
    Channel,
    Group,
    Notice,
    Owner,
    PendingUpdate,
    ProtectedGroup,
    Restriction,
    RestrictionState,
)


class Storage(Protocol):
    """The durable truth."""

    # Groups and the channels they require.

    async def protect(self, owner: Owner, group: Group, channels: Sequence[Channel]) -> None:
        """Write all three down and link them; repeating is harmless.

        What is known and not named stays: an invite link where the new one is None, params where
        the new ones are empty, and earlier links. All else becomes as given.
        """

    async def unprotect(self, group_id: int, channel_ids: Sequence[int]) -> None:
        """Unlink these channels; the group and what it has set stay."""

    async def set_group_enabled(self, group_id: int, *, enabled: bool) -> None:
        """Switch a group's protection on or off; an unknown group is left unknown."""

    async def protected_groups(self) -> list[ProtectedGroup]:
        """Return all enabled groups that require at least one channel."""

    async def protected_group(self, group_id: int) -> ProtectedGroup | None:
        """Return one group, enabled or not, perhaps without channels; None if unknown."""

    # Whom we hold.

    async def want_restriction(self, wanted: Restriction) -> tuple[Restriction, bool]:
        """Write down that this person is to be muted, unless they are in the records already.

        Returns the record that stands, and whether it is new. A new one is WANTED, with its first
        version; those two fields of `wanted` are not read.
        """

    async def restriction(self, group_id: int, user_id: int) -> Restriction | None:
        """Return one record."""

    async def restrictions_in(self, group_id: int) -> list[Restriction]:
        """Return all records of a group."""

    async def restrictions_of(self, user_id: int) -> list[Restriction]:
        """Return all records of a person."""

    async def restrictions(self) -> list[Restriction]:
        """Return all records."""

    async def advance_restriction(
        self, current: Restriction, state: RestrictionState
    ) -> Restriction | None:
        """Give the record a new state (compare-and-set); return what stands now."""

    async def drop_restriction(self, current: Restriction) -> bool:
        """Remove the record (compare-and-set); False: another one stands, or none."""

    # The live notice of a group.

    async def notice(self, group_id: int) -> Notice | None:
        """Return a group's notice."""

    async def notices(self) -> list[Notice]:
        """Return all notices."""

    async def save_notice(self, notice: Notice) -> Notice | None:
        """Write a notice: version 0 only if the group has none, else compare-and-set.

        Returns what was stored, with its new version; None: somebody was faster.
        """

    async def drop_notice(self, notice: Notice) -> bool:
        """Remove the notice (compare-and-set); False: another one stands, or none."""

    # Updates that go on after they were acknowledged.

    async def store_update(
        self, update: PendingUpdate, *, claimed_by: str, claimed_to: float
    ) -> None:
        """Keep an update, claimed by this instance; one with that id already there stands."""

    async def claim_updates(
        self, *, instance: str, now: float, until: float, limit: int
    ) -> list[PendingUpdate]:
        """Claim what is due and in nobody's hands, or in hands whose claim has ended.

        The longest due come first. What this instance has in hand already is not given again.
        """

    async def extend_claims(self, *, instance: str, until: float) -> None:
        """Prolong the claims on all that this instance has in hand."""

    async def postpone_update(self, update_id: int, *, attempts: int, available_at: float) -> None:
        """Give the claim back and let the update come due later."""

    async def finish_update(self, update_id: int) -> None:
        """Forget an update that is done."""

    async def ping(self) -> None:
        """Return if the database would take a write now."""

    async def aclose(self) -> None:
        """Finish what was asked for and close; repeating is harmless."""

"""What a storage can do, whatever database is behind it.

Each method is one transaction: it happens whole or not at all, also when its caller is cancelled
(then it is unknown which). Each may raise `gmbot.storage.errors.StorageError`. Callers bring their
own deadline.

Rows that several tasks or instances change carry a version. A change names the record it was
decided on and is made only if that one still stands (compare-and-set); None or False says that
somebody was faster: read again and decide anew. A version is never used twice for one key, also
not after its row was dropped and made again, so that a late change cannot hit a successor.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from gmbot.storage.records import (
    Channel,
    Group,
    Job,
    Notice,
    Owner,
    PendingUpdate,
    ProtectedGroup,
    ProtectionRequest,
    Restriction,
    RestrictionState,
    Sighting,
)


class Storage(Protocol):
    """The durable truth."""

    # Groups and the channels they require.

    async def protect(self, owner: Owner, group: Group, channels: Sequence[Channel]) -> None:
        """Write all three down and link them; repeating is harmless.

        What is known and not named stays: an invite link where the new one is None, params where
        the new ones are empty, and earlier links; and so does whether a channel is hidden, which
        `set_channel_hidden` alone changes. All else becomes as given; a request that waited for
        this group is done with.
        """

    async def unprotect(self, group_id: int, channel_ids: Sequence[int]) -> None:
        """Unlink these channels; the group and what it has set stay."""

    async def set_group_enabled(self, group_id: int, *, enabled: bool) -> None:
        """Switch a group's protection on or off; an unknown group is left unknown."""

    async def set_params(self, group_id: int, params: Mapping[str, Any]) -> None:
        """Write what a group has set, in place of what it had; an unknown group is left unknown."""

    async def set_channel_hidden(self, channel_id: int, *, hidden: bool) -> bool:
        """Write whether the bot can look into a channel; return whether that is news."""

    async def channel(self, channel_id: int) -> Channel | None:
        """Return what is written about a channel, whether a group requires it or not."""

    async def rename_channel(
        self, channel_id: int, title: str, username: str | None, link: str | None = None
    ) -> None:
        """Write a channel's present names, and an invite link where it has none yet.

        An unknown channel is left unknown.
        """

    async def migrate_group(self, old_id: int, new_id: int) -> None:
        """Let everything of a group follow to its new id; repeating is harmless.

        Where both are known, the new one's own rows stand and what it lacks is added. The old
        one's notice goes: its message did not follow. Whom it named counts as not told yet.
        """

    async def protected_groups(self) -> list[ProtectedGroup]:
        """Return all enabled groups that require at least one channel."""

    async def suspended_groups(self, *, since: float) -> list[int]:
        """Return the disabled groups that require a channel and were written to since then."""

    async def protected_group(self, group_id: int) -> ProtectedGroup | None:
        """Return one group, enabled or not, perhaps without channels; None if unknown."""

    # What was asked for in a basic group, and waits until it is a supergroup.

    async def save_protection_request(self, request: ProtectionRequest) -> None:
        """Write a request in place of an earlier one of that group."""

    async def protection_request(self, group_id: int) -> ProtectionRequest | None:
        """Return a group's request."""

    async def drop_protection_request(self, group_id: int) -> None:
        """Forget a group's request."""

    # Whom we hold.

    async def want_restriction(self, wanted: Restriction) -> tuple[Restriction, bool] | None:
        """Write down that this person is to be muted, unless they are in the records already.

        Returns the record that stands, and whether it is new. A new one is WANTED, with its first
        version, since now; those three fields of `wanted` are not read. None: the person is
        pardoned here.
        """

    async def restriction(self, group_id: int, user_id: int) -> Restriction | None:
        """Return one record."""

    async def restrictions_in(self, group_id: int) -> list[Restriction]:
        """Return all records of a group."""

    async def restrictions_of(self, user_id: int) -> list[Restriction]:
        """Return all records of a person."""

    async def restricted_groups(self) -> list[int]:
        """Return the groups that have records, each once, in the order of their ids."""

    async def restrictions(self) -> list[Restriction]:
        """Return all records."""

    async def advance_restriction(
        self, current: Restriction, state: RestrictionState
    ) -> Restriction | None:
        """Give the record a new state (compare-and-set); return what stands now."""

    async def drop_restriction(self, current: Restriction) -> bool:
        """Remove the record (compare-and-set); False: another one stands, or none."""

    async def untold_restrictions(self) -> list[Restriction]:
        """Return the records of people whom no notice that was stored as LIVE has named yet."""

    # Whom a human has freed: not muted by us in this group until they leave a channel.

    async def pardon(self, group_id: int, user_id: int, *, given_at: float) -> None:
        """Remove the person's record, if there is one, and write a pardon.

        Of two the one that was given later stands, whichever is written last.
        """

    async def is_pardoned(self, group_id: int, user_id: int) -> bool:
        """Whether there is a pardon."""

    async def end_pardons(self, user_id: int, group_ids: Sequence[int], *, before: float) -> None:
        """Remove a person's pardons in these groups, of those that were given before then."""

    # Messages that were deleted with a warning, where a group warns before it mutes.

    async def warn(self, group_id: int, user_id: int, message_id: int, *, now: float) -> int:
        """Count a warning, and return how many the person has had.

        Not counted: a message that is not newer than the last one counted, and whatever comes
        within 5 s of the last one, which is the same burst or album.
        """

    async def forget_warnings(self, group_id: int, user_id: int) -> None:
        """Begin to count anew."""

    # Who was seen where.

    async def save_sightings(self, sightings: Sequence[Sighting]) -> None:
        """Write when people were seen; an older time than the one that stands changes nothing."""

    async def seen_in(self, group_id: int, *, since: float) -> list[int]:
        """Return the ids of all who were seen in a group since then."""

    async def groups_seen(self, user_id: int) -> list[int]:
        """Return the groups in which a person was seen, the latest first."""

    async def forget_sightings(self, *, before: float) -> None:
        """Forget what is older."""

    # Who has asked to be let into a channel.

    async def save_join_request(self, channel_id: int, user_id: int) -> None:
        """Write that a person waits to be let in, from now on."""

    async def has_join_request(self, channel_id: int, user_id: int) -> bool:
        """Whether a person waits to be let in."""

    async def drop_join_request(self, channel_id: int, user_id: int) -> None:
        """Forget it: it was decided, or taken back."""

    async def forget_join_requests(self, *, before: float) -> None:
        """Forget what is older: that it was decided may never have been told."""

    # What people see once, however often it is asked for.

    async def claim_effect(self, key: str) -> bool:
        """Write that this effect is about to happen; False: it was claimed before."""

    async def release_effect(self, key: str) -> None:
        """Take the claim back: the effect did surely not happen."""

    async def forget_effects(self, prefix: str, *, before: float) -> None:
        """Forget older claims on keys that begin so: nothing asks for them any more."""

    # Long work.

    async def add_job(self, kind: str, key: str, payload: Mapping[str, Any], *, now: float) -> None:
        """Write a job, due at once.

        One of that kind and key that is there already gets the new payload, no attempts, and a new
        version; whoever has it in hand keeps it until the work on it ends.
        """

    async def claim_jobs(self, *, instance: str, now: float, until: float, limit: int) -> list[Job]:
        """Claim jobs as `claim_updates` claims updates."""

    async def save_job(self, job: Job, payload: Mapping[str, Any]) -> bool:
        """Write how far a job has come; False: it was asked for anew, begin again."""

    async def postpone_job(self, job: Job, *, attempts: int, available_at: float) -> None:
        """Give the claim back and let the job come due later; at once if asked for anew."""

    async def finish_job(self, job: Job) -> bool:
        """Forget a job that is done; False: it was asked for anew, and is due at once."""

    # The live notice of a group.

    async def notice(self, group_id: int) -> Notice | None:
        """Return a group's notice."""

    async def notices(self) -> list[Notice]:
        """Return all notices."""

    async def save_notice(self, notice: Notice) -> Notice | None:
        """Write a notice: version 0 only if the group has none, else compare-and-set.

        A LIVE one has told everybody it names that they are held. Returns what was stored, with its
        new version; None: somebody was faster.
        """

    async def drop_notice(self, notice: Notice) -> bool:
        """Remove the notice (compare-and-set); False: another one stands, or none.

        Like one that is saved, a LIVE one has told everybody it names, who came last included.
        """

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
        """Prolong the claims on all updates and jobs that this instance has in hand."""

    async def postpone_update(self, update_id: int, *, attempts: int, available_at: float) -> None:
        """Give the claim back and let the update come due later."""

    async def finish_update(self, update_id: int) -> None:
        """Forget an update that is done."""

    async def ping(self) -> None:
        """Return if the database would take a write now."""

    async def aclose(self) -> None:
        """Finish what was asked for and close; repeating is harmless."""

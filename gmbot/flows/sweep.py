"""A look at many people of one group: verified in batches, each brought to what is true now."""

from collections.abc import AsyncIterable, Awaitable, Callable, Iterator, Mapping, Sequence
from functools import partial

import structlog
import trio

from gmbot.api.errors import Refusal
from gmbot.api.limiter import Priority
from gmbot.flows.tally import OUTCOMES, Outcome, Tally
from gmbot.flows.verdict import Failure, judge, leaves
from gmbot.guard.guard import Guard
from gmbot.guard.holding import count_requests, hold, settle
from gmbot.guard.membership import Membership, Verification
from gmbot.guard.policies import Policy
from gmbot.storage.records import Restriction
from gmbot.telemetry import events
from gmbot.telemetry.metrics import ErrorType

# People on whom something is done at once: what is done is urgent in the limiter.
DEEDS = 5

log = structlog.get_logger()


class Sweep:
    """Looks at people of a group, at background priority, and counts what became of them.

    `held` are the records of those whom we hold. `anew` looks past a remembered no. Who is in
    doubt, and stays as they were, is noted in `doubtful`.
    """

    def __init__(
        self,
        guard: Guard,
        group_id: int,
        held: Mapping[int, Restriction],
        *,
        anew: bool,
        tally: Tally,
        doubtful: list[int],
    ) -> None:
        self._guard = guard
        self._group_id = group_id
        self._held = held
        self._anew = anew
        self._tally = tally
        self._doubtful = doubtful

    async def look_at(self, people: Sequence[int]) -> None:
        """Look at these. Raises ApiErrors and StorageErrors where a dependency is away."""
        policy = self._guard.policies.get(self._group_id)
        if policy is None:  # whoever is held needs no look-up, others are nobody's business
            left = iter(people)
            await self._side_by_side(partial(self._let_go, left))
            return
        async with self._guard.memberships.verify_many(
            people, policy.channel_ids, anew=self._anew, priority=Priority.BACKGROUND
        ) as verified:
            await self._side_by_side(partial(self._bring_up, policy, verified))

    async def _side_by_side(self, work: Callable[[], Awaitable[None]]) -> None:
        async with trio.open_nursery() as nursery:
            for number in range(DEEDS):
                nursery.start_soon(work, name=f"sweep {self._group_id} {number}")

    async def _let_go(self, people: Iterator[int]) -> None:
        for user_id in people:
            await self._settle(user_id, None, None)

    async def _bring_up(
        self, policy: Policy, verified: AsyncIterable[tuple[int, Verification]]
    ) -> None:
        async for user_id, verification in verified:
            await self._settle(user_id, policy, verification)

    async def _settle(
        self, user_id: int, policy: Policy | None, found: Verification | None
    ) -> None:
        """Do what is to be done about one person, and count it: their trouble stops nobody else."""
        try:
            outcome = await self._outcome(user_id, policy, found)
        except Exception as error:
            errors = leaves(error)
            if judge(errors, 0).failure is Failure.AWAY:
                raise
            outcome = self._trouble(user_id, errors)
        self._tally.count(outcome)
        if outcome is Outcome.UNKNOWN:
            self._doubtful.append(user_id)

    def _trouble(self, user_id: int, errors: Sequence[Exception]) -> Outcome:
        where = {"group_id": self._group_id, "user_id": user_id}
        if all(isinstance(error, Refusal) for error in errors):
            log.warning(events.RIGHTS_MISSING, action="recheck", reason=str(errors[0]), **where)
            return Outcome.REFUSED
        log.error(events.JOB_FAILED, failure=Failure.POISON, exc_info=errors[0], **where)
        self._guard.metrics.error(ErrorType.FLOW)
        return Outcome.UNKNOWN

    async def _outcome(
        self, user_id: int, policy: Policy | None, found: Verification | None
    ) -> Outcome:
        guard, restriction = self._guard, self._held.get(user_id)
        if policy is not None and found is not None:
            found = await count_requests(guard, policy, user_id, found)
        if restriction is not None:
            return OUTCOMES[
                await settle(guard, restriction, found, anew=True, priority=Priority.BACKGROUND)
            ]
        if policy is None or found is None or found.outcome is Membership.MEMBER:
            return Outcome.UNCHANGED
        if found.outcome is Membership.UNKNOWN:
            return Outcome.UNKNOWN
        member = await guard.roles.standing(self._group_id, user_id)  # which tells their name
        return OUTCOMES[await hold(guard, policy, member.user, member=member)]

"""A bot that dies at a given point of its work, and what people find in the end.

A point is right before one call to Telegram or one query of the storage, or right after it took
effect; what only asks takes none, so right after it is right before the next one. From there on
nothing of that run reaches either, whatever it would still do, as with a process that is killed;
after a while another run is started.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from random import Random
from typing import Any, NamedTuple, TypeVar

import trio

from gmbot.api.limiter import Limits
from gmbot.api.transport import Answer
from gmbot.sandbox.chats import Chat, Message
from gmbot.sandbox.members import LEFT
from gmbot.sandbox.telegram import Telegram
from gmbot.storage.records import Channel, Group, Owner
from gmbot.storage.sqlite_worker import Work, Workers
from tests.guard.town import NOISE, Bot, Direct, InlineStorage, Town, settle

T = TypeVar("T")

OK = 200
LIMITS = Limits(25, 20, 100)
POLL = "getUpdates"
CLAIMS = frozenset({"claim_updates", "claim_jobs"})  # events where they claim something
IDLE = NOISE - {POLL}
LAZY = CLAIMS | {"extend_claims"}

# Seconds after which all is done that is going to be done now, and its notice stands: the claims of
# a run that died end after 10.
SOON = 20.0
# Seconds after which nothing is left to be done: the last look after a doubt comes after 12 min
# 37 s, and a notice is gone after 5 min.
REST = 1000.0
# Seconds that the storage takes to tell what is due, at work and at rest: most of what happens then
# is that it is asked, again and again.
SLOWNESS = 1.5
LAZINESS = 30.0

# In a notice to somebody who wrote in the name of a channel, which may have no buttons.
AS_CHATS = "Who writes in the name of a channel"


class Point(NamedTuple):
    """Where a run dies: at the `nth` event of its kind, before or after that took effect."""

    event: str
    nth: int
    is_after: bool

    def __str__(self) -> str:
        return f"{'after' if self.is_after else 'before'} {self.event} {self.nth}"


class Fate:
    """Of one run: which points it passes, and at which one it dies: this, or the `last` it passes."""

    def __init__(self, point: Point | None = None, *, last: int | None = None) -> None:
        self.point = point
        self.last = last
        self.passed: list[Point] = []
        self.is_listening = False
        self.is_resting = False  # then questions for updates are no events any more
        self.is_dead = False
        self.kill: Callable[[], None]
        self.in_doubt = 0  # replies that are claimed and not sent yet
        self.strays = 0  # notices that were sent, which nobody wrote down
        self._counts: Counter[str] = Counter()

    async def begin(self, event: str) -> int:
        """Come to an event; return which one of its kind it is, 0 where nobody listens."""
        if self.is_dead:
            await trio.sleep_forever()
        if not self.is_listening or (event == POLL and self.is_resting):
            return 0
        self._counts[event] += 1
        await self._pass(Point(event, self._counts[event], is_after=False))
        return self._counts[event]

    async def end(self, event: str, nth: int) -> None:
        """Leave an event behind: it took effect, or, with 0, none."""
        if self.is_dead:
            await trio.sleep_forever()
        if nth:
            await self._pass(Point(event, nth, is_after=True))

    async def claimed(self, query: str) -> None:
        """Leave a claim behind that found something."""
        if self.is_listening:
            self._counts[query] += 1
            await self.end(query, self._counts[query])

    async def _pass(self, point: Point) -> None:
        self.passed.append(point)
        if point == self.point or len(self.passed) == self.last:
            self.is_dead = True
            self.kill()
            await trio.sleep_forever()


class MortalStorage(InlineStorage):
    """The storage of a run with a fate."""

    fate: Fate

    async def _ask(self, query: str, workers: Workers, work: Work[T]) -> T:
        if query in IDLE:
            if self.fate.is_dead:
                await trio.sleep_forever()
            if query in LAZY and self.fate.is_resting:
                await trio.sleep(LAZINESS)
            elif query in CLAIMS:
                await trio.sleep(SLOWNESS)
            result = await super()._ask(query, workers, work)
            if query in CLAIMS and result:
                await self.fate.claimed(query)
            return result
        nth, changes = await self.fate.begin(query), self.db.total_changes
        result = await super()._ask(query, workers, work)
        if query == "claim_effect" and result:
            self.fate.in_doubt += 1
        elif query == "release_effect" and result and self.fate.in_doubt:
            self.fate.in_doubt -= 1
        await self.fate.end(query, nth if self.db.total_changes > changes else 0)
        return result


class MortalWire(Direct):
    """The way to Telegram of a run with a fate."""

    def __init__(self, telegram: Telegram, fate: Fate) -> None:
        super().__init__(telegram, [])
        self._fate = fate

    async def post(self, method: str, body: bytes, *, read_timeout: float) -> Answer:
        nth = await self._fate.begin(method)
        answer = await super().post(method, body, read_timeout=read_timeout)
        if method == "sendMessage" and answer.status == OK and b"reply_markup" not in body:
            self._fate.in_doubt = max(0, self._fate.in_doubt - 1)
        is_question = method.startswith("get") and method != POLL  # which tells what is done
        await self._fate.end(method, 0 if is_question else nth)
        return answer


class Stage(Town):
    """The town, with two channels, and a bot in it that comes back, run by run with these fates."""

    def __init__(
        self, nursery: trio.Nursery, fates: Sequence[Fate], *, down: float, soon: float
    ) -> None:
        telegram = Telegram(random=Random(1))
        telegram._started = 1_800_000_000.0  # the same seconds in every run
        super().__init__(telegram, channels=2)
        self.nursery = nursery
        self.fates = [*fates, Fate()]
        self.down = down
        self.soon = soon
        self.storage = MortalStorage(telegram.now, [])
        self.storage.fate = fates[0]
        self.groups = [self.group]
        self.runs = 0

    async def guard(
        self, group: Chat | None = None, *, channels: int = 1, **params: object
    ) -> None:
        """Write down that a group requires the first channels."""
        group = group or self.group
        await self.storage.protect(
            Owner(self.anna.id, self.anna.username),
            Group(group.id, self.anna.id, group.title),
            [Channel(c.id, c.title, c.username, None) for c in self.channels[:channels]],
        )
        await self.storage.set_params(group.id, params)

    async def open(self) -> None:
        """Start the first run."""
        await self.nursery.start(self._live)
        await self.wait()

    async def wait(self) -> None:
        """Let done what is done soon."""
        await trio.sleep(self.soon)
        await settle()

    async def rest(self, seconds: float) -> None:
        """Let time pass in which hardly anything happens."""
        for fate in self.fates:
            fate.is_resting = True
        await trio.sleep(seconds)
        await settle()
        for fate in self.fates:
            fate.is_resting = False

    def listen(self) -> None:
        """Count events from here on."""
        for fate in self.fates:
            fate.is_listening = True

    async def finish(self) -> dict[str, Any]:
        """Wait until all is over; return what people found, soon and in the end."""
        await self.wait()
        await self.wait()
        found = {
            "notices": self.notice_texts(),
            "standings soon": self.standings(),
            "answers": [press.answered for press in self.world.presses.values()],
        }
        await self.rest(REST)
        return found | {
            "standings": self.standings(),
            "messages": self.written(),
            "said": self.replies(),
            "people": self.people(),
            "groups": self.settings(),
        }

    async def _live(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        for fate in self.fates:
            self.runs += 1
            self.storage.fate = fate
            wire = MortalWire(self.telegram, fate)
            name = f"run {self.runs}"
            self.bot = Bot(self.telegram, self.storage, wire, limits=LIMITS, instance=name)
            fate.kill = self.bot.kill
            if self.runs == 1:
                await self.bot.run(task_status=task_status)
            else:
                await self.bot.run()
            fate.strays = len(self.strays())
            await trio.sleep(self.down)

    # What people see

    def standings(self) -> dict[str, object]:
        now = self.telegram.now()
        return {
            f"{person.name} in {group.title}": (
                standing.status,
                sorted(standing.permissions),
                standing.until,
                self.world.can_write(person, group),
            )
            for group in self.groups
            for person in self.everybody()
            if (standing := group.standing(person.id, now)) != LEFT
        }

    def everybody(self) -> list[Any]:
        return [one for one in self.world.accounts.values() if not one.is_bot]

    def written(self) -> list[tuple[str, str, bool]]:
        """What people wrote, and whether it is gone."""
        return [
            (message.sender.name, message.text, message.deleted)
            for group in self.groups
            for message in group.messages.values()
            if not message.sender.is_bot and not message.is_service
        ]

    def of_bot(self) -> list[Message]:
        return [
            message
            for group in self.groups
            for message in group.messages.values()
            if message.sender is self.telegram.bot and not message.is_service
        ]

    def replies(self) -> Counter[str]:
        """What the bot has ever said, notices left out."""
        return Counter(m.text for m in self.of_bot() if not is_notice(m))

    def notice_messages(self) -> list[Message]:
        return [m for m in self.of_bot() if is_notice(m) and not m.deleted]

    def notice_texts(self) -> list[str]:
        """The notices that stand, those left out of which the bot lost sight."""
        known = self._known_notices()
        return sorted(m.text for m in self.notice_messages() if (m.chat.id, m.id) in known)

    def strays(self) -> list[Message]:
        known = self._known_notices()
        return [m for m in self.notice_messages() if (m.chat.id, m.id) not in known]

    def _known_notices(self) -> set[tuple[int, int]]:
        return {(row[0], row[1]) for row in self.storage.rows("notices")}

    # What is durable

    def people(self) -> dict[str, list[Any]]:
        db = self.storage.db
        asked = {
            "held": "SELECT group_id, user_id, state, before, until_date, told FROM restrictions",
            "pardoned": "SELECT group_id, user_id FROM pardons",
            "warned": "SELECT group_id, user_id, times FROM warnings",
        }
        return {name: sorted(db.execute(query).fetchall()) for name, query in asked.items()}

    def settings(self) -> dict[str, list[Any]]:
        db = self.storage.db
        asked = {
            "groups": "SELECT group_id, owner_id, title, enabled, params FROM protected_groups",
            "channels": "SELECT channel_id, title, username, hidden FROM enforced_channels",
            "links": "SELECT group_id, channel_id FROM group_channel_links",
            "requests": "SELECT group_id, channel_ids FROM protection_requests",
        }
        return {name: sorted(db.execute(query).fetchall()) for name, query in asked.items()}


def is_notice(message: Message) -> bool:
    return message.markup is not None or AS_CHATS in message.text

"""Two guarded groups, two channels, their people and the bot; and what is true of them.

The truth is the simulated Telegram's world, and what humans decided in it, written down as they do.
"""

from random import Random
from typing import Any, NamedTuple

import msgspec
import trio

from gmbot.api.limiter import Limits
from gmbot.api.source import Received, read_update
from gmbot.api.transport import Answer
from gmbot.sandbox.chats import Chat, Message
from gmbot.sandbox.errors import NotAllowed
from gmbot.sandbox.members import Standing
from gmbot.sandbox.people import Person
from gmbot.sandbox.telegram import Telegram
from gmbot.storage.records import Channel, Group, Owner, RestrictionState
from tests.guard.town import Bot, Direct, InlineStorage, settle

OK, FLOOD = 200, 429
LONGEST_FLOOD = 21.0  # seconds, of the faults that are used here
BOOT = 4.0  # seconds
LIMITS = Limits(25, 20, 100)

# Seconds after which everything has to be as it should: the last look after a doubt comes after
# 12 min 37 s, and a notice is gone after 5 min.
REST = 1000.0

Place = tuple[int, int]  # a group and a person


class Written(NamedTuple):
    """A message, by whom, and when."""

    message: Message
    author: Person
    group: Chat
    at: float


class Wire(Direct):
    """Requests that skip the network; remembers which updates were given."""

    def __init__(self, telegram: Telegram, given: list[Received]) -> None:
        super().__init__(telegram, [])
        self._given = given

    async def post(self, method: str, body: bytes, *, read_timeout: float) -> Answer:
        answer = await super().post(method, body, read_timeout=read_timeout)
        if method == "getUpdates" and answer.status == OK:
            updates = msgspec.json.decode(answer.body, type=Given).result
            read = [read_update(update) for update in updates]
            self._given += [update for update in read if isinstance(update, Received)]
        return answer


class Given(msgspec.Struct):
    """An answer of getUpdates."""

    result: list[msgspec.Raw]


class Neighbourhood:
    """Garden (wants both channels) and Kitchen (wants the first one)."""

    def __init__(self, nursery: trio.Nursery) -> None:
        self.nursery = nursery
        telegram = self.telegram = Telegram(random=Random(1))
        world = self.world = telegram.world
        self.anna = world.person("Anna")
        self.mia = world.person("Mia")
        self.people = [world.person(name) for name in ("Bob", "Eve", "Joe", "Sue")]
        everybody = [self.anna, *self.people]
        self.groups = [
            world.supergroup(
                title,
                creator=self.anna,
                username=title.lower(),
                members=everybody,
                admins=[self.mia, telegram.bot],
            )
            for title in ("Garden", "Kitchen")
        ]
        self.channels = [
            world.channel(
                title,
                username=title.lower(),
                creator=self.anna,
                members=members,
                admins=[telegram.bot],
            )
            for title, members in (("News", self.people[1:3]), ("Views", self.people[2:3]))
        ]
        self.wanted = {self.groups[0].id: self.channels, self.groups[1].id: self.channels[:1]}
        self.storage: Any = InlineStorage(telegram.now, [])
        self.bot: Bot
        self.written: list[Written] = []
        self.given: list[Received] = []
        self.runs = 0
        # What humans decided.
        self.restricted: dict[Place, Standing] = {}
        self.pardoned: set[Place] = set()
        self.excused: set[Place] = set()  # freed from what was none of ours: either is right
        self.left_at: dict[Place, int] = {}  # the second in which a person left such a channel
        # Since when a person is surely to be held where they write; nothing where they are not.
        self.guilty_since: dict[Place, float] = {}
        # When a person was last missing in a channel that a group wants.
        self.missing_at: dict[Place, float] = {}
        self.acting: set[int] = {group.id for group in self.groups}  # groups where the bot may act
        self.seen: set[int] = {channel.id for channel in self.channels}  # channels that it sees
        # Chats whose rights have changed since the last rest: the bot may not know of it yet.
        self.unsure: set[int] = set()
        self.judged = 0

    # The bot

    async def open(self) -> None:
        for group in self.groups:
            await self.storage.protect(
                Owner(self.anna.id, None),
                Group(group.id, self.anna.id, group.title),
                [Channel(c.id, c.title, c.username, None) for c in self.wanted[group.id]],
            )
        self.judged = self.world.journal.total
        await self.start()
        self.look()

    async def start(self) -> None:
        self.runs += 1
        self.bot = Bot(
            self.telegram,
            self.storage,
            Wire(self.telegram, self.given),
            limits=LIMITS,
            instance=f"run {self.runs}",
        )
        await self.nursery.start(self.bot.run)
        await settle()

    async def restart(self) -> None:
        self.bot.kill()
        await settle()
        # A machine takes its time to come back, and what a dead run was told by a 429 the next one
        # does not know: that would have to be shared.
        now, calls = self.telegram.now(), self.telegram.calls
        flooded = any(c.status == FLOOD and c.at > now - LONGEST_FLOOD for c in calls)
        await trio.sleep(LONGEST_FLOOD if flooded else BOOT)
        await self.start()

    async def wait(self, seconds: float) -> None:
        await trio.sleep(seconds)
        await settle()
        self.look()

    # What is true

    def is_missing(self, group: Chat, person: Person, *, surely: bool = False) -> bool:
        """Whether a person lacks a channel that the bot can see, of those that the group wants."""
        now, seen = self.telegram.now(), self.seen - self.unsure if surely else self.seen
        return any(
            channel.id in seen and not channel.standing(person.id, now).is_in
            for channel in self.wanted[group.id]
        )

    def look(self) -> None:
        """Write down who is guilty now, and who is missing; called after everything that is done."""
        now = self.telegram.now()
        for group in self.groups:
            for person in self.people:
                place = group.id, person.id
                if self.is_missing(group, person):
                    self.missing_at[place] = now
                is_missing = self.is_missing(group, person, surely=True)
                is_free = place in self.pardoned or place in self.excused
                is_acting = group.id in self.acting - self.unsure
                if is_missing and is_acting and not is_free:
                    self.guilty_since.setdefault(place, now)
                else:
                    self.guilty_since.pop(place, None)

    def is_held(self, place: Place) -> bool:
        """Whether the bot has a record of a person."""
        return place in {(row[0], row[1]) for row in self.storage.rows("restrictions")}

    # What people do

    def write(self, author: Person, group: Chat, album: int = 0) -> None:
        try:
            messages = (
                author.album(group, album) if album else [author.write(group, "Hello everybody")]
            )
        except NotAllowed:
            return
        now = self.telegram.now()
        self.written += [Written(message, author, group, now) for message in messages]

    def human_restricts(self, group: Chat, person: Person, **allowed: bool) -> None:
        now = self.telegram.now()
        before, place = group.standing(person.id, now), (group.id, person.id)
        if before.status == "kicked":
            return
        self.mia.restrict(group, person, **allowed)
        after = group.standing(person.id, now)
        if after == before:
            return  # nothing changed, so nobody can know of it
        self.restricted[place] = after
        if "can_send_messages" in after.permissions - before.permissions:
            self._free(place, before)

    def human_frees(self, group: Chat, person: Person) -> None:
        before, place = group.standing(person.id, self.telegram.now()), (group.id, person.id)
        if before.status != "restricted":
            return
        self.mia.lift(group, person)
        self.restricted.pop(place, None)
        self._free(place, before)

    def _free(self, place: Place, before: Standing) -> None:
        # Telegram counts in whole seconds: which of two in one was first, a late hearer cannot know.
        just_left = self.left_at.get(place) == int(self.telegram.now())
        if before.status == "restricted" and self.is_held(place) and not just_left:
            self.pardoned.add(place)
        else:
            self.excused.add(place)

    def human_kicks(self, group: Chat, person: Person) -> None:
        self.mia.ban(group, person)
        self.mia.unban(group, person)
        self.restricted.pop((group.id, person.id), None)

    def leave_channel(self, person: Person, channel: Chat) -> None:
        person.leave(channel)
        for group in self.groups:
            if channel in self.wanted[group.id]:
                place = group.id, person.id
                self.left_at[place] = int(self.telegram.now())
                self.excused.add(place)  # a pardon ends, if the bot is told
                self.pardoned.discard(place)
                if channel.id in self.seen and group.id in self.acting:
                    self.excused.discard(place)

    # What the bot may

    def take_rights(self, group: Chat) -> None:
        self.acting.discard(group.id)
        self.unsure.add(group.id)
        self.anna.promote(group, self.telegram.bot, can_delete_messages=True)

    def give_rights(self, group: Chat) -> None:
        self.acting.add(group.id)
        self.unsure.add(group.id)
        self.anna.promote(group, self.telegram.bot)

    def hide(self, channel: Chat) -> None:
        self.seen.discard(channel.id)
        self.unsure.add(channel.id)
        self.anna.demote(channel, self.telegram.bot)

    def show(self, channel: Chat) -> None:
        self.seen.add(channel.id)
        self.unsure.add(channel.id)
        self.anna.promote(channel, self.telegram.bot)

    # What must be so, always

    def judge(self) -> None:
        """Look at all that the bot did since the last look."""
        world, bot = self.world, self.telegram.bot
        assert self.telegram.violations == []
        floods = self.telegram.flood.violations
        assert floods == [], floods[:2]
        people = {person.id: person for person in self.people}
        entries = world.journal.since(self.judged)
        self.judged = world.journal.total
        for entry in entries:
            if entry.who_id != bot.id or entry.deed not in {"restricted", "deleted"}:
                continue
            if entry.whom_id == bot.id:
                continue
            assert entry.whom_id in people, f"exempt, and still: {entry}"
            place = entry.chat_id, entry.whom_id
            if entry.deed == "restricted" and place not in self.restricted:
                lacked = entry.at - self.missing_at.get(place, -1.0)
                assert lacked < REST, f"never missing, and still: {entry}"
        for place, standing in self.restricted.items():
            if not self.is_held(place):
                now_is = world.chats[place[0]].standing(place[1], self.telegram.now())
                assert now_is.permissions <= standing.permissions, "a human restricted them"

    def judge_at_rest(self) -> None:
        """Look whether everything is as it should be, once the dust has settled."""
        self.judge()
        for group in self.groups:
            self._judge_standings(group)
            notices = [m for m in group.visible() if m.sender is self.telegram.bot and m.markup]
            # Of one whose send was cut off the bot knows nothing, until somebody presses it.
            cut_off = self.runs - 1 + self.telegram.faults.fired["status_500"]
            assert len(notices) <= cut_off, "a notice goes after its time"
        for written in self.written:
            place = written.group.id, written.author.id
            if written.author not in self.people:
                assert not written.message.deleted, "exempt, and still deleted"
            elif self.guilty_since.get(place, REST + written.at) <= written.at:
                assert written.message.deleted, f"{written.author.name}'s message stands"
        assert self.storage.rows("pending_updates") == []
        assert self.storage.rows("jobs") == []
        states = {row[3] for row in self.storage.rows("restrictions")}
        assert states <= {RestrictionState.HELD.value}

    def _judge_standings(self, group: Chat) -> None:
        now = self.telegram.now()
        for person in self.people:
            place, standing = (group.id, person.id), group.standing(person.id, now)
            if standing.status == "restricted" and not standing.permissions:
                accounted = self.is_held(place) or place in self.restricted
                assert accounted, f"{person.name} is muted without a record"
            if place in self.restricted:
                continue
            if standing.is_in and not self.is_missing(group, person):
                assert self.world.can_write(person, group), f"{person.name} stays muted"
            if standing.is_in and place in self.pardoned:
                assert self.world.can_write(person, group), f"{person.name} was pardoned"

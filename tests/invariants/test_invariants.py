"""What holds whatever happens: invariants of the guard, over its world, its faults, its restarts.

One state machine does what people, admins, networks and machines do, in any order. After each step
it looks at what must never be; at rest, when nothing was going on for a while, at what must be.
"""

from functools import partial

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
)

from gmbot.sandbox.chats import Message
from gmbot.sandbox.faults import Fault
from gmbot.sandbox.people import Person
from tests.guard.town import settle
from tests.invariants.guest import Guest
from tests.invariants.neighbourhood import REST, Neighbourhood

SOMEBODY = st.integers(0, 3)
GROUP = st.integers(0, 1)
CHANNEL = st.integers(0, 1)

BUSY = 6  # deeds between two rests at least

TROUBLE = st.sampled_from(
    [
        ("getChatMember", Fault.status(502)),
        ("getChatMember", Fault.dropped()),
        ("getChatMember", Fault.flood(3)),
        ("getChatMember", Fault.slow(7)),
        ("restrictChatMember", Fault.lost()),
        ("restrictChatMember", Fault.dropped()),
        ("restrictChatMember", Fault.flood(9)),
        ("restrictChatMember", Fault.slow(4)),
        ("deleteMessages", Fault.flood(5)),
        ("deleteMessages", Fault.lost()),
        ("sendMessage", Fault.flood(20)),
        ("sendMessage", Fault.status(500)),
        ("editMessageText", Fault.lost()),
        ("getUpdates", Fault.status(504, html=True)),
        ("getUpdates", Fault.lost()),
    ]
)


class Invariants(RuleBasedStateMachine):
    """Everything that can happen around the bot."""

    def __init__(self) -> None:
        super().__init__()
        self.guest = Guest()
        self.busy = 0  # steps since the last rest
        place = self.place = Neighbourhood(self.guest.nursery)
        self.guest.run(place.open)

    @initialize()
    def everybody_writes(self) -> None:
        """Begin with people whom the bot holds: what follows is about them."""
        for person in self.place.people:
            for group in self.place.groups:
                self._do(partial(self.place.write, person, group))

    def teardown(self) -> None:
        try:
            self.rest()
        finally:
            self.guest.close()
            self.place.storage.db.close()

    def _do(self, deed: partial[None]) -> None:
        """Do something within the world's time, and let the bot act on it."""

        self.busy += 1

        async def step() -> None:
            deed()
            self.place.look()
            await settle()

        self.guest.run(step)

    # People

    @rule(who=SOMEBODY, group=GROUP, album=st.sampled_from([0, 0, 0, 4]))
    def write(self, who: int, group: int, album: int) -> None:
        """Write in a group, after coming in where that is needed."""
        place, person, chat = self.place, self.place.people[who], self.place.groups[group]
        if not chat.standing(person.id, place.telegram.now()).is_in:
            self._do(partial(person.join, chat))
        self._do(partial(place.write, person, chat, album))

    @rule(group=GROUP)
    def an_admin_writes(self, group: int) -> None:
        self._do(partial(self.place.write, self.place.mia, self.place.groups[group]))

    @rule(who=SOMEBODY, channel=CHANNEL)
    def go_in_or_out_of_a_channel(self, who: int, channel: int) -> None:
        person, chat = self.place.people[who], self.place.channels[channel]
        if chat.standing(person.id, 0).is_in:
            self._do(partial(self.place.leave_channel, person, chat))
        else:
            self._do(partial(person.join, chat))

    @rule(who=SOMEBODY, group=GROUP)
    def go_in_or_out_of_a_group(self, who: int, group: int) -> None:
        person, chat = self.place.people[who], self.place.groups[group]
        standing = chat.standing(person.id, self.place.telegram.now())
        self._do(partial(person.leave if standing.is_in else person.join, chat))

    @rule(who=SOMEBODY, group=GROUP)
    def press(self, who: int, group: int) -> None:
        person, chat = self.place.people[who], self.place.groups[group]
        for message in chat.visible():
            if message.sender is self.place.telegram.bot and message.markup:
                self._do(partial(_press, person, message))
                return

    # Humans who decide

    @rule(who=SOMEBODY, group=GROUP, writes=st.booleans())
    def an_admin_restricts(self, who: int, group: int, writes: bool) -> None:  # noqa: FBT001 - drawn
        place = self.place
        allowed = {"can_send_messages": True} if writes else {}
        person, chat = place.people[who], place.groups[group]
        self._do(partial(place.human_restricts, chat, person, **allowed))

    @rule(who=SOMEBODY, group=GROUP)
    def an_admin_frees(self, who: int, group: int) -> None:
        place = self.place
        self._do(partial(place.human_frees, place.groups[group], place.people[who]))

    @rule(who=SOMEBODY, group=GROUP)
    def an_admin_kicks(self, who: int, group: int) -> None:
        place = self.place
        self._do(partial(place.human_kicks, place.groups[group], place.people[who]))

    # The bot's rights

    @rule(group=GROUP)
    def the_bot_loses_or_regains_its_rights(self, group: int) -> None:
        place, chat = self.place, self.place.groups[group]
        change = place.take_rights if chat.id in place.acting else place.give_rights
        self._do(partial(change, chat))

    @rule(channel=CHANNEL)
    def a_channel_goes_out_of_sight_or_comes_back(self, channel: int) -> None:
        place, chat = self.place, self.place.channels[channel]
        self._do(partial(place.hide if chat.id in place.seen else place.show, chat))

    # Bad luck

    @rule(trouble=TROUBLE, times=st.integers(1, 4))
    def telegram_fails(self, trouble: tuple[str, Fault], times: int) -> None:
        method, fault = trouble
        self.place.telegram.faults.add(fault, method=method, times=times)

    @rule()
    @precondition(lambda self: not self.place.storage.away)
    def the_database_goes_away(self) -> None:
        self.place.storage.away = True

    @rule()
    @precondition(lambda self: self.place.storage.away)
    def the_database_comes_back(self) -> None:
        self.place.storage.away = False
        self.guest.run(settle)

    @rule()
    @precondition(lambda self: not self.place.storage.away)
    def the_bot_is_killed_and_started_again(self) -> None:
        self.guest.run(self.place.restart)

    @rule(back=st.integers(1, 5))
    def an_update_comes_again(self, back: int) -> None:
        place = self.place
        if len(place.given) < back:
            return

        async def deliver() -> None:
            received = place.given[-back]
            if not place.bot.dispatch.decide(received.update):
                await place.bot.dispatch.accept(received, lambda: None)
            await settle()

        self.guest.run(deliver)

    @rule(who=SOMEBODY, channel=CHANNEL)
    def come_back_to_a_channel(self, who: int, channel: int) -> None:
        """Go out and in, or in and out, with no time between."""
        for _ in range(2):
            self.go_in_or_out_of_a_channel(who, channel)

    @rule(seconds=st.sampled_from([0.5, 3.0, 11.0, 40.0]))
    def time_passes(self, seconds: float) -> None:
        self.guest.run(self.place.wait, seconds)

    @rule()
    @precondition(lambda self: self.busy > BUSY)
    def rest(self) -> None:
        """Let all trouble end, and look whether everything has become as it should be."""
        place, self.busy = self.place, 0
        place.telegram.faults.clear()
        place.storage.away = False
        for group in place.groups:
            if group.id not in place.acting:
                self._do(partial(place.give_rights, group))
        for channel in place.channels:
            if channel.id not in place.seen:
                self._do(partial(place.show, channel))
        self.guest.run(place.wait, REST)
        place.judge_at_rest()
        place.unsure.clear()
        place.look()

    @invariant()
    def nothing_is_done_that_must_not_be(self) -> None:
        self.place.judge()


def _press(person: Person, message: Message) -> None:
    person.press(message, "verify")


TestInvariants = Invariants.TestCase
TestInvariants.settings = settings(
    max_examples=15,
    stateful_step_count=30,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)

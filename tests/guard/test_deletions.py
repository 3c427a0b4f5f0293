"""Deletions that go together, over the time that passes."""

import json
from collections.abc import AsyncIterator
from random import Random
from traceback import extract_tb
from typing import Any

import pytest
import trio
from hypothesis import given
from hypothesis import strategies as st
from trio.testing import MockClock, wait_all_tasks_blocked

from gmbot.api.breaker import Breaker, BreakerPolicy
from gmbot.api.client import BotApi
from gmbot.api.errors import ApiError, ChatMigrated, CircuitOpen, NetworkFailure
from gmbot.api.limiter import Kind, Limiter, Limits, Priority
from gmbot.api.transport import Answer
from gmbot.guard.deletions import MOST, Deletions, fill
from gmbot.sandbox.chats import Chat, Message
from gmbot.sandbox.errors import TelegramError
from gmbot.sandbox.faults import Fault
from gmbot.sandbox.flood import FloodLimits
from gmbot.sandbox.telegram import Telegram
from tests.guard.town import Direct, end_after

TOO_OLD = Fault.error(TelegramError(400, "Bad Request: message can't be deleted"))
KICKED = Fault.error(TelegramError(403, "Forbidden: bot was kicked from the supergroup chat"))

ids = st.integers(1, 300)


# Which ids go in one call


@given(taken=st.lists(ids, max_size=MOST, unique=True), waiting=st.lists(ids, max_size=300))
def test_a_call_has_each_id_once_and_up_to_100_of_them(
    taken: list[int], waiting: list[int]
) -> None:
    filled = fill(taken, waiting)

    assert len(filled) == len(set(filled))
    assert len(filled) == min(MOST, len({*taken, *waiting}))
    assert set(filled) <= {*taken, *waiting}


@given(taken=st.lists(ids, max_size=MOST, unique=True), waiting=st.lists(ids, max_size=300))
def test_what_was_taken_stays_and_who_waits_longest_comes_first(
    taken: list[int], waiting: list[int]
) -> None:
    filled = fill(taken, waiting)

    assert list(filled[: len(taken)]) == taken
    new = [one for one in dict.fromkeys(waiting) if one not in taken]
    assert list(filled[len(taken) :]) == new[: MOST - len(taken)]


# Calls


class Wire(Direct):
    """Requests that skip the network; `batches` are the ids of each call, as it went out."""

    def __init__(self, telegram: Telegram) -> None:
        super().__init__(telegram, [])
        self.batches: list[list[int]] = []
        self.mistake: Exception | None = None  # raised once instead of sending

    async def post(self, method: str, body: bytes, *, read_timeout: float) -> Answer:
        if method == "deleteMessages":
            self.batches.append(json.loads(body)["message_ids"])
        if self.mistake is not None:
            mistake, self.mistake = self.mistake, None
            raise mistake
        return await super().post(method, body, read_timeout=read_timeout)


class Yard:
    """A group full of messages, and callers who want them deleted."""

    def __init__(self, nursery: trio.Nursery, calls: float) -> None:
        no_flood = FloodLimits(group=None, overall=None, private=None)
        self.telegram = Telegram(random=Random(1), flood=no_flood)
        world = self.telegram.world
        self.anna = world.person("Anna")
        self.sue = world.person("Sue")
        self.group = self.new_group("Garden friends")
        self.limiter = Limiter(Limits(0, 0, calls))
        self.wire = Wire(self.telegram)
        self.api = BotApi(
            self.wire,
            limiter=self.limiter,
            breaker=Breaker("api", BreakerPolicy()),
            random=Random(2),
        )
        self.deletions = Deletions(self.api)
        self.results: dict[int, Any] = {}
        self.depths: set[int] = set()  # of the tracebacks that callers met
        self.scopes: dict[int, trio.CancelScope] = {}
        self.nursery = nursery

    def new_group(self, title: str) -> Chat:
        return self.telegram.world.supergroup(
            title, creator=self.anna, members=[self.sue], admins=[self.telegram.bot]
        )

    def messages(self, count: int, group: Chat | None = None) -> list[Message]:
        return [self.sue.write(group or self.group, f"Buy {n}!") for n in range(count)]

    def delete(self, *messages: Message, priority: Priority = Priority.DELETION) -> None:
        """Start a caller for each message."""
        for message in messages:
            self.nursery.start_soon(self._delete, message, priority)

    async def _delete(self, message: Message, priority: Priority) -> None:
        with trio.CancelScope() as self.scopes[message.id]:
            try:
                self.results[message.id] = await self.deletions.delete(
                    message.chat.id, message.id, priority=priority
                )
            except ApiError as error:
                self.results[message.id] = error
                self.depths.add(len(extract_tb(error.__traceback__)))

    def hold(self, seconds: float, group: Chat | None = None) -> None:
        """Give this group no turn for a while."""
        self.limiter.freeze("deleteMessages", (group or self.group).id, seconds)

    def answers(self, messages: list[Message]) -> list[Any]:
        return [self.results[message.id] for message in messages]


@pytest.fixture
def calls() -> float:
    """How many calls a second there may be; a test overrides this by parametrizing."""
    return 100.0


ONE_BY_ONE = pytest.mark.parametrize("calls", [1.0], ids=["one by one"])


@pytest.fixture
async def yard(
    autojump_clock: MockClock, nursery: trio.Nursery, calls: float
) -> AsyncIterator[Yard]:
    yard = Yard(nursery, calls)
    await nursery.start(yard.limiter.run)
    nursery.start_soon(end_after, 3600)
    yield yard
    assert yard.deletions.waiting == 0
    assert yard.telegram.violations == []


async def test_a_lone_deletion_goes_at_once(autojump_clock: MockClock, yard: Yard) -> None:
    (message,) = messages = yard.messages(1)
    began = trio.current_time()

    assert await yard.deletions.delete(yard.group.id, message.id)
    assert trio.current_time() == began
    assert yard.wire.batches == [[message.id]]
    assert [m.deleted for m in messages] == [True]


async def test_under_load_they_go_together(autojump_clock: MockClock, yard: Yard) -> None:
    messages = yard.messages(300)
    yard.delete(*messages)
    await trio.sleep(1)

    assert all(message.deleted for message in messages)
    assert yard.answers(messages) == [True] * 300
    # There is one turn at once, then one every 11 ms: the others gather behind the first.
    assert [len(batch) for batch in yard.wire.batches] == [1, 100, 100, 99]
    assert sorted(one for batch in yard.wire.batches for one in batch) == [m.id for m in messages]


async def test_who_comes_while_the_turn_is_awaited_comes_along(
    autojump_clock: MockClock, yard: Yard
) -> None:
    messages = yard.messages(3)
    yard.hold(60)
    yard.delete(messages[0])
    await trio.sleep(30)
    yard.delete(*messages[1:])
    await trio.sleep(31)

    assert [sorted(batch) for batch in yard.wire.batches] == [[m.id for m in messages]]
    assert yard.answers(messages) == [True] * 3


async def test_a_call_takes_100_and_the_next_one_the_others(
    autojump_clock: MockClock, yard: Yard
) -> None:
    messages = yard.messages(250)
    yard.hold(60)
    yard.delete(*messages)
    await trio.sleep(61)

    assert [len(batch) for batch in yard.wire.batches] == [100, 100, 50]
    assert all(message.deleted for message in messages)
    assert yard.limiter.statistics().kinds[Kind.CALLS].given == 3


async def test_groups_do_not_wait_for_each_other(autojump_clock: MockClock, yard: Yard) -> None:
    other = yard.new_group("Other")
    (ours,), (theirs,) = yard.messages(1), yard.messages(1, other)
    yard.hold(60)
    yard.delete(ours, theirs)
    await wait_all_tasks_blocked()
    assert (ours.deleted, theirs.deleted) == (False, True)

    await trio.sleep(61)
    assert ours.deleted


async def test_the_most_urgent_one_s_turn_counts_and_takes_the_others_along(
    autojump_clock: MockClock, yard: Yard, nursery: trio.Nursery
) -> None:
    slow, quick = messages = yard.messages(2)
    yard.limiter.freeze("deleteMessages", None, 30)
    yard.delete(slow, priority=Priority.BACKGROUND)
    await wait_all_tasks_blocked()
    for _ in range(100):  # more than there are turns for at once, more urgent than the first
        nursery.start_soon(yard.limiter.wait_turn, "getChatMember", None, Priority.LOOKUP)
    await wait_all_tasks_blocked()
    yard.delete(quick)
    await trio.sleep(30.01)

    assert len(yard.wire.batches) == 1
    assert yard.answers(messages) == [True, True]


async def test_the_same_message_wanted_twice_is_named_once(
    autojump_clock: MockClock, yard: Yard
) -> None:
    (message,) = yard.messages(1)
    yard.hold(60)
    yard.delete(message, message)
    await trio.sleep(61)

    assert yard.wire.batches == [[message.id]]


async def test_what_is_gone_already_is_fine(autojump_clock: MockClock, yard: Yard) -> None:
    messages = yard.messages(2)
    yard.anna.delete(messages[0])
    yard.hold(60)
    yard.delete(*messages)
    await trio.sleep(61)

    assert yard.answers(messages) == [True, True]


async def test_while_one_call_is_under_way_the_next_ones_go(
    autojump_clock: MockClock, yard: Yard
) -> None:
    messages = yard.messages(3)
    rule = yard.telegram.faults.add(Fault.hang(), method="deleteMessages", times=1)
    for message in messages:
        yard.delete(message)
        await trio.sleep(0.1)
    assert [m.deleted for m in messages] == [False, True, True]

    yard.telegram.faults.remove(rule)
    await wait_all_tasks_blocked()
    assert messages[0].deleted


@ONE_BY_ONE
async def test_an_attempt_that_has_to_be_repeated_takes_along_who_has_come(
    autojump_clock: MockClock, yard: Yard
) -> None:
    messages = yard.messages(3)
    yard.telegram.faults.add(Fault.flood(5), method="deleteMessages", times=1)
    yard.delete(messages[0])
    await trio.sleep(1)
    yard.delete(*messages[1:])
    await trio.sleep(10)

    assert yard.wire.batches[0] == [messages[0].id]
    assert [set(batch) for batch in yard.wire.batches[1:]] == [{m.id for m in messages}]
    assert yard.answers(messages) == [True] * 3


# Cancelled callers


async def test_a_caller_who_is_cancelled_while_waiting_takes_nobody_s_deletion_away(
    autojump_clock: MockClock,
    yard: Yard,
) -> None:
    messages = yard.messages(4)
    yard.hold(60)
    yard.delete(*messages)
    await wait_all_tasks_blocked()
    yard.scopes[messages[0].id].cancel()
    yard.scopes[messages[2].id].cancel()
    await trio.sleep(61)

    assert [m.deleted for m in messages] == [False, True, False, True]
    assert yard.answers([messages[1], messages[3]]) == [True, True]
    assert len(yard.wire.batches) == 1


async def test_a_passenger_who_is_cancelled_leaves_the_others_alone(
    autojump_clock: MockClock, yard: Yard
) -> None:
    messages = yard.messages(3)
    rule = yard.telegram.faults.add(Fault.hang(), method="deleteMessages")
    yard.hold(60)
    yard.delete(*messages)
    await trio.sleep(61)
    ((carrier, passenger, other),) = yard.wire.batches
    yard.scopes[passenger].cancel()
    yard.telegram.faults.remove(rule)
    await wait_all_tasks_blocked()

    assert all(message.deleted for message in messages)
    assert yard.results == {carrier: True, other: True}


async def test_a_carrier_who_is_cancelled_leaves_the_others_to_go_again(
    autojump_clock: MockClock, yard: Yard
) -> None:
    messages = yard.messages(4)
    rule = yard.telegram.faults.add(Fault.hang(), method="deleteMessages", times=1)
    yard.hold(60)
    yard.delete(*messages)
    await trio.sleep(61)
    ((carrier, *passengers),) = yard.wire.batches
    assert len(passengers) == 3
    yard.scopes[carrier].cancel()
    await trio.sleep(1)

    assert yard.results == dict.fromkeys(passengers, True)
    assert sorted(m.id for m in messages if m.deleted) == sorted(passengers)
    yard.telegram.faults.remove(rule)


@ONE_BY_ONE
async def test_a_carrier_s_own_mistake_is_not_the_passengers(
    autojump_clock: MockClock, yard: Yard
) -> None:
    messages = yard.messages(3)
    yard.hold(60)
    yard.delete(*messages[1:])
    yard.wire.mistake = RuntimeError("of ours")
    with pytest.raises(RuntimeError, match="of ours"):
        await yard.deletions.delete(yard.group.id, messages[0].id, priority=Priority.URGENT)
    await trio.sleep(10)

    assert yard.answers(messages[1:]) == [True, True]
    assert len(yard.wire.batches) == 2


# Errors


async def test_one_that_may_not_be_deleted_stays_alone(
    autojump_clock: MockClock, yard: Yard, logs: list[Any]
) -> None:
    messages = yard.messages(5)
    # Number 1 is nobody's to delete.
    first = yard.group.messages[1]
    yard.hold(60)
    yard.delete(*messages, first)
    await trio.sleep(61)

    assert yard.answers(messages) == [True] * 5
    assert yard.results[1] is False
    assert all(message.deleted for message in messages)
    assert [(e["event"], e["action"], e["group_id"]) for e in logs] == [
        ("rights_missing", "delete", yard.group.id)
    ]


async def test_of_a_batch_that_is_refused_also_those_are_fine_that_go_meanwhile(
    autojump_clock: MockClock,
    yard: Yard,
) -> None:
    messages = yard.messages(2)
    yard.hold(60)
    yard.telegram.faults.add(TOO_OLD, method="deleteMessages", times=1)
    rule = yard.telegram.faults.add(Fault.hang(), method="deleteMessage")
    yard.delete(*messages)
    await trio.sleep(61)
    yard.anna.delete(messages[0])
    yard.telegram.faults.remove(rule)
    await wait_all_tasks_blocked()

    assert yard.answers(messages) == [True, True]


async def test_one_that_is_refused_alone_is_not_asked_for_again(
    autojump_clock: MockClock, yard: Yard, logs: list[Any]
) -> None:
    (message,) = yard.messages(1)
    yard.telegram.faults.add(TOO_OLD)

    assert await yard.deletions.delete(yard.group.id, message.id) is False
    assert yard.telegram.log.counts["deleteMessage"] == 0
    assert [e["reason"] for e in logs] == ["Bad Request: message can't be deleted"]


async def test_where_the_bot_is_not_in_the_group_nothing_goes_alone(
    autojump_clock: MockClock, yard: Yard
) -> None:
    messages = yard.messages(3)
    yard.telegram.faults.add(KICKED)
    yard.hold(60)
    yard.delete(*messages)
    await trio.sleep(61)

    assert yard.answers(messages) == [False] * 3
    assert yard.telegram.log.counts["deleteMessage"] == 0
    assert len(yard.wire.batches) == 1


async def test_a_failing_network_is_told_to_everybody_who_was_in_the_call(
    autojump_clock: MockClock, yard: Yard
) -> None:
    messages = yard.messages(3)
    yard.telegram.faults.add(Fault.dropped())
    yard.hold(60)
    yard.delete(*messages)
    await trio.sleep(120)

    assert [type(answer) for answer in yard.answers(messages)] == [NetworkFailure] * 3
    assert all(set(batch) == {m.id for m in messages} for batch in yard.wire.batches)
    assert len(yard.depths) == 1  # each raise begins with the same traceback


async def test_an_open_breaker_is_told_to_everybody(autojump_clock: MockClock, yard: Yard) -> None:
    messages = yard.messages(3)
    rule = yard.telegram.faults.add(Fault.status(502, html=True))
    failures = 0
    while True:
        try:
            await yard.api.get_me()
        except CircuitOpen:
            break
        except ApiError:
            failures += 1
    assert failures
    yard.delete(*messages)
    await wait_all_tasks_blocked()
    yard.telegram.faults.remove(rule)

    assert [type(answer) for answer in yard.answers(messages)] == [CircuitOpen] * 3
    assert not any(message.deleted for message in messages)


async def test_who_waits_for_a_group_that_moved_is_told_where(
    autojump_clock: MockClock, yard: Yard
) -> None:
    words = "Bad Request: group chat was upgraded to a supergroup chat"
    moved = TelegramError(400, words, {"migrate_to_chat_id": -100777})
    messages = yard.messages(2)
    yard.telegram.faults.add(Fault.error(moved))
    yard.hold(60)
    yard.delete(*messages)
    await trio.sleep(61)

    assert [type(answer) for answer in yard.answers(messages)] == [ChatMigrated] * 2

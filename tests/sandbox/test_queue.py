from random import Random
from typing import Any

import pytest
import trio
import trio.testing
from hypothesis import given
from hypothesis import strategies as st

from gmbot.sandbox import queue as rules
from gmbot.sandbox.errors import TelegramError
from gmbot.sandbox.queue import Entry, LongPoll, UpdateQueue, lane
from gmbot.sandbox.schema import bot_api

NOW = 1_700_000_000.0
CHAT = {"id": -1001, "type": "supergroup"}


@pytest.fixture
def queue() -> UpdateQueue:
    return UpdateQueue(bot_api().update_kinds, random=Random(1))


@pytest.fixture
def poll(queue: UpdateQueue) -> LongPoll:
    return LongPoll(queue, trio.current_time)


def put(queue: UpdateQueue, number: int = 1, now: float = NOW) -> list[int]:
    entries = [queue.put("message", {"chat": CHAT, "text": "hi"}, now) for _ in range(number)]
    return [entry.update_id for entry in entries if entry is not None]


def ids(entries: list[Entry]) -> list[int]:
    return [entry.update_id for entry in entries]


def test_ids_grow_by_one_from_a_random_start(queue: UpdateQueue) -> None:
    other = UpdateQueue(bot_api().update_kinds, random=Random(2))

    first, second, third = put(queue, 3)

    assert (second, third) == (first + 1, first + 2)
    assert put(other) != [first]


def test_ids_start_anew_only_where_nothing_is_pending(queue: UpdateQueue) -> None:
    (old,) = put(queue)
    with pytest.raises(RuntimeError):
        queue.renumber()
    queue.start(old + 1)

    queue.renumber()

    assert abs(put(queue)[0] - old) > 1


def test_an_offset_confirms_what_lies_below_it(queue: UpdateQueue) -> None:
    first, second, third = put(queue, 3)

    begin = queue.start(second)

    assert begin == second
    assert ids(queue.fetch(100, NOW)) == [second, third]
    assert queue.history[first].end == "confirmed"


def test_a_negative_offset_keeps_so_many_from_the_end(queue: UpdateQueue) -> None:
    known = put(queue, 5)

    queue.start(-2)

    assert ids(queue.fetch(100, NOW)) == known[-2:]


@pytest.mark.parametrize(("ahead", "left"), [(1, 0), (11, 0), (12, 2)])
def test_an_offset_far_in_the_future_is_answered_from_the_head(
    queue: UpdateQueue, ahead: int, left: int
) -> None:
    last = put(queue, 2)[-1]

    queue.start(last + ahead)

    assert queue.pending_count == left


def test_an_answer_ends_at_the_limit_and_near_4_mib(queue: UpdateQueue) -> None:
    put(queue, 3)
    assert len(queue.fetch(2, NOW)) == 2
    for _ in range(10):
        queue.put("message", {"chat": CHAT, "text": "x" * (1 << 20)}, NOW)

    found = queue.fetch(100, NOW)

    assert len(found) == 3 + 3
    assert sum(len(entry.body) for entry in found) < 1 << 22


def test_kinds_left_out_by_default_must_be_allowed(queue: UpdateQueue) -> None:
    member = {"chat": CHAT, "new_chat_member": {"user": {"id": 5}}}
    assert queue.put("chat_member", member, NOW) is None

    queue.allow(["chat_member", "unheard_of"])
    queue.allow(None)

    assert queue.put("chat_member", member, NOW) is not None
    assert queue.put("message", {"chat": CHAT}, NOW) is None
    assert queue.allowed == ["chat_member"]


def test_an_empty_list_of_kinds_means_the_default(queue: UpdateQueue) -> None:
    queue.allow(["chat_member"])

    queue.allow([])

    assert queue.allowed is None
    assert queue.put("message", {"chat": CHAT}, NOW) is not None


def test_updates_live_a_day_and_presses_150_seconds(queue: UpdateQueue) -> None:
    (message,) = put(queue)
    press = queue.put("callback_query", {"from": {"id": 5}}, NOW)
    assert press is not None

    assert ids(queue.fetch(100, NOW + 150)) == [message, press.update_id]
    assert ids(queue.fetch(100, NOW + 151)) == [message]
    assert ids(queue.fetch(100, NOW + 86_401)) == []
    assert press.end == queue.history[message].end == "expired"


def test_at_most_100_000_are_pending_and_nothing_new_gets_in(
    queue: UpdateQueue, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert rules.MAX_PENDING == 100_000
    monkeypatch.setattr(rules, "MAX_PENDING", 3)

    known = put(queue, 5)

    assert ids(queue.pending) == known
    assert len(known) == 3
    queue.start(known[1])
    assert len(put(queue)) == 1
    assert len(put(queue, now=NOW + 86_401)) == 1  # what is too old makes room


def test_the_history_is_bounded_but_holds_all_that_is_pending() -> None:
    queue = UpdateQueue(bot_api().update_kinds, random=Random(1), keep=2)
    known = put(queue, 4)
    assert list(queue.history) == known

    queue.start(known[-1] + 1)
    put(queue)

    assert len(queue.history) == 2


def test_what_is_confirmed_takes_no_memory_for_its_life(queue: UpdateQueue) -> None:
    for _ in range(1000):
        queue.start(put(queue)[0] + 1)
        queue.fetch(100, NOW)

    assert sum(len(entries) for entries in queue._ageing.values()) <= 1


def test_forgetting_one_leaves_the_others(queue: UpdateQueue) -> None:
    first, second, third = put(queue, 3)
    entry = queue.history[second]

    queue.forget(entry, "confirmed")
    queue.forget(entry, "expired")

    assert ids(queue.pending) == [first, third]
    assert entry.end == "confirmed"


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(-3, 40), st.integers(1, 5))))
def test_nothing_confirmed_comes_again_and_nothing_unconfirmed_is_lost(
    steps: list[tuple[int, int, int]],
) -> None:
    queue = UpdateQueue(bot_api().update_kinds, random=Random(1))
    base = queue.head
    made: list[int] = []
    confirmed: set[int] = set()

    for number, step, limit in steps:
        made += put(queue, number)
        offset = base + step if step > 0 else step
        if step > 0 and offset <= base + len(made) + 10:
            confirmed |= {update_id for update_id in made if update_id < offset}
        elif step < 0:
            kept = [update_id for update_id in made if update_id not in confirmed][step:]
            confirmed |= set(made) - set(kept)
        queue.start(offset)
        left = [update_id for update_id in made if update_id not in confirmed]
        assert ids(queue.fetch(limit, NOW)) == left[:limit]


@pytest.mark.parametrize(
    ("kind", "payload", "expected"),
    [
        ("message", {"chat": CHAT}, ("chat", -1001)),
        ("edited_message", {"chat": CHAT}, ("chat", -1001)),
        ("callback_query", {"from": {"id": 5}}, ("callback_query", 5)),
        ("chat_member", {"chat": CHAT, "new_chat_member": {"user": {"id": 5}}}, ("chat_member", 5)),
        ("chat_join_request", {"chat": CHAT, "from": {"id": 5}}, ("chat_join_request", 5)),
        ("my_chat_member", {"chat": CHAT}, ("my_chat_member", -1001)),
        ("inline_query", {"id": "1"}, None),
    ],
)
def test_each_kind_has_its_webhook_queue(kind: str, payload: dict[str, Any], expected: Any) -> None:
    assert lane(kind, payload) == expected


async def test_a_long_poll_waits_and_returns_at_once_when_something_arrives(
    poll: LongPoll,
    queue: UpdateQueue,
    nursery: trio.Nursery,
    autojump_clock: trio.testing.MockClock,
) -> None:
    async def arrive() -> None:
        await trio.sleep(7)
        put(queue, now=trio.current_time())
        poll.wake()

    nursery.start_soon(arrive)
    start = trio.current_time()

    found = await poll.get_updates({"timeout": 30})

    assert len(found) == 1
    assert trio.current_time() - start == 7


@pytest.mark.parametrize(("seconds", "took"), [(0, 0), (30, 30), (90, 50), (-1, 0)])
async def test_a_long_poll_that_sees_nothing_ends_with_its_timeout(
    poll: LongPoll, autojump_clock: trio.testing.MockClock, seconds: int, took: float
) -> None:
    start = trio.current_time()

    assert await poll.get_updates({"timeout": seconds}) == []
    assert trio.current_time() - start == took


async def test_who_asks_the_same_at_once_waits_and_gets_one(
    poll: LongPoll, queue: UpdateQueue, autojump_clock: trio.testing.MockClock
) -> None:
    start = trio.current_time()
    await poll.get_updates({"offset": 1})
    await poll.get_updates({"offset": 1})
    assert trio.current_time() - start == 3
    put(queue, 3, now=trio.current_time())

    assert len(await poll.get_updates({"offset": 2})) == 3
    assert len(await poll.get_updates({"offset": 2})) == 1
    await trio.sleep(3)
    assert len(await poll.get_updates({"offset": 2})) == 3


async def test_the_older_of_two_waiting_polls_is_terminated(
    poll: LongPoll, nursery: trio.Nursery, autojump_clock: trio.testing.MockClock
) -> None:
    errors: list[TelegramError] = []

    async def older() -> None:
        try:
            await poll.get_updates({"timeout": 50})
        except TelegramError as error:
            errors.append(error)

    nursery.start_soon(older)
    await trio.sleep(1)

    assert await poll.get_updates({"timeout": 10}) == []
    assert [error.code for error in errors] == [409]
    assert "make sure that only one bot instance is running" in errors[0].description


async def test_a_poll_that_finds_something_terminates_nobody(
    poll: LongPoll,
    queue: UpdateQueue,
    nursery: trio.Nursery,
    autojump_clock: trio.testing.MockClock,
) -> None:
    found: list[list[Entry]] = []

    async def older() -> None:
        found.append(await poll.get_updates({"timeout": 50}))

    nursery.start_soon(older)
    await trio.sleep(1)
    put(queue, now=trio.current_time())

    assert len(await poll.get_updates({"timeout": 10})) == 1
    poll.wake()
    await trio.sleep(1)
    assert len(found) == 1


async def test_no_poll_while_a_webhook_is_active(poll: LongPoll) -> None:
    poll.is_webhook_active = True

    with pytest.raises(TelegramError, match="can't use getUpdates method while webhook is active"):
        await poll.get_updates({})


async def test_a_cancelled_poll_leaves_no_trace(
    poll: LongPoll, autojump_clock: trio.testing.MockClock
) -> None:
    with trio.move_on_after(1):
        await poll.get_updates({"timeout": 50})

    poll.abort("Conflict: nobody is there")
    assert await poll.get_updates({"offset": 5, "timeout": 1}) == []


async def deliver(poll: LongPoll, offset: int) -> None:
    for entry in await poll.get_updates({"offset": offset}):
        entry.delivered += 1


async def test_an_offset_that_has_not_moved_past_what_was_delivered_is_counted(
    poll: LongPoll, queue: UpdateQueue, autojump_clock: trio.testing.MockClock
) -> None:
    first, second = put(queue, 2, now=trio.current_time())
    await deliver(poll, first)
    assert poll.offset_repeats == 0

    await deliver(poll, first)
    assert poll.offset_repeats == 1
    await deliver(poll, second)
    assert poll.offset_repeats == 1
    await deliver(poll, second + 1)
    await deliver(poll, second + 1)
    assert poll.offset_repeats == 1
    assert queue.history[first].delivered == 2
    assert queue.history[second].end == "confirmed"


async def test_an_answer_that_was_lost_may_be_asked_for_again(
    poll: LongPoll, queue: UpdateQueue, autojump_clock: trio.testing.MockClock
) -> None:
    (first,) = put(queue, now=trio.current_time())
    await poll.get_updates({"offset": first})  # and nothing arrives

    await deliver(poll, first)

    assert poll.offset_repeats == 0


async def test_a_bot_that_starts_anew_may_ask_without_an_offset(
    poll: LongPoll, queue: UpdateQueue, autojump_clock: trio.testing.MockClock
) -> None:
    first, second = put(queue, 2, now=trio.current_time())
    await deliver(poll, first + 1)

    await deliver(poll, 0)

    assert poll.offset_repeats == 0
    assert queue.history[second].delivered == 2


async def test_a_negative_offset_is_no_repeat(
    poll: LongPoll, queue: UpdateQueue, autojump_clock: trio.testing.MockClock
) -> None:
    put(queue, now=trio.current_time())
    await deliver(poll, -1)

    await deliver(poll, -1)

    assert poll.offset_repeats == 0

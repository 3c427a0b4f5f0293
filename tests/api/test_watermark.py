import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from gmbot.api.watermark import Watermark

LIMIT = 5  # updates an answer holds here, so that the window is often full


def test_before_the_first_answer_there_is_no_offset() -> None:
    watermark = Watermark()

    assert watermark.admit([]) == []
    assert watermark.offset is None


def test_the_offset_stands_at_the_first_that_is_not_done() -> None:
    watermark = Watermark()

    assert watermark.admit([10, 11, 12]) == [10, 11, 12]
    watermark.done(11)
    watermark.done(12)
    assert (watermark.offset, watermark.open) == (10, 1)
    watermark.done(10)
    assert (watermark.offset, watermark.open) == (13, 0)


def test_what_comes_again_is_known_whether_done_or_not() -> None:
    watermark = Watermark()
    watermark.admit([10, 11, 12])
    watermark.done(11)

    assert watermark.admit([10, 11, 12, 13]) == [13]


def test_what_is_in_an_answer_twice_is_handed_out_once() -> None:
    assert Watermark().admit([10, 10]) == [10]


@pytest.mark.parametrize("update_id", [9, 10])
def test_done_twice_or_for_something_never_handed_out_changes_nothing(update_id: int) -> None:
    watermark = Watermark()
    watermark.admit([10, 11])
    watermark.done(10)

    watermark.done(update_id)

    assert (watermark.offset, watermark.open) == (11, 1)


@pytest.mark.parametrize("start", [3, 9, 12, 10**9])
def test_a_new_sequence_is_new_wherever_it_starts(start: int) -> None:
    watermark = Watermark()
    watermark.admit([10, 11])
    watermark.done(10)
    watermark.done(11)

    assert watermark.admit([start, start + 1]) == [start, start + 1]
    assert watermark.offset == start


def test_a_new_sequence_below_an_update_still_in_hand_is_new_too() -> None:
    watermark = Watermark()
    watermark.admit([10, 11])
    watermark.done(11)

    assert watermark.admit([4, 5]) == [4, 5]
    watermark.done(4)
    watermark.done(5)
    assert watermark.offset == 10  # the one in hand is not forgotten


def test_a_new_sequence_that_reaches_an_id_of_the_old_one_is_new_there_too() -> None:
    watermark = Watermark()
    watermark.admit([10, 11])
    watermark.done(11)
    watermark.admit([9])
    watermark.done(9)

    assert watermark.admit([11]) == [11]


class Polled(RuleBasedStateMachine):
    """A server's queue, a poller with a watermark, and a taker who ends its updates in any order.

    Ids start anew only where nothing is pending, as on the server: after a week without updates.
    An update has an identity of its own here, since a new sequence may use an id again.
    """

    def __init__(self) -> None:
        super().__init__()
        self.watermark = Watermark()
        self.next_id = 1000
        self.made = 0
        self.queue: dict[int, int] = {}  # on the server: update_id → identity
        self.in_hand: dict[int, int] = {}
        self.handed_out: set[int] = set()
        self.ended: set[int] = set()

    @rule(count=st.integers(1, 8))
    def something_happens(self, count: int) -> None:
        for _ in range(count):
            self.queue[self.next_id] = self.made
            self.next_id += 1
            self.made += 1

    @rule(readable=st.lists(st.booleans(), min_size=LIMIT, max_size=LIMIT))
    def poll(self, readable: list[bool]) -> None:
        offset = self.watermark.offset
        if offset is not None and offset <= self.next_id + 10:  # else taken for nonsense
            for update_id in [i for i in self.queue if i < offset]:
                assert self.queue.pop(update_id) in self.ended, "forgotten, but not done"
        answer = dict(list(self.queue.items())[:LIMIT])
        fresh = self.watermark.admit(answer)
        assert fresh == [i for i, it in answer.items() if it not in self.handed_out]
        for update_id, is_readable in zip(fresh, readable, strict=False):
            self.handed_out.add(answer[update_id])
            self.in_hand[update_id] = answer[update_id]
            if not is_readable:
                self.end(update_id)

    @precondition(lambda self: self.in_hand)
    @rule(data=st.data())
    def an_update_ends(self, data: st.DataObject) -> None:
        self.end(data.draw(st.sampled_from(sorted(self.in_hand))))

    @precondition(lambda self: self.in_hand)
    @rule()
    def all_updates_end(self) -> None:
        for update_id in list(self.in_hand):
            self.end(update_id)

    @precondition(lambda self: not self.queue)
    @rule(start=st.integers(1, 3000) | st.integers(10**8, 10**9))
    def ids_start_anew(self, start: int) -> None:
        # An offset a little above the new start would confirm what nobody has seen: a chance of
        # one in a hundred million, which the server leaves to its bots.
        offset = self.watermark.offset
        if offset is None or not start < offset <= start + 1000:
            self.next_id = start

    def end(self, update_id: int) -> None:
        self.ended.add(self.in_hand.pop(update_id))
        self.watermark.done(update_id)

    @invariant()
    def the_offset_passes_nothing_that_is_not_done(self) -> None:
        offset = self.watermark.offset
        assert self.watermark.open == len(self.in_hand)
        if self.in_hand:
            assert offset == min(self.in_hand)

    @invariant()
    def memory_is_bounded_by_one_answer(self) -> None:
        assert self.watermark.open <= LIMIT
        assert len(self.watermark._done) <= 2 * LIMIT

    def teardown(self) -> None:
        """Whatever happened, it all arrives once everything ends and polling goes on."""
        for _ in range(2 + len(self.queue)):
            self.poll([True] * LIMIT)
            self.all_updates_end()
        assert not self.queue
        assert self.ended == self.handed_out == set(range(self.made))


TestPolled = Polled.TestCase
TestPolled.settings = settings(max_examples=150, stateful_step_count=40, deadline=None)

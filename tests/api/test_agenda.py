import hypothesis.strategies as st
from hypothesis import given, settings

from gmbot.api.agenda import Agenda

STEPS = st.lists(
    st.tuples(st.sampled_from(["put", "put", "discard"]), st.integers(0, 5), st.integers(0, 9))
)


@settings(deadline=None)
@given(STEPS)
def test_the_smallest_key_comes_first_whatever_was_moved_or_taken_off(
    steps: list[tuple[str, int, int]],
) -> None:
    agenda: Agenda[int] = Agenda()
    model: dict[int, tuple[float, int]] = {}
    for step, item, time in steps:
        if step == "put":
            model[item] = (float(time), item)
            agenda.put(item, model[item])
        else:
            model.pop(item, None)
            agenda.discard(item)

        assert len(agenda) == len(model)
        assert agenda.first() == min(((key, item) for item, key in model.items()), default=None)


def test_what_was_moved_or_taken_off_leaves_no_memory_behind() -> None:
    agenda: Agenda[int] = Agenda()
    for item in range(10):
        agenda.put(item, (5.0, item))

    for time in range(10_000):
        agenda.put(0, (-float(time), 0))
        agenda.put(100 + time, (float(time), 100 + time))
        agenda.discard(100 + time)

    assert len(agenda) == 10
    assert len(agenda._heap) < 100
    assert agenda.first() == ((-9999.0, 0), 0)

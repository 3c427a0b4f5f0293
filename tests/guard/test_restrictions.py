"""What is our mute, and what is given back: the rules alone."""

from hypothesis import given
from hypothesis import strategies as st

from gmbot.api.types import PERMISSIONS, ChatMember, User
from gmbot.guard.enforcement import FREE, MUTED, SHORTEST, is_muted, permissions_after
from gmbot.storage.records import Restriction, RestrictionState

NOW = 1_800_000_000.0

rights = st.fixed_dictionaries(
    {}, optional=dict.fromkeys((*PERMISSIONS, "can_fly", "can_sing"), st.booleans())
)


def restriction(before: dict[str, bool] | None, until: int | None) -> Restriction:
    return Restriction(-1, 7, "Sue", RestrictionState.HELD, 3, before, until)


@given(before=rights, until=st.none() | st.integers(int(NOW) + 31, int(NOW) + 10**8), named=rights)
def test_a_restriction_that_goes_on_is_given_back_exactly(
    before: dict[str, bool], until: int | None, named: dict[str, bool]
) -> None:
    assert permissions_after(restriction(before, until), named, NOW) == (before, until)


@given(until=st.none() | st.integers(0, int(NOW) + SHORTEST), named=rights, before=rights)
def test_no_restriction_or_one_that_has_ended_is_lifted_whole(
    until: int | None, named: dict[str, bool], before: dict[str, bool]
) -> None:
    nothing = permissions_after(restriction(None, until), named, NOW)
    ended = permissions_after(restriction(before, until or 1), named, NOW)

    for permissions, until_date in (nothing, ended):
        assert until_date is None
        assert all(permissions.values())
        assert permissions.keys() == {*PERMISSIONS, *named}


@given(rights=rights, until=st.sampled_from([0, int(NOW)]))
def test_our_mute_is_one_that_allows_nothing_for_ever(rights: dict[str, bool], until: int) -> None:
    member = ChatMember("restricted", User(7), is_member=True, until_date=until, rights=rights)
    allows = any(value for name, value in rights.items() if name in PERMISSIONS)

    assert is_muted(member) == (not allows and not until)


@given(status=st.sampled_from(["creator", "administrator", "member", "left", "kicked"]))
def test_nobody_else_is_muted(status: str) -> None:
    assert not is_muted(ChatMember(status, User(7), rights=MUTED))


def test_a_mute_takes_all_and_a_release_gives_all() -> None:
    assert MUTED.keys() == FREE.keys() == set(PERMISSIONS)
    assert not any(MUTED.values())
    assert all(FREE.values())

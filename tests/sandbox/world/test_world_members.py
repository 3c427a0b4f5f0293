"""What somebody may do in a chat, and for how long."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gmbot.sandbox.members import (
    CREATOR,
    EVERYTHING,
    LEFT,
    LONGEST,
    MEMBER,
    NOTHING,
    PERMISSIONS,
    RIGHTS,
    SENDING,
    SHORTEST,
    Standing,
    administrator,
    asked_permissions,
    banned,
    ends_at,
    member_payload,
    permissions_payload,
)

NOW = 1_800_000_000
MEDIA = {
    "can_send_audios",
    "can_send_documents",
    "can_send_photos",
    "can_send_videos",
    "can_send_video_notes",
    "can_send_voice_notes",
}
some_permissions = st.frozensets(st.sampled_from(PERMISSIONS))
some_fields = st.dictionaries(st.sampled_from(PERMISSIONS), st.booleans())


@settings(deadline=None)  # a busy machine is no failure
@given(fields=some_fields)
def test_independent_permissions_are_what_was_asked_and_the_missing_follow_their_lead(
    fields: dict[str, bool],
) -> None:
    got = asked_permissions(fields, independent=True)

    for name in set(PERMISSIONS) - {"can_react_to_messages", "can_edit_tag", "can_manage_topics"}:
        assert (name in got) is fields.get(name, False)
    assert ("can_react_to_messages" in got) is fields.get(
        "can_react_to_messages", fields.get("can_send_messages", False)
    )
    for name in ("can_edit_tag", "can_manage_topics"):
        assert (name in got) is fields.get(name, fields.get("can_pin_messages", False))


@settings(deadline=None)  # a busy machine is no failure
@given(fields=some_fields)
def test_dependent_permissions_imply_others(fields: dict[str, bool]) -> None:
    got = asked_permissions(fields, independent=False)

    rich = fields.get("can_send_other_messages", False) or fields.get(
        "can_add_web_page_previews", False
    )
    writes = rich or fields.get("can_send_polls", False)
    assert ("can_send_messages" in got) is (writes or fields.get("can_send_messages", False))
    for name in MEDIA:
        assert (name in got) is (rich or fields.get(name, False))
    assert ("can_react_to_messages" in got) is fields.get(
        "can_react_to_messages", "can_send_messages" in got
    )


@settings(deadline=None)  # a busy machine is no failure
@given(permissions=some_permissions, independent=st.booleans())
def test_full_permissions_written_and_asked_again_are_the_same_where_independent(
    permissions: frozenset[str], *, independent: bool
) -> None:
    again = asked_permissions(permissions_payload(permissions), independent=independent)

    assert again >= permissions
    assert not independent or again == permissions


@settings(deadline=None)  # a busy machine is no failure
@given(ahead=st.integers(-LONGEST, 3 * LONGEST))
def test_a_date_too_near_or_too_far_is_for_ever(ahead: int) -> None:
    until = ends_at(NOW + ahead, NOW)

    assert until == (NOW + ahead if SHORTEST <= ahead <= LONGEST else 0)


def test_no_date_is_for_ever() -> None:
    assert ends_at(0, NOW) == 0


@pytest.mark.parametrize(
    ("ahead", "ends"),
    [(29, False), (30, True), (366 * 86400, True), (366 * 86400 + 1, False)],
)
def test_the_bounds_of_a_restriction_are_30_seconds_and_366_days(ahead: int, *, ends: bool) -> None:
    assert bool(ends_at(NOW + ahead, NOW)) is ends


@settings(deadline=None)  # a busy machine is no failure
@given(
    permissions=some_permissions.filter(lambda some: some != EVERYTHING),
    later=st.integers(0, 10_000),
    inside=st.booleans(),
)
def test_a_restriction_ends_by_itself_at_its_time(
    permissions: frozenset[str], later: int, *, inside: bool
) -> None:
    standing = (MEMBER if inside else LEFT).restricted(permissions, NOW + 5_000)

    seen = standing.at(NOW + later)

    assert seen is standing if later < 5_000 else seen == (MEMBER if inside else LEFT)


def test_a_ban_ends_by_itself_and_for_ever_does_not() -> None:
    assert banned(NOW + 60).at(NOW + 59).status == "kicked"
    assert banned(NOW + 60).at(NOW + 60) == LEFT
    assert banned(0).at(NOW * 10).status == "kicked"


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (MEMBER.restricted(NOTHING, 0), MEMBER),
        (LEFT.restricted(NOTHING, 0), LEFT),
        (banned(0), LEFT),
        (MEMBER, MEMBER),
    ],
)
def test_all_permissions_lift_a_restriction(before: Standing, after: Standing) -> None:
    assert before.restricted(EVERYTHING, 0) == after


@settings(deadline=None)  # a busy machine is no failure
@given(permissions=some_permissions, defaults=some_permissions)
def test_the_restricted_may_what_both_they_and_everybody_may(
    permissions: frozenset[str], defaults: frozenset[str]
) -> None:
    standing = Standing("restricted", permissions)

    assert standing.allowed(defaults) == permissions & defaults
    assert MEMBER.allowed(defaults) == LEFT.allowed(defaults) == defaults
    assert banned(0).allowed(defaults) == NOTHING
    assert CREATOR.allowed(defaults) == EVERYTHING


def test_an_administrator_writes_whatever_the_defaults_and_pins_by_right() -> None:
    admin = administrator(["can_pin_messages"], promoted_by=1)

    assert admin.allowed(NOTHING) == {*SENDING, "can_pin_messages"}


@settings(deadline=None)  # a busy machine is no failure
@given(permissions=some_permissions)
def test_a_restriction_outlasts_leaving_and_coming_back(permissions: frozenset[str]) -> None:
    standing = Standing("restricted", permissions, until=NOW)

    assert standing.is_in
    assert not standing.outside().is_in
    assert standing.outside().inside() == standing
    assert MEMBER.outside() == LEFT
    assert LEFT.inside() == MEMBER


def test_any_right_implies_managing_the_chat_and_the_owner_has_all() -> None:
    admin = administrator(["can_delete_messages"], promoted_by=1)

    assert admin.may("can_manage_chat")
    assert not admin.may("can_restrict_members")
    assert CREATOR.may("can_restrict_members")
    assert admin.is_admin
    assert CREATOR.is_in
    assert not MEMBER.is_admin


@pytest.mark.parametrize("kind", ["group", "supergroup", "channel"])
def test_an_administrator_is_told_with_the_rights_of_the_kind_of_chat(kind: str) -> None:
    admin = administrator([], promoted_by=5)

    mine = member_payload(admin, {"id": 1}, kind, viewer_id=5)
    foreign = member_payload(admin, {"id": 1}, kind, viewer_id=6)

    assert {name for name in mine if name.startswith("can_")} == {*RIGHTS[kind], "can_be_edited"}
    assert mine["can_be_edited"] is True
    assert foreign["can_be_edited"] is False

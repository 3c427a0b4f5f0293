"""Methods about members: what a bot is told, what it may do, and in which words it is refused."""

import json
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gmbot.sandbox import errors
from gmbot.sandbox.members import EVERYTHING, PERMISSIONS, permissions_payload

if TYPE_CHECKING:
    from tests.sandbox.world.conftest import Town

ALL = dict.fromkeys(PERMISSIONS, True)


def status(town: "Town", user_id: int) -> str:
    return str(town.call("getChatMember", chat_id=town.group, user_id=user_id)["status"])


def test_a_person_who_was_never_there_has_left(town: "Town") -> None:
    assert status(town, town.zed.id) == "left"
    assert status(town, town.ann.id) == "creator"
    assert status(town, town.bob.id) == "member"
    assert status(town, town.bot.id) == "administrator"


def test_a_person_nobody_knows_is_refused(town: "Town") -> None:
    words = town.refused("getChatMember", chat_id=town.group, user_id=4242)

    assert words == errors.PARTICIPANT_ID_INVALID


@pytest.mark.parametrize("user_id", [0, -5, "x"])
def test_what_is_no_id_is_refused(town: "Town", user_id: Any) -> None:
    words = town.refused("getChatMember", chat_id=town.group, user_id=user_id)

    assert words == errors.INVALID_USER_ID


@pytest.mark.parametrize(
    "words", [errors.MEMBER_NOT_FOUND, errors.USER_NOT_FOUND, errors.PARTICIPANT_ID_INVALID]
)
def test_a_chat_can_have_no_answer_for_who_was_never_there(town: "Town", words: str) -> None:
    town.group.absent_answer = words

    assert town.refused("getChatMember", chat_id=town.group, user_id=town.zed.id) == words
    town.bob.leave(town.group)
    assert status(town, town.bob.id) == "left"


def test_a_member_list_can_be_inaccessible_hidden_or_a_channel_s(town: "Town") -> None:
    town.ann.add(town.group, town.other)
    town.group.hidden_members = True
    ask = {"chat_id": town.group, "user_id": town.bob.id}
    assert town.refused("getChatMember", by=town.other, **ask) == errors.CHAT_ADMIN_REQUIRED
    assert town.call("getChat", chat_id=town.group)["has_hidden_members"] is True
    assert status(town, town.bob.id) == "member"

    town.group.member_list_inaccessible = True
    assert town.refused("getChatMember", **ask) == errors.MEMBER_LIST_INACCESSIBLE
    words = town.refused("getChatAdministrators", chat_id=town.group)
    assert words == errors.MEMBER_LIST_INACCESSIBLE
    assert status(town, town.bot.id) == "administrator"

    words = town.refused("getChatMember", by=town.other, chat_id="@news", user_id=town.bob.id)
    assert words == errors.MEMBER_LIST_INACCESSIBLE
    words = town.refused("getChatAdministrators", by=town.other, chat_id="@news")
    assert words == errors.MEMBER_LIST_INACCESSIBLE


def test_who_may_look_into_a_chat(town: "Town") -> None:
    stranger = town.world.bot("Stranger", "stranger_bot")
    ask = {"user_id": town.bob.id}

    words = town.refused("getChatMember", by=stranger, chat_id=town.group, **ask)
    assert words == errors.CHAT_NOT_FOUND
    assert town.call("getChat", by=stranger, chat_id="@news")["title"] == "News"
    words = town.refused("sendMessage", by=stranger, chat_id="@news", text="hi")
    assert words == errors.NOT_A_MEMBER["channel"]
    town.call("leaveChat", chat_id=town.group)
    words = town.refused("getChatMember", chat_id=town.group, **ask)
    assert words == errors.NOT_A_MEMBER["supergroup"]
    town.ann.ban(town.channel, town.bot)
    words = town.refused("getChat", chat_id="@news")
    assert words == errors.KICKED["channel"]
    assert town.refused("getChat", chat_id="@nobody") == errors.CHAT_NOT_FOUND
    assert town.refused("getChat", chat_id="") == errors.CHAT_ID_EMPTY


def test_a_bot_that_is_out_of_a_basic_group_may_still_look_but_not_act(town: "Town") -> None:
    gone = town.world.basic_group("Friends", creator=town.ann, members=[town.bot])
    town.call("leaveChat", chat_id=gone)

    assert town.call("getChat", chat_id=gone)["title"] == "Friends"
    words = town.refused("sendMessage", chat_id=gone, text="hi")
    assert words == errors.NOT_A_MEMBER["group"]


def test_administrators_are_told_without_other_bots_unless_asked_for(town: "Town") -> None:
    town.ann.promote(town.group, town.other)
    town.ann.be_anonymous(town.group)

    usual = town.call("getChatAdministrators", chat_id=town.group)
    all_of_them = town.call("getChatAdministrators", chat_id=town.group, return_bots=True)

    assert {member["user"]["id"] for member in usual} == {town.ann.id, town.bot.id}
    assert {member["user"]["id"] for member in all_of_them} > {town.other.id}
    assert next(m for m in usual if m["status"] == "creator")["is_anonymous"] is True


def test_members_are_counted(town: "Town") -> None:
    town.ann.restrict(town.group, town.bob)
    assert town.call("getChatMemberCount", chat_id=town.group) == 3

    town.bob.leave(town.group)

    assert town.call("getChatMemberCount", chat_id=town.group) == 2


def test_a_chat_is_told_with_its_permissions_and_the_bot_s_link(town: "Town") -> None:
    town.ann.set_permissions(town.group, can_send_messages=True)

    info = town.call("getChat", chat_id=town.group)

    assert info["permissions"]["can_send_messages"] is True
    assert info["permissions"]["can_send_photos"] is False
    assert info["invite_link"] == town.call("getChat", chat_id=town.group)["invite_link"]
    assert town.call("getChat", chat_id="@news")["active_usernames"] == ["news"]


def test_a_private_chat_has_the_person_s_names_and_members(town: "Town") -> None:
    town.bob.start(town.bot)

    info = town.call("getChat", chat_id=town.bob.id)
    assert (info["first_name"], info["last_name"]) == ("Bob", "Builder")
    ask = {"chat_id": town.bob.id}
    assert town.call("getChatMember", user_id=town.bob.id, **ask)["status"] == "member"
    words = town.refused("getChatMember", user_id=town.ann.id, **ask)
    assert words == errors.MEMBER_NOT_FOUND
    assert town.refused("getChatAdministrators", **ask) == errors.NO_ADMINISTRATORS


@settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=40, deadline=None
)
@given(permissions=st.frozensets(st.sampled_from(PERMISSIONS)))
def test_what_a_person_had_can_be_given_back_exactly(
    town: "Town", permissions: frozenset[str]
) -> None:
    def restrict(fields: dict[str, bool]) -> None:
        town.call(
            "restrictChatMember",
            chat_id=town.group,
            user_id=town.bob.id,
            permissions=fields,
            use_independent_chat_permissions=True,
        )

    restrict(permissions_payload(permissions))
    before = town.call("getChatMember", chat_id=town.group, user_id=town.bob.id)
    restrict(permissions_payload(frozenset()))
    muted = not town.world.can_write(town.bob, town.group)

    restrict({name: before.get(name, True) for name in PERMISSIONS})

    assert muted
    assert town.call("getChatMember", chat_id=town.group, user_id=town.bob.id) == before


def test_all_permissions_make_a_member_whom_the_defaults_bind(town: "Town") -> None:
    town.ann.restrict(town.group, town.bob)
    town.ann.set_permissions(town.group)

    town.call("restrictChatMember", chat_id=town.group, user_id=town.bob.id, permissions=ALL)

    assert status(town, town.bob.id) == "member"
    assert not town.world.can_write(town.bob, town.group)


def test_a_restriction_of_who_is_out_waits_for_them(town: "Town") -> None:
    town.call("restrictChatMember", chat_id=town.group, user_id=town.zed.id, permissions={})

    member = town.call("getChatMember", chat_id=town.group, user_id=town.zed.id)
    assert (member["status"], member["is_member"], member["until_date"]) == ("restricted", False, 0)


def test_a_restriction_of_the_banned_ends_their_ban(town: "Town") -> None:
    town.ann.ban(town.group, town.bob)

    town.call("restrictChatMember", chat_id=town.group, user_id=town.bob.id, permissions=ALL)

    assert status(town, town.bob.id) == "left"


def test_form_values_are_understood(town: "Town") -> None:
    town.call(
        "restrictChatMember",
        chat_id=str(town.group.id),
        user_id=str(town.bob.id),
        permissions=json.dumps({"can_send_polls": True}),
        use_independent_chat_permissions="true",
        until_date=str(int(town.now) + 60),
    )

    member = town.call("getChatMember", chat_id=town.group, user_id=town.bob.id)
    assert (member["can_send_polls"], member["can_send_messages"]) == (True, False)
    assert member["until_date"] == int(town.now) + 60


@pytest.mark.parametrize(
    ("permissions", "words"),
    [
        ("{", errors.PERMISSIONS_NOT_JSON),
        ("[]", errors.PERMISSIONS_NOT_OBJECT),
        (None, errors.PERMISSIONS_NOT_OBJECT),
        (
            {"can_send_polls": 1},
            'Bad Request: can\'t parse chat permissions: Field "can_send_polls" must be of type Boolean',
        ),
    ],
)
def test_permissions_that_are_none_are_refused(town: "Town", permissions: Any, words: str) -> None:
    for method in ("restrictChatMember", "setChatPermissions"):
        if method == "restrictChatMember":
            got = town.refused(
                method, chat_id=town.group, user_id=town.bob.id, permissions=permissions
            )
        else:
            got = town.refused(method, chat_id=town.group, permissions=permissions)
        assert got == words


@pytest.mark.parametrize("method", ["restrictChatMember", "banChatMember", "unbanChatMember"])
def test_owner_admins_and_oneself_cannot_be_acted_on(town: "Town", method: str) -> None:
    town.ann.promote(town.group, town.bob)
    params: dict[str, Any] = {"permissions": {}} if method == "restrictChatMember" else {}

    def words(user_id: int) -> str:
        return town.refused(method, chat_id=town.group, user_id=user_id, **params)

    assert words(town.ann.id) == errors.CANNOT_REMOVE_OWNER
    assert words(town.bob.id) == errors.USER_IS_ADMINISTRATOR
    assert words(town.bot.id) == errors.CANNOT_RESTRICT_SELF


@pytest.mark.parametrize("method", ["restrictChatMember", "banChatMember", "unbanChatMember"])
def test_who_lacks_the_right_is_refused(town: "Town", method: str) -> None:
    town.ann.promote(town.group, town.bot, can_delete_messages=True)
    params: dict[str, Any] = {"permissions": {}} if method == "restrictChatMember" else {}

    words = town.refused(method, chat_id=town.group, user_id=town.bob.id, **params)

    assert words == errors.CANNOT_RESTRICT


def test_a_bot_acts_on_the_admins_it_appointed(town: "Town") -> None:
    town.ann.promote(town.group, town.bot, can_promote_members=True, can_restrict_members=True)
    promote = {"chat_id": town.group, "user_id": town.bob.id, "can_restrict_members": True}
    town.call("promoteChatMember", **promote)
    assert status(town, town.bob.id) == "administrator"

    town.call("restrictChatMember", chat_id=town.group, user_id=town.bob.id, permissions={})

    assert status(town, town.bob.id) == "restricted"


def test_restrictions_are_for_supergroups_only(town: "Town") -> None:
    basic = town.world.basic_group("Friends", creator=town.ann, members=[town.bob])
    town.ann.add(basic, town.bot)
    town.ann.promote(basic, town.bot)

    words = town.refused("restrictChatMember", chat_id=basic, user_id=town.bob.id, permissions={})
    assert words == errors.SUPERGROUPS_ONLY
    words = town.refused("unbanChatMember", chat_id=basic, user_id=town.bob.id)
    assert words == errors.SUPERGROUPS_AND_CHANNELS_ONLY
    words = town.refused("promoteChatMember", chat_id=basic, user_id=town.bob.id)
    assert words == errors.SUPERGROUPS_AND_CHANNELS_ONLY
    town.call("banChatMember", chat_id=basic, user_id=town.bob.id)
    member = town.call("getChatMember", chat_id=basic, user_id=town.bob.id)
    assert member["status"] == "left"


def test_a_ban_ends_at_its_date_or_when_it_is_ended(town: "Town") -> None:
    ask = {"chat_id": town.group, "user_id": town.bob.id}
    town.call("banChatMember", until_date=int(town.now) + 60, **ask)
    assert status(town, town.bob.id) == "kicked"
    town.now += 60
    assert status(town, town.bob.id) == "left"
    town.call("banChatMember", **ask)

    town.call("unbanChatMember", only_if_banned=True, **ask)

    assert status(town, town.bob.id) == "left"
    assert len(town.world.journal.of("unbanned")) == 1


def test_to_unban_a_member_removes_them_unless_only_the_banned_are_meant(town: "Town") -> None:
    ask = {"chat_id": town.group, "user_id": town.bob.id}

    town.call("unbanChatMember", only_if_banned="True", **ask)
    assert status(town, town.bob.id) == "member"
    town.call("unbanChatMember", **ask)
    assert status(town, town.bob.id) == "left"
    town.updates.clear()
    town.call("unbanChatMember", **ask)
    assert town.updates == []


def test_nobody_is_banned_in_private(town: "Town") -> None:
    town.bob.start(town.bot)

    words = town.refused("banChatMember", chat_id=town.bob.id, user_id=town.bob.id)

    assert words == errors.CANNOT_BAN_IN_PRIVATE


def test_a_bot_appoints_with_its_own_rights_and_dismisses_whom_it_appointed(town: "Town") -> None:
    ask = {"chat_id": town.group, "user_id": town.bob.id}
    assert town.refused("promoteChatMember", **ask) == errors.NOT_ENOUGH_RIGHTS
    town.ann.promote(town.group, town.bot, can_promote_members=True, can_pin_messages=True)
    words = town.refused("promoteChatMember", can_delete_messages=True, **ask)
    assert words == errors.RIGHT_FORBIDDEN
    zed = {"chat_id": town.group, "user_id": town.zed.id}
    assert town.refused("promoteChatMember", **zed) == errors.NOT_PARTICIPANT
    myself = {"chat_id": town.group, "user_id": town.bot.id}
    assert town.refused("promoteChatMember", **myself) == errors.CANNOT_PROMOTE_SELF
    owner = {"chat_id": town.group, "user_id": town.ann.id}
    assert town.refused("promoteChatMember", **owner) == errors.CANNOT_REMOVE_OWNER
    town.updates.clear()

    town.call("promoteChatMember", **ask)
    assert town.updates == []
    town.call("promoteChatMember", can_pin_messages=True, is_anonymous=True, **ask)
    member = town.call("getChatMember", **ask)
    assert (member["can_be_edited"], member["is_anonymous"]) == (True, True)
    town.call("promoteChatMember", **ask)
    assert status(town, town.bob.id) == "member"


@pytest.mark.parametrize(
    ("given_right", "has"), [({}, True), ({"can_restrict_members": False}, False)]
)
def test_channel_admins_may_restrict_unless_told_otherwise(
    town: "Town", given_right: dict[str, bool], *, has: bool
) -> None:
    town.ann.promote(
        town.channel,
        town.bot,
        can_promote_members=True,
        can_restrict_members=True,
        can_post_messages=True,
    )
    town.zed.join(town.channel)
    ask = {"chat_id": town.channel, "user_id": town.zed.id}

    town.call("promoteChatMember", can_post_messages=True, **given_right, **ask)

    assert town.call("getChatMember", **ask)["can_restrict_members"] is has


def test_a_bot_sets_what_everybody_may(town: "Town") -> None:
    town.call("setChatPermissions", chat_id=town.group, permissions={"can_send_polls": True})

    assert "can_send_messages" in town.group.permissions
    assert town.group.permissions != EVERYTHING
    words = town.refused("setChatPermissions", chat_id=town.channel, permissions={})
    assert words == errors.CANNOT_CHANGE_PERMISSIONS
    town.ann.promote(town.group, town.bot, can_delete_messages=True)
    words = town.refused("setChatPermissions", chat_id=town.group, permissions={})
    assert words == errors.CANNOT_CHANGE_PERMISSIONS

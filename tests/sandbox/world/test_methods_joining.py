"""Methods about invite links, join requests and leaving."""

from typing import TYPE_CHECKING

import pytest

from gmbot.sandbox import errors
from gmbot.sandbox.chats import JoinRequest
from gmbot.sandbox.errors import NotAllowed

if TYPE_CHECKING:
    from tests.sandbox.world.conftest import Town


def ask(town: "Town") -> JoinRequest:
    link = town.call("createChatInviteLink", chat_id=town.group, creates_join_request=True)
    return town.zed.request_join(town.group, via=link["invite_link"])


def test_a_created_link_lets_people_in_and_says_so(town: "Town") -> None:
    link = town.call(
        "createChatInviteLink",
        chat_id=town.group,
        name="For you",
        expire_date=int(town.now) + 60,
        member_limit=1,
    )

    town.zed.join(town.group, via=link["invite_link"])

    assert (link["name"], link["member_limit"]) == ("For you", 1)
    assert town.heard("chat_member")[0]["invite_link"] == link


def test_links_that_make_no_sense_are_refused(town: "Town") -> None:
    both = town.refused(
        "createChatInviteLink", chat_id=town.group, creates_join_request=True, member_limit=5
    )
    assert both == errors.LIMIT_WITH_APPROVAL
    past = town.refused("createChatInviteLink", chat_id=town.group, expire_date=int(town.now))
    assert past == errors.EXPIRE_DATE_INVALID


@pytest.mark.parametrize("method", ["createChatInviteLink", "exportChatInviteLink"])
def test_links_take_a_right_and_a_chat_with_doors(town: "Town", method: str) -> None:
    town.bob.start(town.bot)
    assert town.refused(method, chat_id=town.bob.id) == errors.NO_LINKS_IN_PRIVATE
    town.ann.promote(town.group, town.bot, can_delete_messages=True)
    assert town.refused(method, chat_id=town.group) == errors.CANNOT_MANAGE_LINKS
    assert "invite_link" not in town.call("getChat", chat_id=town.group)


def test_an_exported_link_replaces_the_primary_one(town: "Town") -> None:
    old = town.call("getChat", chat_id=town.group)["invite_link"]

    new = town.call("exportChatInviteLink", chat_id=town.group)

    assert town.call("getChat", chat_id=town.group)["invite_link"] == new != old
    with pytest.raises(NotAllowed):
        town.zed.join(town.group, via=old)


def test_a_revoked_link_is_useless_and_a_primary_one_is_followed_by_another(town: "Town") -> None:
    created = town.call("createChatInviteLink", chat_id=town.group)["invite_link"]
    primary = town.call("exportChatInviteLink", chat_id=town.group)

    for link in (created, primary):
        revoked = town.call("revokeChatInviteLink", chat_id=town.group, invite_link=link)
        assert revoked["is_revoked"] is True
        with pytest.raises(NotAllowed):
            town.zed.join(town.group, via=link)

    assert town.call("getChat", chat_id=town.group)["invite_link"] != primary
    hers = town.ann.link(town.group).url
    words = town.refused("revokeChatInviteLink", chat_id=town.group, invite_link=hers)
    assert words == errors.INVITE_HASH_INVALID
    words = town.refused("revokeChatInviteLink", chat_id=town.group, invite_link="x")
    assert words == errors.INVITE_HASH_INVALID


def test_an_approved_request_makes_a_member(town: "Town") -> None:
    request = ask(town)
    (update,) = town.heard("chat_join_request")
    assert update["invite_link"]["pending_join_request_count"] == 1

    town.call("approveChatJoinRequest", chat_id=town.group, user_id=town.zed.id)

    assert request.state == "approved"
    (joined,) = town.heard("chat_member")
    assert joined["from"]["id"] == town.bot.id
    assert joined["new_chat_member"]["user"]["id"] == town.zed.id


def test_a_declined_request_does_not(town: "Town") -> None:
    request = ask(town)

    town.call("declineChatJoinRequest", chat_id=town.group, user_id=town.zed.id)

    assert request.state == "declined"
    assert town.group.standing(town.zed.id, town.now).status == "left"


@pytest.mark.parametrize("method", ["approveChatJoinRequest", "declineChatJoinRequest"])
def test_there_must_be_a_request_and_a_right(town: "Town", method: str) -> None:
    def words(user_id: int) -> str:
        return town.refused(method, chat_id=town.group, user_id=user_id)

    assert words(town.zed.id) == errors.REQUESTER_MISSING
    assert words(town.bob.id) == errors.ALREADY_PARTICIPANT
    assert words(4242) == errors.USER_ID_INVALID
    assert words(0) == errors.INVALID_USER_ID
    town.bob.start(town.bot)
    private = town.refused(method, chat_id=town.bob.id, user_id=town.bob.id)
    assert private == errors.NO_REQUESTS_IN_PRIVATE
    town.ann.promote(town.group, town.bot, can_delete_messages=True)
    assert words(town.zed.id) == errors.CANNOT_MANAGE_REQUESTS


def test_who_may_not_invite_hears_of_no_request(town: "Town") -> None:
    link = town.ann.link(town.group, creates_join_request=True)
    town.ann.promote(town.group, town.bot, can_delete_messages=True)

    town.zed.request_join(town.group, via=link)

    assert town.heard("chat_join_request") == []


@pytest.mark.parametrize(
    ("result", "state"), [("approve", "approved"), ("decline", "declined"), ("queue", "pending")]
)
def test_a_guard_bot_decides_by_its_query(town: "Town", result: str, state: str) -> None:
    town.group.guard_bot = town.bot
    request = ask(town)
    query_id = town.heard("chat_join_request")[0]["query_id"]
    assert town.call("getChat", chat_id=town.group)["guard_bot"]["id"] == town.bot.id
    answer = {"chat_join_request_query_id": query_id, "result": result}

    assert town.call("answerChatJoinRequestQuery", **answer) is True

    assert request.state == state
    assert town.refused("answerChatJoinRequestQuery", **answer) == errors.QUERY_TOO_OLD


def test_a_guard_bot_has_ten_seconds(town: "Town") -> None:
    town.group.guard_bot = town.bot
    ask(town)
    query_id = town.heard("chat_join_request")[0]["query_id"]
    wrong = {"chat_join_request_query_id": query_id, "result": "maybe"}
    assert town.refused("answerChatJoinRequestQuery", **wrong) == errors.RESULT_INVALID
    empty = {"chat_join_request_query_id": "", "result": "queue"}
    assert town.refused("answerChatJoinRequestQuery", **empty) == errors.QUERY_TOO_OLD

    town.now += 10.5

    late = {"chat_join_request_query_id": query_id, "result": "approve"}
    assert town.refused("answerChatJoinRequestQuery", **late) == errors.QUERY_TOO_OLD
    town.call("approveChatJoinRequest", chat_id=town.group, user_id=town.zed.id)


def test_a_bot_leaves_a_chat_and_hears_of_it(town: "Town") -> None:
    town.call("leaveChat", chat_id=town.group)

    (update,) = town.heard("my_chat_member")
    assert update["new_chat_member"]["status"] == "left"
    words = town.refused("leaveChat", chat_id=town.group)
    assert words == errors.NOT_A_MEMBER["supergroup"]
    town.bob.start(town.bot)
    assert town.refused("leaveChat", chat_id=town.bob.id) == errors.CANNOT_LEAVE_PRIVATE


def test_a_link_can_be_set_anew_by_the_bot_that_made_it(town: "Town") -> None:
    made = town.call("createChatInviteLink", chat_id=town.group, name="front", member_limit=3)
    link = made["invite_link"]
    hers = town.ann.link(town.group).url

    edited = town.call("editChatInviteLink", chat_id=town.group, invite_link=link, name="back")

    assert edited["name"] == "back"
    assert "member_limit" not in edited
    words = town.refused("editChatInviteLink", chat_id=town.group, invite_link=hers)
    assert words == errors.INVITE_HASH_INVALID
    words = town.refused("editChatInviteLink", chat_id=town.group, invite_link=link, expire_date=1)
    assert words == errors.EXPIRE_DATE_INVALID
    town.call("revokeChatInviteLink", chat_id=town.group, invite_link=link)
    words = town.refused("editChatInviteLink", chat_id=town.group, invite_link=link)
    assert words == errors.INVITE_HASH_EXPIRED

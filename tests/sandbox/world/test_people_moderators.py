"""What people do who run a chat, and what they have no right to."""

from typing import TYPE_CHECKING

import pytest

from gmbot.sandbox.errors import NotAllowed

if TYPE_CHECKING:
    from tests.sandbox.world.conftest import Town


def test_a_bot_comes_into_a_channel_as_administrator_and_goes_when_demoted(town: "Town") -> None:
    town.ann.add(town.channel, town.other)
    assert town.channel.standing(town.other.id, town.now).is_admin

    town.ann.demote(town.channel, town.other)

    assert town.channel.standing(town.other.id, town.now).status == "left"
    assert len(town.heard("my_chat_member", town.other)) == 2


def test_members_add_others_where_everybody_may_invite(town: "Town") -> None:
    town.bob.add(town.group, town.zed)
    with pytest.raises(NotAllowed, match="already"):
        town.bob.add(town.group, town.zed)
    town.ann.ban(town.group, town.zed)
    with pytest.raises(NotAllowed, match="can_restrict_members"):
        town.bob.add(town.group, town.zed)
    town.ann.set_permissions(town.group, can_send_messages=True)
    with pytest.raises(NotAllowed, match="invite"):
        town.bob.add(town.group, town.other)

    town.ann.add(town.group, town.zed)

    assert town.group.standing(town.zed.id, town.now).status == "member"


def test_subscribers_add_nobody_to_a_channel(town: "Town") -> None:
    town.bob.join(town.channel)
    with pytest.raises(NotAllowed, match="invite"):
        town.bob.add(town.channel, town.zed)

    town.ann.add(town.channel, town.zed)

    assert town.channel.standing(town.zed.id, town.now).status == "member"


def test_a_promoted_person_has_the_rights_named_or_most_of_them(town: "Town") -> None:
    town.ann.promote(town.group, town.bob, can_delete_messages=True, can_pin_messages=False)
    standing = town.group.standing(town.bob.id, town.now)
    assert standing.rights == {"can_delete_messages", "can_manage_chat"}

    town.ann.promote(town.group, town.bob)

    standing = town.group.standing(town.bob.id, town.now)
    assert "can_restrict_members" in standing.rights
    assert "can_promote_members" not in standing.rights
    with pytest.raises(ValueError, match="can_post_messages"):
        town.ann.promote(town.group, town.bob, can_post_messages=True)
    with pytest.raises(NotAllowed):
        town.bob.promote(town.group, town.zed)


def test_a_demoted_person_is_a_member_again(town: "Town") -> None:
    town.ann.promote(town.group, town.bob)

    town.ann.demote(town.group, town.bob)

    assert town.group.standing(town.bob.id, town.now).status == "member"
    with pytest.raises(NotAllowed, match="no administrator"):
        town.ann.demote(town.group, town.bob)


def test_admins_act_neither_on_the_owner_nor_on_each_other_nor_on_themselves(town: "Town") -> None:
    town.ann.promote(town.group, town.bob)
    for whom in (town.ann, town.bot, town.bob):
        with pytest.raises(NotAllowed):
            town.bob.restrict(town.group, whom)
        with pytest.raises(NotAllowed):
            town.bob.ban(town.group, whom)


def test_the_owner_acts_on_every_admin(town: "Town") -> None:
    town.ann.promote(town.group, town.bob)

    town.ann.restrict(town.group, town.bob)

    assert town.group.standing(town.bob.id, town.now).status == "restricted"


def test_only_administrators_hide(town: "Town") -> None:
    with pytest.raises(NotAllowed):
        town.bob.be_anonymous(town.group)
    town.ann.be_anonymous(town.group)
    town.ann.be_anonymous(town.group, hidden=False)

    assert town.group.standing(town.ann.id, town.now).is_anonymous is False


def test_a_restriction_can_leave_some_permissions_and_be_lifted(town: "Town") -> None:
    town.ann.restrict(town.group, town.bob, can_send_messages=True, until_date=int(town.now) + 60)
    standing = town.group.standing(town.bob.id, town.now)
    assert standing.permissions == {"can_send_messages", "can_react_to_messages"}
    assert standing.until == int(town.now) + 60

    town.ann.lift(town.group, town.bob)

    assert town.group.standing(town.bob.id, town.now).status == "member"
    deeds = [entry.deed for entry in town.world.journal]
    assert deeds == ["restricted", "lifted the restriction of"]


def test_only_supergroups_know_restrictions(town: "Town") -> None:
    basic = town.world.basic_group("Friends", creator=town.ann, members=[town.bob])

    with pytest.raises(NotAllowed):
        town.ann.restrict(basic, town.bob)


def test_a_ban_takes_the_messages_along_and_lasts_until_it_is_ended(town: "Town") -> None:
    said = town.bob.write(town.group, "spam")
    link = town.ann.link(town.group)
    town.updates.clear()

    town.ann.ban(town.group, town.bob)

    assert said.deleted
    assert town.kinds() == ["chat_member", "message"]
    assert town.heard("message")[0]["left_chat_member"]["id"] == town.bob.id
    with pytest.raises(NotAllowed):
        town.bob.join(town.group, via=link)
    town.ann.unban(town.group, town.bob)
    town.bob.join(town.group, via=link)
    town.ann.unban(town.group, town.bob)
    assert town.group.standing(town.bob.id, town.now).status == "member"


def test_banned_again_with_the_same_end_is_no_news(town: "Town") -> None:
    town.ann.ban(town.group, town.bob)
    town.updates.clear()

    town.ann.ban(town.group, town.bob)

    assert town.updates == []


def test_people_delete_what_is_theirs_and_admins_what_they_may(town: "Town") -> None:
    mine, hers = town.bob.write(town.group, "mine"), town.ann.write(town.group, "hers")

    town.bob.delete(mine)
    with pytest.raises(NotAllowed, match="can_delete_messages"):
        town.bob.delete(hers)
    with pytest.raises(NotAllowed, match="already"):
        town.ann.delete(mine)
    town.ann.promote(town.group, town.bob, can_delete_messages=True)
    town.bob.delete(hers)

    assert town.group.deleted_ids() == [mine.id, hers.id]
    assert hers.deleted_by is town.bob


def test_pinning_is_told_by_a_service_message_and_seen_in_the_chat(town: "Town") -> None:
    message = town.bob.write(town.group, "rules")
    town.updates.clear()

    town.bob.pin(message)

    assert town.heard("message")[0]["pinned_message"]["message_id"] == message.id
    assert town.call("getChat", chat_id=town.group)["pinned_message"]["text"] == "rules"
    town.ann.delete(message)
    assert "pinned_message" not in town.call("getChat", chat_id=town.group)
    town.ann.set_permissions(town.group)
    with pytest.raises(NotAllowed, match="pin"):
        town.bob.pin(message)


def test_pinning_a_post_is_silent_and_a_right_of_editors(town: "Town") -> None:
    post = town.ann.post(town.channel, "news")
    town.zed.join(town.channel)
    town.updates.clear()

    town.ann.pin(post)

    assert town.updates == []
    with pytest.raises(NotAllowed):
        town.zed.pin(post)


def test_only_the_owner_upgrades_a_basic_group_and_once(town: "Town") -> None:
    basic = town.world.basic_group("Friends", creator=town.ann, members=[town.bob])
    with pytest.raises(NotAllowed):
        town.bob.migrate(basic)
    with pytest.raises(NotAllowed):
        town.ann.migrate(town.group)
    town.ann.migrate(basic)

    with pytest.raises(NotAllowed, match="already"):
        town.ann.migrate(basic)
